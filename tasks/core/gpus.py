"""The GPUs of this machine, each used by one step's process at a time: flock on a file for each.

    with held(settings, "finetune", 1, "mrpc-0b7e41c2d3aa") as mine:
        mine.environment    {"CUDA_VISIBLE_DEVICES": "GPU-5a1c…"}; no more of them are seen
        mine.descriptors    for the step's process to inherit

    <home>/gpus/GPU-5a1c….lock    locked by who uses that GPU, whose name is in it
                queue.lock        locked by whose turn it is

The kernel lets go of a GPU when the last process ends that holds its descriptor, however it ends. Who needs several
takes them all at once, and keeps none while waiting.
"""

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tasks.core.errors import GlueflowError, WrongRequest
from tasks.core.machine import has_gpu
from tasks.core.progress import Progress, report
from tasks.core.settings import Settings

USERS = ("finetune", "evaluate", "answer", "predict")  # steps that compute on a GPU
LOOK = 0.2  # seconds between two looks at whether one is free
QUERY = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]


@dataclass(frozen=True)
class Held:
    """GPUs that are ours; none where there are none."""

    environment: dict[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()


def gpus(known: Settings) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES calls each GPU that may be used here; empty if work is done on the CPU."""
    if known.device == "cpu" or (known.gpus is None and not has_gpu()):
        return ()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if known.gpus is not None:
        return tuple(chosen.split(",") if chosen else map(str, range(known.gpus)))[: known.gpus]
    there = _listed()
    return tuple(there.values()) if chosen is None else tuple(_named(name, there) for name in chosen.split(",") if name)


def enough(known: Settings, devices: int) -> None:
    """Raise WrongRequest if a step cannot have so many devices on this machine: GPUs, or cores where there are none."""
    found = gpus(known)
    there = len(found) or os.cpu_count() or 1
    if devices > max(there, 1):
        raise WrongRequest.of("devices", devices, f"this machine has {there} {'GPUs' if found else 'CPU cores'}")


def at_once(known: Settings, devices: int) -> int:
    """How many runs fill the machine: as many as its GPUs serve, or one."""
    return max(1, len(gpus(known)) // devices)


@contextmanager
def held(known: Settings, step: str, count: int, who: str) -> Iterator[Held]:
    """So many GPUs within the block, the first that are free; says for whom it waits. None for a step without use for
    them."""
    names = gpus(known) if step in USERS else ()
    if not names:
        yield Held()
        return
    folder = known.home / "gpus"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks:
        mine = _taken(folder, names, count)
        for descriptor in mine.values():
            locks.callback(os.close, descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{who} (process {os.getpid()})".encode(), 0)
        yield Held({"CUDA_VISIBLE_DEVICES": ",".join(mine)}, tuple(mine.values()))


def _taken(folder: Path, names: tuple[str, ...], count: int) -> dict[str, int]:
    """The descriptor of each GPU that was taken, once it is our turn and there are enough."""
    turn, told = None, None
    try:
        while True:
            turn = _locked(folder / "queue.lock") if turn is None else turn
            if turn is not None:
                locks = {name: _locked(folder / f"{name}.lock") for name in names}
                free = {name: lock for name, lock in locks.items() if lock is not None}
                keep = dict(list(free.items())[:count]) if len(free) >= count else {}
                for name in free.keys() - keep.keys():
                    os.close(free[name])
                if keep:
                    return keep
            if told != (waiting := _waiting(folder, names)):
                told = waiting
                report(waiting)
            time.sleep(LOOK)
    finally:
        if turn is not None:
            os.close(turn)


def _locked(path: Path) -> int | None:
    """A descriptor that holds the file's lock; None if another does."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _waiting(folder: Path, names: tuple[str, ...]) -> Progress:
    users = [path.read_text() for name in names if (path := folder / f"{name}.lock").exists()]
    said = ", ".join(dict.fromkeys(filter(None, users)))  # who holds two is named once
    return Progress("wait for a GPU", 0, len(names), f"free; last used by {said}")


def _listed() -> dict[str, str]:
    """The UUID of each GPU by its index; it names one wherever only some are seen, as in a container."""
    try:
        found = subprocess.run(QUERY, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise GlueflowError(
            f"gpus: nvidia-smi does not list them ({error}); set GLUEFLOW_GPUS to their number"
        ) from None
    rows = (line.split(",") for line in found.stdout.splitlines() if line.strip())
    return {index.strip(): uuid.strip() for index, uuid in rows}


def _named(name: str, there: dict[str, str]) -> str:
    """The whole UUID for an index or for the beginning of a UUID; parts of a GPU (MIG) go by their own names."""
    if name.startswith("MIG-"):
        return name
    found = [uuid for index, uuid in there.items() if name == index or uuid.startswith(name)]
    if len(found) != 1:
        raise WrongRequest.of("CUDA_VISIBLE_DEVICES", name, f"GPUs here: {', '.join(there.values())}")
    return found[0]
