"""A step in a process of its own: it can be killed and timed out, and what it imports never burdens the caller.

    run_step(settings, step, out, folders)  starts  python -m tasks.steps finetune request.json

The child writes JSON lines on standard output and anything else on standard error. The last line is its result,
{"facts": {...}} or {"error": {"kind": "BadData", "message": "..."}}; the lines before it are progress and saved states.
Without a result the step has failed. A pipe and not a file, so that a full disk can still be told.

Whatever ends the caller's wait (SIGTERM, Ctrl-C, a state that cannot be kept) ends the child too, by SIGTERM: a
training then saves its state and hands it over before it goes.
"""

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread, Timer
from typing import IO, Any, Protocol

from tasks.core import gpus, trackers, warm
from tasks.core.errors import KINDS, GlueflowError, StepFailed
from tasks.core.hold import scratch_folder
from tasks.core.plan import PlannedStep
from tasks.core.progress import Keeper, Progress, Saved, report
from tasks.core.resume import Uploads, restore
from tasks.core.settings import Settings
from tasks.core.store import Store

ERROR_LINES = 20
LOOK = 1.0  # seconds between two looks at whether the caller lives
TOGETHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")  # of processes that the caller is one of, not ours
PATIENCE = 25.0  # seconds from SIGTERM to SIGKILL, within which a training saves and uploads its state
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}  # bytes; of glibc
Child = subprocess.Popen[str] | warm.Forked


@dataclass(frozen=True)
class Request:
    """All that a step's process is told. `spec` and `inputs` are identity; the rest says where and how."""

    step: str
    spec: dict[str, Any]
    inputs: dict[str, str]
    sources: dict[str, str]
    out: str
    cache: str
    device: str
    eval_batch_size: int
    save_every: float = 60.0
    save_share: float = 0.05
    resume: str = ""  # folder of a saved state to go on from
    report_to: tuple[str, ...] = ()  # trackers
    run_name: str = ""  # in trackers
    devices: int = 1  # processes that share the work, each with a device of its own


class Keeping(Protocol):
    """Who takes what a child hands over, and removes its folder then."""

    def offer(self, saved: Saved) -> None: ...
    def close(self, seconds: float | None = None) -> None:
        """Wait for what is on its way, at most so long; raises what was wrong with it."""


def run_step(
    settings: Settings,
    step: PlannedStep,
    out: Path,
    folders: Callable[[], Mapping[str, Path]],
    saves: Store | None = None,
) -> dict[str, Any]:
    """Run the step in a child process and return its facts; raises the child's own error, or StepFailed.

    With `saves`, its states are kept in that store as it goes on, and it goes on from the newest of them.
    """
    with scratch_folder(settings.scratch, f"{step.step}-process") as folder:
        resume = folder / "resume"
        step_saved = restore(saves, step.key, resume) if saves else 0
        request = Request(
            step=step.step,
            spec=step.spec.model_dump(mode="json"),
            inputs={name: str(path) for name, path in folders().items()},
            sources=step.sources,
            out=str(out),
            cache=str(settings.cache),
            device=settings.device,
            eval_batch_size=settings.eval_batch_size,
            save_every=settings.save_every,
            save_share=settings.save_share,
            resume=str(resume) if step_saved else "",
            report_to=trackers.named(settings),
            run_name=f"{step.spec.task}-{step.key[:12]}",
            devices=getattr(step.spec, "devices", 1),
        )
        return run_process(settings, request, folder, Uploads(saves, step.key) if saves else None)


def run_process(settings: Settings, request: Request, folder: Path, keeping: Keeping | None) -> dict[str, Any]:
    """As `run_step`, for a request that is made already; what the child hands over goes to `keeping`."""
    gpus.enough(settings, request.devices)
    (folder / "request.json").write_text(json.dumps(asdict(request)))
    own = _own(settings, folder, request)
    with gpus.held(settings, request.step, request.devices, request.run_name or request.step) as mine:
        child = _started(request, folder, _shared(settings), own | mine.environment, mine.descriptors)
        answer, status, errors = _run(child, keeping)
    if answer is None:
        failed = StepFailed(f"{request.step}: its process {_ending(status)}{': ' + errors[-1] if errors else ''}")
        failed.add_note("\n".join(errors))  # Prefect logs it with the traceback
        raise failed
    if "error" in answer:
        kind = KINDS.get(answer["error"]["kind"], GlueflowError)
        raise kind(answer["error"]["message"])
    return dict(answer["facts"])


