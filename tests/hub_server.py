"""A small Hugging Face hub on 127.0.0.1 that the real huggingface_hub client cannot tell from the large one.

    with Hub() as hub:
        commit = hub.add_commit("nyu-mll/glue", "dataset", "2024-01-30", {"mrpc/train-00000-of-00001.parquet": b"..."})
        hub.add_ref("nyu-mll/glue", "dataset", "v1", commit)
        hub.lead(monkeypatch, tmp_path)             # this process's client asks here; a subprocess: env=hub.env(home)
        hub.fail("GET /datasets/nyu-mll/glue/resolve", "cut")                  # once; times=99: as good as always
    hub.fail("/api/", "busy")                   # from then on every request, until the client has slept BUSY seconds

Files in LFS_SUFFIXES carry a SHA-256, others git's blob name. Listings come in pages of `page` entries.
"""

import hashlib
import json
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

LFS_SUFFIXES = (".parquet", ".safetensors", ".bin", ".model", ".arrow")
BUSY = 60  # seconds; with its own growing pauses the client would give up after about half of that
Answer = tuple[int, dict[str, str], bytes]  # status, headers, body
Commit = tuple[str, datetime, dict[str, bytes]]  # its name, when it was written, every file
FAULTS: dict[str, Answer] = {
    **{status: (int(status), {}, b"") for status in ("401", "403", "404", "500", "503")},
    "429": (429, {"Retry-After": "0"}, b""),
    "busy": (429, {"Retry-After": str(BUSY)}, b""),
    "gated": (403, {"X-Error-Code": "GatedRepo"}, b""),
    "html": (200, {"Content-Type": "text/html"}, b"<html>Log in to the guest network</html>"),
}


class Request(NamedTuple):
    """One request as it came in; `path` without the query, percent signs decoded."""

    method: str
    path: str
    range: str | None
    authorization: str | None


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def described(path: str, data: bytes) -> dict[str, Any]:  # as a listing shows it
    if not path.endswith(LFS_SUFFIXES):
        return {"type": "file", "path": path, "size": len(data), "oid": git_blob(data)}
    sha256 = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {len(data)}\n".encode()
    lfs = {"oid": sha256, "size": len(data), "pointerSize": len(pointer)}
    return {"type": "file", "path": path, "size": len(data), "oid": git_blob(pointer), "lfs": lfs}


