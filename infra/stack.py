"""The local stack: an S3 store (SeaweedFS) and a Prefect server, both on loopback, both outliving the command.

    up(home)  ->  Stack(endpoint="http://127.0.0.1:8333", bucket="glueflow", api_url="http://127.0.0.1:4200/api", ...)

All of it lies in `<home>/stack`: `stack.json` (what runs where, and the keys to it), `seaweedfs/` and `prefect/` (their
data), `store.log` and `prefect.log` (what they printed; `.old` is the time before).
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from secrets import token_hex

import psutil
from filelock import FileLock, Timeout

from infra import database
from infra.servers import BUCKET, FOLDER, Keys, answers, is_free, pick_port, start_line, url
from tasks.core.errors import Unavailable, disk_error

PATIENCE = 60.0  # seconds for a server to answer; Prefect's first start migrates a new database in 8
LAST_WORDS = ("Server stopped!", "ERROR:    Application startup failed. Exiting.")  # Prefect's, whatever happened
GRACE = 5.0  # seconds from SIGTERM to SIGKILL; SeaweedFS may wait 30 for an idle connection of its own


@dataclass(frozen=True)
class Process:
    pid: int
    created: float  # seconds since the epoch; tells a recycled pid

    def find(self) -> psutil.Process | None:
        """The live process; None if it ended or its pid is another's by now."""
        with suppress(psutil.Error):
            found = psutil.Process(self.pid)
            if abs(found.create_time() - self.created) < 1 and _runs(found):
                return found
        return None


@dataclass(frozen=True)
class Stack:
    """Where the servers are. `api_url` and `ui_url` are empty while only the store is wanted."""

    endpoint: str = ""
    bucket: str = BUCKET
    access_key: str = field(default_factory=lambda: token_hex(10))
    secret_key: str = field(default_factory=lambda: token_hex(20), repr=False)
    api_url: str = ""
    ui_url: str = ""
    database: str = ""  # of Prefect's server, without its password
    processes: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    ready: bool = False  # every process has answered

    @property
    def keys(self) -> Keys:
        return Keys(self.access_key, self.secret_key)


def up(home: Path, say: Callable[[str], None] = lambda _: None, prefect: bool = True) -> Stack:
    """The running stack, after starting what is missing; raises Unavailable, with all it started stopped again."""
    names = ["store", "prefect"] if prefect else ["store"]
    with _alone(home) as folder:
        try:
            return _start(folder, names, say)
        except Unavailable:
            tried = _read(folder)
            if all(is_free(name, tried.ports[name]) for name in names if name not in tried.processes):
                raise
            return _start(folder, names, say)  # another program took a port between our look and the server's


def current(home: Path) -> Stack | None:
    """The stack as `up` left it, or None if any of its processes is gone."""
    stack = _read(home / "stack")
    return stack if stack.ready and all(process.find() for process in stack.processes.values()) else None


def down(home: Path) -> list[str]:
    """The names of the servers that ran and are stopped now; their data, keys and ports are kept."""
    if not (home / "stack").is_dir():
        return []
    with _alone(home) as folder:
        stack = _read(folder)
        running = [name for name, process in stack.processes.items() if process.find()]
        _stop(stack.processes.values())
        _write(folder, replace(stack, processes={}, ready=False))
        return running


def _start(folder: Path, names: list[str], say: Callable[[str], None]) -> Stack:
    before = _read(folder)
    alive = {name: process for name, process in before.processes.items() if process.find()}
    missing = [name for name in names if name not in alive]
    if "prefect" in names:
        before = replace(before, database=database.chosen(before.database, "prefect" in alive))
    if before.ready and alive == before.processes and not missing:
        return before
    stack = _addressed(replace(before, processes=alive, ready=False), missing)
    try:
        for name in missing:
            say(f"{name}: starting on {url(stack.ports[name])}")
            stack.processes[name] = _spawn(folder, name, stack)
            _write(folder, stack)  # at once: should this process be killed now, the next `up` or `down` knows of it
        _wait(folder, stack)
    except BaseException:
        _stop([stack.processes.pop(name) for name in missing if name in stack.processes])
        _write(folder, stack)
        raise
    stack = replace(stack, ready=True)
    _write(folder, stack)
    return stack


