"""A command carried out in this process, as good as one of its own where it is refused before there is any work."""

import io
import shlex
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from flows.cli import main
from tasks.core import settings as settings_module


def typed(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of that command line."""
    monkeypatch.setattr(sys, "argv", ["glueflow", *shlex.split(line)])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def refused(*arguments: str, **environment: str) -> str:
    """The line with which the command refuses its request."""
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        for name, value in environment.items():
            patch.setenv(name, value)
        settings_module.settings.cache_clear()
        status = typed(shlex.join(arguments), patch)
    settings_module.settings.cache_clear()
    line = errors.getvalue()
    assert (status, out.getvalue(), line.count("\n")) == (2, "", 1), f"{arguments}:\n{out.getvalue()}\n{line}"
    return line


def refusal(home: Path, *arguments: str) -> str:
    """The same on a machine where nothing runs, and nothing is started."""
    line = refused(*arguments, GLUEFLOW_HOME=str(home), PREFECT_API_URL="")
    assert not home.exists()
    return line
