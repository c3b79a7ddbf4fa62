"""Faults of an object store, put between boto3's client and the network.

    faults = Faults(client)
    faults.at(17, "503")       # the 17th request from now on is answered 503, once; "lost": carried out, then 500
    faults.after(17, "denied") # every request from the 17th on
    faults.seen                # ["GetObject …/manifest.json", …]: what was asked

`Proxy` stands between a client and a server instead, and spoils the bodies of what is downloaded.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlparse

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from infra.stack import Stack

ANSWERS = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "409": (409, "ConditionalRequestConflict"),
    "412": (412, "PreconditionFailed"),
    "lost": (500, "InternalError"),
    "denied": (403, "AccessDenied"),
    "unknown key": (403, "InvalidAccessKeyId"),
}
KINDS = ("500", "503", "409", "412", "reset", "timeout", "lost")
PASSING = ("500", "503", "reset", "timeout", "lost")  # trying again may help


def client(stack: Stack, endpoint: str = "", read_timeout: float = 30.0) -> Any:
    """A client of the stack's store that tries once and never sleeps."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        read_timeout=read_timeout,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"payload_signing_enabled": False},
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint or stack.endpoint,
        aws_access_key_id=stack.access_key,
        aws_secret_access_key=stack.secret_key,
        region_name="us-east-1",
        config=config,
    )


class Faults:
    """Counts the client's requests and answers some in the store's place."""

    def __init__(self, s3: Any) -> None:
        self.seen: list[str] = []
        self._plan: Callable[[int], str] = lambda _: ""
        self._session = URLLib3Session()
        s3.meta.events.register("before-send.s3", self._answer)

    def none(self) -> None:
        """Every request passes, and counting begins again."""
        self.seen, self._plan = [], lambda _: ""

    def at(self, ordinal: int, kind: str) -> None:
        """The request of that number, from 0, fails; those before and after it pass."""
        self.seen, self._plan = [], lambda number: kind if number == ordinal else ""

    def after(self, ordinal: int, kind: str) -> None:
        """Every request fails from that number on."""
        self.seen, self._plan = [], lambda number: kind if number >= ordinal else ""

    def _answer(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse | None:
        kind = self._plan(len(self.seen))
        self.seen.append(f"{event_name.rpartition('.')[2]} {urlparse(request.url).path}")
        if kind == "reset":
            raise ConnectionClosedError(endpoint_url=request.url)
        if kind == "timeout":
            raise ReadTimeoutError(endpoint_url=request.url)
        if kind == "lost":
            self._session.send(request)
        return _response(request, *ANSWERS[kind]) if kind else None


def _response(request: AWSPreparedRequest, status: int, code: str) -> AWSResponse:
    body = b"" if request.method == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
    return AWSResponse(request.url, status, {"content-type": "application/xml"}, Body(body))


class Body:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]


Spoil = Callable[[bytes], Iterator[bytes]]


def cut(body: bytes) -> Iterator[bytes]:
    """Half of the body, and then the connection is closed."""
    yield body[: len(body) // 2]


def flipped(body: bytes) -> Iterator[bytes]:
    """One bit in the middle is another."""
    middle = len(body) // 2
    yield body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def slow(body: bytes) -> Iterator[bytes]:
    """Everything, in small pieces."""
    for start in range(0, len(body), 4):
        yield body[start : start + 4]
        time.sleep(0.005)


def stalled(body: bytes) -> Iterator[bytes]:
    """Half of the body, and then nothing while the connection stays open."""
    yield body[: len(body) // 2]
    time.sleep(1.0)


@contextmanager
def proxy(endpoint: str, spoil: Spoil, part: str) -> Iterator[tuple[str, list[str]]]:
    """A server that passes everything on, and spoils the body of each GET whose path holds `part`; its address, and the
    paths that were spoilt."""
    spoilt: list[str] = []
    target = urlparse(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            connection = http.client.HTTPConnection(target)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            found = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length"):
                    self.send_header(name, value)
            length = answer.headers["Content-Length"] if self.command == "HEAD" else str(len(found))
            self.send_header("Content-Length", length or "0")
            chosen = self.command == "GET" and part in self.path and answer.status < 300
            if chosen:
                spoilt.append(self.path)
                self.send_header("Connection", "close")
            self.end_headers()
            for piece in spoil(found) if chosen else [found]:
                self.wfile.write(piece)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = pass_on  # noqa: N815  # http.server's names

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spoilt
    finally:
        server.shutdown()
        server.server_close()
