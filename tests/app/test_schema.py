"""Requests of every kind that the schema allows, and of those that it does not: none breaks the server."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

CASES = 200
"""Requests for each of the routes."""
QUIET = settings(
    max_examples=CASES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow
def test_no_request_breaks_the_server(client):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    session = client.post("/v1/sessions", json={"image": "0.png"}).json()["session"]
    asked: dict[str, int] = {}
    for result in schema.get_all_operations():
        operation = result.ok()

        @QUIET
        @given(case=operation.as_strategy())
        def ask(case):
            if "session" in case.path_parameters and hash(str(case.body)) % 2:
                case.path_parameters["session"] = session  # half of them reach a session
            sent = case.as_transport_kwargs(base_url="http://127.0.0.1:8000")
            sent["headers"] = {**dict(sent.get("headers") or {}), "host": "127.0.0.1:8000"}
            if isinstance(sent.get("data"), bytes):
                sent["content"] = sent.pop("data")
            answer = client.request(**{name: value for name, value in sent.items() if value is not None})
            asked[case.path] = asked.get(case.path, 0) + 1
            assert answer.status_code < 500, (case.method, case.path, answer.text)
            if answer.status_code >= 400:
                assert len(answer.json()["error"].splitlines()) == 1

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ask()
    assert len(asked) > 12
    assert sum(asked.values()) > 2000
