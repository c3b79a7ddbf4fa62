"""A command carried out in this process: as good as one of its own if it is refused, or looks at what is there."""

import io
import shlex
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.cli import main
from tasks.core import settings as settings_module
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
    """A user's machine whose commands about what is there are carried out in this process."""

    def glueflow(self, *arguments: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        if arguments[0] not in ("cache", "models", "report"):
            return super().glueflow(*arguments, status=status, **environment)
        with temporary_settings({PREFECT_API_URL: self.environment["PREFECT_API_URL"]}):
            found = subprocess.CompletedProcess(
                arguments, *carried_out(*arguments, **{**self.environment, **environment})
            )
        assert found.returncode == status, f"{arguments} ended with {found.returncode}:\n{found.stdout}\n{found.stderr}"
        return found
