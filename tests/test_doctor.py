"""The doctor: good on a sound machine; each thing that is off is named with what mends it, and ends with status 1."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from flows import doctor, probes
from tasks.core import settings as settings_module
from tasks.core.store import Store
from tests.conftest import Corner
from tests.typed import typed

Checks = dict[str, dict[str, str]]


@contextmanager
def answering(version: str, status: int = 200) -> Iterator[str]:
    """A server that is healthy and tells that version, or refuses with that status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/health" or status == 200 or "Authorization" in self.headers
            self.send_response(200 if known else status)
            self.end_headers()
            self.wfile.write(json.dumps(version).encode())

        do_HEAD = do_GET  # noqa: N815  # as the library calls it

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def ask(inside: Corner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The doctor's answer by name, and its exit status, with the environment as it is now."""
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")

    def asked() -> tuple[int, Checks]:
        settings_module.settings.cache_clear()
        status = typed("doctor --json", monkeypatch)
        return status, {check["name"]: check for check in json.loads(capsys.readouterr().out)}

    return asked


def assert_wrong(ask: Any, name: str, *words: str) -> None:
    """That alone is wrong, and found or remedy has each of the words."""
    status, checks = ask()
    assert status == 1
    assert [each for each, check in checks.items() if check["state"] == "wrong"] == [name]
    assert checks[name]["remedy"]
    for word in words:
        assert word in f"{checks[name]['found']} {checks[name]['remedy']}"


def test_a_sound_machine(ask: Any, inside: Corner) -> None:
    status, checks = ask()
    assert status == 0
    good = ("python", "packages", "configuration", "store", "clock", "conditional writes", "checksums", "device")
    assert {checks[name]["state"] for name in (*good, "prefect server", "prefect version")} == {"good"}
    assert (checks["hub"]["state"], "hf://" in checks["hub"]["remedy"]) == ("note", True)
    assert inside.keys() == set()


def test_a_hub_that_answers(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering("hub") as url:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        assert ask()[1]["hub"] == {"name": "hub", "state": "good", "found": url, "remedy": ""}


def test_a_cache_of_the_hub_that_cannot_be_written(ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "file" / "hf"))
    assert_wrong(ask, "hub's cache", "HF_HOME")


def test_a_clock_that_is_off(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "store_time", lambda _: datetime.now(UTC) + timedelta(hours=1))
    assert_wrong(ask, "clock", "3600 s", "NTP")


def test_a_store_where_the_second_of_two_writers_wins(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "create", lambda self, key, body: self.put(key, body) or True)
    assert_wrong(ask, "conditional writes", "If-None-Match")


def test_a_store_that_checks_no_sum(ask: Any, monkeypatch: pytest.MonkeyPatch, inside: Corner) -> None:
    monkeypatch.setattr(Store, "upload", lambda self, path, key, sha256: self.put(key, path.read_bytes()))
    status, checks = ask()
    assert (status, checks["checksums"]["state"], checks["checksums"]["found"]) == (0, "note", "ignored")
    assert inside.keys() == set()


def test_packages_that_do_not_fit(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["boto3<1", "no-such-package", "wandb; extra == 'wandb'"])
    assert_wrong(ask, "packages", "boto3", "<1", "no-such-package is missing", "pip install")


@pytest.mark.parametrize(
    ("variable", "value", "name", "word"),
    [
        ("GLUEFLOW_BUKET", "s3://mine", "GLUEFLOW_BUKET", "GLUEFLOW_BUCKET was meant?"),
        ("GLUEFLOW_SIGNING_KEY", "/no/such.pem", "signing_key", "/no/such.pem"),
        ("GLUEFLOW_TRACKERS", "trackio", "trackers", "pip install"),
    ],
)
def test_a_variable_that_is_off(
    ask: Any, variable: str, value: str, name: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert_wrong(ask, name, word)


def test_a_device_that_is_not_here(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLUEFLOW_DEVICE", "cuda")
    monkeypatch.setattr(doctor, "has_gpu", lambda: False)
    assert_wrong(ask, "device", "GLUEFLOW_DEVICE")


def test_a_full_disk(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED", 1 << 60)
    assert_wrong(ask, "disk", "GLUEFLOW_CACHE_SIZE", "GLUEFLOW_HOME")


def test_settings_that_are_off(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLUEFLOW_RETRIES", "-1")
    assert_wrong(ask, "configuration", "GLUEFLOW_RETRIES", "glueflow init")


def test_a_server_of_another_version_or_behind_a_login(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering("3.7.1") as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        assert_wrong(ask, "prefect version", "3.7.1")
    with answering("3.8.8", 401) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        assert_wrong(ask, "prefect server", "401", "PREFECT_API_AUTH_STRING")
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "me:hush")
        status, checks = ask()
        assert (status, checks["prefect server"]["state"]) == (0, "good")
        assert "hush" not in json.dumps(checks)