def prepare(settings: Settings) -> None:
    """Begin to import what steps need, for who knows that they will be carried out here."""
    warm.prepare(_shared(settings))


def _started(
    request: Request, folder: Path, shared: dict[str, str], own: dict[str, str], inherited: tuple[int, ...]
) -> Child:
    """Forked where that saves anything; credentials of S3 are kept out of what others are forked from."""
    path = f"{folder}/request.json"
    if request.step in warm.STEPS and request.devices == 1 and not any(name.startswith("AWS_") for name in own):
        asked = {"step": request.step, "request": path, "folder": str(folder), "environment": own}
        if child := warm.fork(asked, shared, inherited):
            return child
    return subprocess.Popen(
        [sys.executable, "-m", "tasks.steps", request.step, path],
        cwd=folder,
        env=shared | own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=inherited,
    )


def _run(child: Child, keeping: Keeping | None) -> tuple[dict[str, Any] | None, int, list[str]]:
    """The result if there is one, the exit status and the last lines of standard error; reports progress on the way."""
    assert child.stdout is not None  # noqa: S101  # both are pipes
    assert child.stderr is not None  # noqa: S101  # as above
    tail: deque[str] = deque(maxlen=ERROR_LINES)
    reader = Thread(target=_drain, args=(child.stderr, tail), daemon=True)
    reader.start()
    keeper = keeping.offer if keeping else None
    try:
        answer = _listen(child.stdout, keeper)
        status = child.wait()
        if keeping:
            keeping.close()
    except BaseException:
        _end(child, child.stdout, keeping)
        raise
    reader.join()
    return answer, status, list(tail)


def _listen(lines: IO[str], keeper: Keeper | None) -> dict[str, Any] | None:
    """The child's result, once it has closed its pipe; None if there was none."""
    answer = None
    for line in lines:
        event = json.loads(line)
        if "facts" in event or "error" in event:
            answer = event
        elif "folder" not in event:
            report(Progress(**event))
        elif keeper:
            keeper(Saved(**event))
    return answer


def _end(child: Child, lines: IO[str], keeping: Keeping | None) -> None:
    """Have the child end and keep what it still hands over, all within PATIENCE; a second signal ends that, too."""
    deadline = time.monotonic() + PATIENCE
    child.terminate()
    timer = Timer(PATIENCE, child.kill)
    timer.start()
    try:
        _listen(lines, keeping.offer if keeping else None)
        child.wait()
        if keeping:
            keeping.close(max(deadline - time.monotonic(), 0))  # if that is too short, the state before it stays
    finally:
        timer.cancel()
        child.kill()
        child.wait()


def _shared(settings: Settings) -> dict[str, str]:
    """What the processes of all steps are told: the caller's environment, without credentials of S3."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    for name in TOGETHER:
        environment.pop(name, None)
    environment |= {"TOKENIZERS_PARALLELISM": "true", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    environment.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")  # pyarrow's thread would prevent forks
    if settings.threads:
        environment |= {"OMP_NUM_THREADS": str(settings.threads), "RAYON_NUM_THREADS": str(settings.threads)}
    environment = ALLOCATOR | environment  # what one batch freed is there for the next, and not cleared once more
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root(), os.environ.get("PYTHONPATH")]))
    return environment


def _own(settings: Settings, folder: Path, request: Request) -> dict[str, str]:
    """What this step's process is told besides; credentials of S3 if it has a use for them."""
    from_bucket = any(source.startswith("s3://") for source in request.sources.values())
    own = {name: value for name, value in os.environ.items() if from_bucket and name.startswith("AWS_")}
    own |= trackers.environment(request.report_to, settings.home / "trackers", request.run_name)
    return own | {"TMPDIR": str(folder)}


def leave_with(parent: int, last: Callable[[], None] = lambda: None) -> None:
    """Do `last` and leave when the caller is gone, even if it was killed: nobody waits for the result any more."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    last()
    os._exit(1)


def _drain(stream: IO[str], tail: deque[str]) -> None:
    for line in stream:
        tail.append(line.rstrip())


def root() -> str:
    """The folder that holds the packages, for a checkout that is not installed."""
    return str(Path(__file__).resolve().parents[2])


def _ending(status: int) -> str:
    if status < 0:
        hint = " (out of memory?)" if status == -9 else ""
        return f"was ended by signal {-status}{hint}"
    return f"ended with status {status}"
