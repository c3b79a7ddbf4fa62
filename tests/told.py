"""What Python processes were started, and how things stood in each when it ended, by their own account.

environment |= witnessed(folder)    for what is started
accounts(folder, "end")             [{"command": ["-m", "tasks.steps", "fetch", "…"], "threads": 1, …}, …]
"""

import json
import os
from pathlib import Path
from typing import Any

ACCOUNT = """
import atexit, json, os, sys
from pathlib import Path

def tell(when):
    torch = sys.modules.get("torch")
    account = {
        "when": when,
        "command": sys.orig_argv[1:],
        "parent": os.getppid(),
        "name": Path("/proc/self/comm").read_text().strip(),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "threads": torch and torch.get_num_threads(),
    }
    with Path(os.environ["ACCOUNTS"]).open("a") as file:
        file.write(json.dumps(account) + "\\n")

tell("begin")
atexit.register(tell, "end")
"""


def witnessed(folder: Path) -> dict[str, str]:
    """The environment in which every Python process gives an account, when it begins and when it ends in good order."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(ACCOUNT)
    return {
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        "ACCOUNTS": str(folder / "accounts"),
    }


def accounts(folder: Path, when: str) -> list[dict[str, Any]]:
    lines = (folder / "accounts").read_text().splitlines()
    return [account for account in map(json.loads, lines) if account["when"] == when]


def started(folder: Path) -> list[str]:
    """The modules that Python was started with."""
    commands = [account["command"] for account in accounts(folder, "begin")]
    return [command[command.index("-m") + 1] for command in commands]
