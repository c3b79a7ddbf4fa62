"""Who and what started a piece of work, and with which code: for records, never for a key, and without secrets.

started()  ->  {"person": "ada", "host": "container, Linux x86_64", "by": "command line",
                "command": "glueflow run mrpc --data sample:"}
code()     ->  {"glueflow": "0.1.0", "commit": "2878ca9…", "changed": False}
"""

import getpass
import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")


def person() -> str:
    """The user of this process; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def signature() -> str:
    """Who moves an alias: `ada@lab`."""
    return f"{person()}@{socket.gethostname()}"


def started() -> dict[str, str]:
    """Who started this process, on what kind of machine, and how; another program's arguments are not ours to tell."""
    program = Path(sys.argv[0]).name
    ours = program == "glueflow" or sys.argv[0].endswith("flows/cli.py")
    command = shlex.join(["glueflow", *sys.argv[1:]]) if ours else program
    kind = "machine"
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        kind = "pod"
    elif Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        kind = "container"
    return {
        "person": person(),
        "host": f"{kind}, {platform.system()} {platform.machine()}",
        "by": "command line" if ours else "program",
        "command": _PASSWORD.sub("", command),
    }


@cache
def code() -> dict[str, Any]:
    """The package's version and, where it runs from a git checkout, its commit and whether files differ from it."""
    found: dict[str, Any] = {"glueflow": version("glueflow")}
    if (ROOT / ".git").exists() and (commit := _git("rev-parse", "HEAD")):
        found |= {"commit": commit, "changed": _git("status", "--porcelain") != ""}
    return found


def _git(*arguments: str) -> str | None:
    """What git says of our checkout; None without a git that can read it."""
    try:
        answer = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
