"""What a request must satisfy before it is handled.

A server on this machine is within reach of every page that its user opens. Such a page can send requests to it (cross-
site posts), or give it a name of its own (DNS rebinding). So the ``Host`` must be a name of this server, and the
``Origin`` of a request, where there is one, must be this server itself. A server that other machines reach also asks
for a token.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
COOKIE = "seemkit-token"
MOST_BYTES = 64 * 2**20
"""Largest body of a request in bytes."""
HEADERS = (
    (b"content-security-policy", b"default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """Refuses requests of other sites, without the token, or with too large a body; adds headers for safety.

    Args:
        application: what answers the other requests.
        hosts: names under which the server may be addressed, without the port.
        token: what every request must show, in a cookie, the query or as ``Authorization: Bearer``; None for no token.
        most_bytes: largest body.
    """

    def __init__(
        self,
        application: Application,
        hosts: tuple[str, ...] = LOOPBACK,
        token: str | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.application = application
        self.hosts = tuple(host.lower() for host in hosts)
        self.token = token
        self.most_bytes = most_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        shown = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0] if self.token else ""

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
                if shown:
                    cookie = f"{COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Strict"
                    message["headers"].append((b"set-cookie", cookie.encode()))
            await send(message)

        await self.application(scope, self._limited(receive), safe)

    def _refusal(self, scope: Message, headers: MutableMapping[str, str]) -> tuple[int, str] | None:
        """Return status and message if a request is refused."""
        host = headers.get("host", "").lower()
        if not self._is_named(_without_port(host)):
            return 403, f"this server is not known as {host!r}; open the address that seemkit app prints"
        origin = headers.get("origin")
        if origin is not None and origin.lower().partition("://")[2] != host:
            return 403, f"a page of {origin!r} may not use this server"
        if self.token is not None and not self._knows(scope, headers):
            return 401, "the token is missing; open the address that seemkit app prints"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.most_bytes:
            return 413, self._too_large()
        return None

    def _is_named(self, name: str) -> bool:
        """Return whether the server may be addressed by a name; with a token also by any address in numbers.

        A page of another site can give this machine a name of its own, but no number.
        """
        if name in self.hosts:
            return True
        try:
            return self.token is not None and bool(ip_address(name.strip("[]")))
        except ValueError:
            return False

    def _knows(self, scope: Message, headers: MutableMapping[str, str]) -> bool:
        """Return whether a request shows the token."""
        cookies = (one.strip().partition("=") for one in headers.get("cookie", "").split(";"))
        cookie = next((value for name, _, value in cookies if name == COOKIE), "")
        query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        shown = (query, bearer, cookie)
        return any(hmac.compare_digest(one.encode(), str(self.token).encode()) for one in shown)

    def _limited(self, receive: Receive) -> Receive:
        """Return what receives a body and stops when it is too large."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.most_bytes:
                raise HTTPException(413, self._too_large())
            return message

        return limited

    def _too_large(self) -> str:
        return f"the request is larger than {self.most_bytes // 2**20} MiB"


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).removesuffix(".")


async def _answer(send: Send, status: int, error: str) -> None:
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