def _addressed(stack: Stack, missing: list[str]) -> Stack:
    ports = stack.ports | {name: pick_port(name, stack.ports.get(name)) for name in missing}
    ui = url(ports["prefect"]) if "prefect" in {*stack.processes, *missing} else ""
    return replace(stack, endpoint=url(ports["store"]), ui_url=ui, api_url=ui and f"{ui}/api", ports=ports)


def _spawn(folder: Path, name: str, stack: Stack) -> Process:
    home, log = folder / FOLDER[name], folder / f"{name}.log"
    home.mkdir(exist_ok=True)
    command, env = start_line(name, home, stack.ports[name], stack.keys)
    with suppress(FileNotFoundError):
        log.rename(f"{log}.old")
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    child.returncode = 0  # left to itself on purpose: no ResourceWarning when the handle goes
    return Process(child.pid, psutil.Process(child.pid).create_time())


def _wait(folder: Path, stack: Stack) -> None:
    """Return once every server answers; raises Unavailable with its name, its log and the last line in there."""
    waiting, deadline = dict(stack.processes), time.monotonic() + PATIENCE
    while waiting:
        for name, process in [*waiting.items()]:
            live, port = process.find(), stack.ports[name]
            if live and _listens(live, port) and answers(name, port, stack.keys):
                del waiting[name]
            elif not live or time.monotonic() > deadline:
                fault = f"no answer in {PATIENCE:.0f} s" if live else "ended while starting"
                raise Unavailable(f"{name}: {fault}; {_ending(folder / f'{name}.log')}")
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    """False also for one that ended and is not reaped: in a container there may be nobody who does that."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _listens(process: psutil.Process, port: int) -> bool:
    """Whether it is this process that holds the port: another's server may well answer there."""
    with suppress(psutil.Error):
        held = process.net_connections("tcp")
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in held)
    return False


def _ending(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    said = [line for line in lines if line and line not in LAST_WORDS]
    return f"{log} ends: {said[-1]}" if said else f"{log} is empty"


def _stop(processes: Iterable[Process]) -> None:
    """SIGTERM to the processes and their children, then SIGKILL to those left; the data of both servers survive it."""
    family: list[psutil.Process] = []
    sockets: set[str] = set()
    for process in processes:
        if live := process.find():
            with suppress(psutil.NoSuchProcess):
                family += [live, *live.children(recursive=True)]
    for act in (psutil.Process.terminate, psutil.Process.kill):
        for live in family:
            with suppress(psutil.NoSuchProcess):
                sockets |= {held.laddr for held in live.net_connections("unix")}
                act(live)
        deadline = time.monotonic() + GRACE
        while (family := [live for live in family if _runs(live)]) and time.monotonic() < deadline:
            time.sleep(0.05)
    for path in filter(os.path.isabs, sockets):  # a killed SeaweedFS leaves its own in /tmp
        Path(path).unlink(missing_ok=True)


@contextmanager
def _alone(home: Path) -> Iterator[Path]:
    """The stack's folder, for one process at a time."""
    folder = home.absolute() / "stack"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        with FileLock(folder / "lock", timeout=4 * PATIENCE, mode=0o600):
            yield folder
    except Timeout:
        raise Unavailable(f"stack: another process has held {folder / 'lock'} for minutes; stop that one") from None
    except OSError as error:
        raise disk_error(error, folder) from error


def _read(folder: Path) -> Stack:
    """What `stack.json` says; an empty stack with new keys if there is none that can be read."""
    with suppress(FileNotFoundError, ValueError, TypeError, AttributeError, KeyError):
        kept = json.loads((folder / "stack.json").read_text())
        return Stack(**kept | {"processes": {name: Process(**one) for name, one in kept["processes"].items()}})
    return Stack()


def _write(folder: Path, stack: Stack) -> None:
    new = folder / "stack.json.new"
    new.touch(mode=0o600)
    new.write_text(json.dumps(asdict(stack), indent=2))
    new.replace(folder / "stack.json")
