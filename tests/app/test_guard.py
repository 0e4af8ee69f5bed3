"""Who may use the server."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from seemkit.app.guard import Guard


async def length(request):
    return PlainTextResponse(str(len(await request.body())))


answers = Starlette(routes=[Route("/", length, methods=["GET", "POST"])])
"""An application that says how long a body is."""


def client(**options):
    return TestClient(Guard(answers, **options), base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "LocalHost:8000", "[::1]:8000", "localhost", "localhost.:80"])
def test_names_of_this_machine(host):
    assert client().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "localhost.evil:80"])
def test_a_name_that_another_site_gave(host):
    assert client().get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9000", "http://["])
def test_a_page_of_another_site(origin):
    assert client().post("/", headers={"origin": origin}).status_code == 403
    assert client().post("/", headers={"origin": "http://127.0.0.1:8000"}).status_code == 200


def test_the_token():
    asked = client(token="secret")
    assert asked.get("/").status_code == 401
    assert asked.get("/?token=wrong").status_code == 401
    assert asked.get("/", headers={"authorization": "Bearer secret"}).status_code == 200
    first = asked.get("/?token=secret")
    assert first.status_code == 200
    assert "HttpOnly" in first.headers["set-cookie"]
    assert asked.get("/").status_code == 200  # by the cookie
    others = {"cookie": 'j={"a":1}; a/b=1; seemkit-token=secret'}
    assert client(token="secret").get("/", headers=others).status_code == 200


def test_addresses_in_numbers_need_the_token():
    assert client().get("/", headers={"host": "192.168.0.7:8000"}).status_code == 403
    assert client(token="secret").get("/?token=secret", headers={"host": "192.168.0.7:8000"}).status_code == 200
    assert client(token="secret").get("/?token=secret", headers={"host": "evil.example"}).status_code == 403


def test_large_bodies():
    asked = client(most_bytes=1000)
    assert asked.post("/", content=b"x" * 1000).text == "1000"
    assert asked.post("/", content=b"x" * 1001).status_code == 413
    assert asked.post("/", content=(b"x" * 100 for _ in range(20))).status_code == 413  # whose length nobody said


def test_headers():
    headers = client().get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