class Hub:
    """The server, its repositories, the faults still to come and the requests seen. It answers inside `with`."""

    def __init__(self, page: int = 1000, delay: float = 0.5) -> None:
        self.page, self.delay = page, delay
        self.repos: dict[tuple[str, str], list[Commit]] = {}  # by type and name; oldest commit first
        self.refs: dict[tuple[str, str, str], str] = {}  # by type, name and branch or tag
        self.faults: list[list[Any]] = []
        self.requests: list[Request] = []
        self.slept, self.busy_until = 0.0, 0.0  # seconds, by a clock that only the client's sleep moves
        self.server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_commit(self, repo: str, repo_type: str, date: str, files: dict[str, bytes]) -> str:
        """A commit of exactly those files, now the newest of `main`; `date` is ISO, UTC where it names no zone."""
        day, commits = datetime.fromisoformat(date), self.repos.setdefault((repo_type, repo), [])
        written = day.astimezone(UTC) if day.tzinfo else day.replace(tzinfo=UTC)
        commit = git_blob(repr([repo, len(commits), date, files]).encode())
        commits.append((commit, written, dict(files)))
        self.add_ref(repo, repo_type, "main", commit)
        return commit

    def add_ref(self, repo: str, repo_type: str, name: str, commit: str) -> None:
        self.refs[repo_type, repo, name] = commit

    def history(self, repo: str, repo_type: str, revision: str) -> list[Commit]:  # newest first
        commits = self.repos[repo_type, repo]
        commit = self.refs.get((repo_type, repo, revision), revision)
        return next((commits[at::-1] for at, (name, _, _) in enumerate(commits) if name == commit), [])

    def fail(self, contains: str, kind: str, times: int = 1) -> None:
        """The next requests whose `METHOD /path` holds that text fail: FAULTS, slow, cut (half a body), wrong."""
        self.faults.append([contains, kind, times])

    def fault(self, line: str) -> str:
        if self.slept < self.busy_until:
            return "busy"
        for fault in self.faults:
            if fault[0] in line and fault[2] > 0:
                fault[2] -= 1
                if fault[1] == "busy":
                    self.busy_until = self.slept + BUSY
                return str(fault[1])
        return ""

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def env(self, home: Path) -> dict[str, str]:
        """Environment of a client that shall ask here; it is read once, when huggingface_hub is imported."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}

    def lead(self, monkeypatch: Any, home: Path) -> None:
        """Points the client of this process here, with no token; its pauses between tries pass at once."""
        from huggingface_hub import constants, file_download
        from huggingface_hub.utils import _http, close_session

        for name, value in self.env(home).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        template = f"{self.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        pinned = {"ENDPOINT": self.url, "HUGGINGFACE_CO_URL_TEMPLATE": template, "HF_TOKEN_PATH": str(home / "token")}
        for constant, fixed in {**pinned, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_TELEMETRY": True}.items():
            monkeypatch.setattr(constants, constant, fixed)
        for module in (file_download, _http):
            monkeypatch.setattr(module, "time", SimpleNamespace(sleep=self.sleep))
        close_session()


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None: ...  # a client that waited no longer


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"  # connections are kept, as the client expects
    disable_nagle_algorithm = True  # 40 ms a request

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        fault = self.hub.fault(f"{self.command} {path}")
        self.hub.requests.append(Request(self.command, path, self.headers["Range"], self.headers["Authorization"]))
        time.sleep(self.hub.delay if fault == "slow" else 0)
        status, headers, body = FAULTS.get(fault) or self.answer()
        body = bytes([body[0] ^ 1]) + body[1:] if fault == "wrong" else body
        self.close_connection |= fault == "cut"
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

    do_HEAD = do_GET  # noqa: N815  # http.server's name

    def answer(self) -> Answer:
        """What the hub says to `/api/datasets/owner/name/tree/main`, `/owner/name/resolve/main/config.json`, ..."""
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        what = next((part for part in parts if part in ("revision", "commits", "tree", "resolve")), "")
        at = parts.index(what) if what else len(parts)
        names = [part for part in parts[:at] if part != "api"]
        repo_type = names.pop(0).removesuffix("s") if names[0] in ("datasets", "models") else "model"
        repo = "/".join(names)
        if (repo_type, repo) not in self.hub.repos:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if not (history := self.hub.history(repo, repo_type, parts[at + 1] if what else "main")):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        (commit, _, files), below = history[0], "/".join(parts[at + 2 :])
        if what == "resolve":
            return self.file(commit, files.get(below), below)
        if what == "commits":
            rest = {"title": "", "message": "", "authors": []}
            return self.paged(
                [{"id": name, "date": f"{day:%Y-%m-%dT%H:%M:%S.000Z}", **rest} for name, day, _ in history]
            )
        if what == "tree":
            folders = sorted({str(up) for path in files for up in PurePosixPath(path).parents if up.name})
            rows: list[dict[str, Any]] = [{"type": "directory", "path": up, "size": 0, "oid": ""} for up in folders]
            rows += [described(path, data) for path, data in sorted(files.items())]
            head = below and f"{below}/"
            depth = 99 if "recursive=true" in self.path else head.count("/")  # folders above a path that is listed
            return self.paged([row for row in rows if row["path"].startswith(head) and row["path"].count("/") <= depth])
        return 200, {}, json.dumps({"id": repo, "sha": commit}).encode()

    def paged(self, rows: list[dict[str, Any]]) -> Answer:
        address, _, query = self.path.partition("?")
        end = (start := int(parse_qs(query).get("cursor", ["0"])[-1])) + self.hub.page
        more = {"Link": f'<{self.hub.url}{address}?{query}&cursor={end}>; rel="next"'} if end < len(rows) else {}
        return 200, more, json.dumps(rows[start:end]).encode()

    def file(self, commit: str, data: bytes | None, path: str) -> Answer:
        """A whole file, or from the byte that `Range` names."""
        if data is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        row = described(path, data)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{row["oid"]}"', "Accept-Ranges": "bytes"}
        if "lfs" in row:
            headers |= {"X-Linked-Etag": f'"{row["lfs"]["oid"]}"', "X-Linked-Size": str(len(data))}
        if not self.headers["Range"]:
            return 200, headers, data
        start = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
        return 206, headers | {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]
