"""A command carried out in this process: as good as one of its own, but for how a process begins and ends."""

import io
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli import main
from tasks.core import process, warm
from tasks.core import settings as settings_module
from tasks.core.process import Keeping, Request
from tasks.core.progress import listening
from tasks.core.settings import Settings
from tasks.core.specs import SPECS
from tasks.steps import batch
from tests.conftest import Corner


def typed(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of that command line."""
    monkeypatch.setattr(sys, "argv", ["glueflow", *shlex.split(line)])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def carried_out(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of the command."""
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        for name, value in environment.items():
            patch.setenv(name, value)
        settings_module.settings.cache_clear()
        status = typed(shlex.join(arguments), patch)
    settings_module.settings.cache_clear()
    return status, out.getvalue(), errors.getvalue()


def refused(*arguments: str, **environment: str) -> str:
    """The line with which the command refuses its request."""
    status, out, line = carried_out(*arguments, **environment)
    assert (status, out, line.count("\n")) == (2, "", 1), f"{arguments}:\n{out}\n{line}"
    return line


def refusal(home: Path, *arguments: str) -> str:
    """The same on a machine where nothing runs, and nothing is started."""
    line = refused(*arguments, GLUEFLOW_HOME=str(home), PREFECT_API_URL="")
    assert not home.exists()
    return line


class Here(Corner):
    """A user's machine whose commands, and the steps of their runs, are carried out in this process."""

    def glueflow(self, *arguments: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        with temporary_settings({PREFECT_API_URL: self.environment["PREFECT_API_URL"]}), steps_here():
            found = subprocess.CompletedProcess(
                arguments, *carried_out(*arguments, **{**self.environment, **environment})
            )
        assert found.returncode == status, f"{arguments} ended with {found.returncode}:\n{found.stdout}\n{found.stderr}"
        return found


@contextmanager
def steps_here() -> Iterator[None]:
    """Within the block steps have no processes of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm, "prepare", lambda _: None)
        for module in (process, batch):
            patch.setattr(module, "run_process", _work)
        yield


def _work(_known: Settings, request: Request, _folder: Path, keeping: Keeping | None) -> dict[str, Any]:
    """What a step's process does, and what its caller does with what it hands over."""
    work = import_module(f"tasks.steps.{request.step}").run
    with listening(lambda _: None, keeping and keeping.offer):
        facts = work(SPECS[request.step].model_validate(request.spec), request)
    if keeping:
        keeping.close()
    return dict(facts)
