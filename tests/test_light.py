"""What a command that builds nothing leaves alone: what is slow to import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Corner

ROOT = Path(__file__).resolve().parents[1]
SLOW = {
    *("prefect", "torch", "transformers", "datasets", "evaluate", "sklearn", "scipy", "pandas", "pyarrow", "numpy"),
    "pydantic_settings",
}
OTHERS = {
    *("flows.ask", "flows.backfills", "flows.cache", "flows.deploy", "flows.models", "flows.reports", "flows.suite"),
    *("flows.recorded", "flows.reused", "tasks.core.registry"),
}
PROGRAM = f"""
import pathlib, sys
services = set()

def listed(event, args):
    if event == "os.listdir" and (path := pathlib.Path(args[0] or ".")).parts[-3:-1] == ("botocore", "data"):
        services.add(f"botocore's {{path.name}}")

sys.addaudithook(listed)
from flows.cli import main
sys.argv = ["glueflow", *sys.argv[1:]]
try:
    main()
finally:
    found = {SLOW | OTHERS!r} & set(sys.modules) | services - {{"botocore's s3"}}
    print(*sorted(found), sep=",", file=sys.stderr)
"""


def imported(corner: Corner, *arguments: str) -> tuple[str, set[str]]:
    """What the command printed, and which of the slow packages and other commands its process imported, and of which
    services but S3 it looked for the description."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        env={**os.environ, **corner.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, set(filter(None, done.stderr.splitlines()[-1].split(",")))


def test_planning_imports_nothing_slow_and_no_other_command(corner: Corner) -> None:
    shown, found = imported(corner, "plan", "mrpc", "--data", "sample:8", "--json")
    assert [step["state"] for step in json.loads(shown)["steps"]] == ["build"] * 5
    assert found == set()


@pytest.mark.parametrize("line", ["--help", "models list", "cache list", "doctor", "completion bash"])
def test_other_commands_that_only_ask_import_nothing_slow(corner: Corner, line: str) -> None:
    assert not SLOW & imported(corner, *line.split())[1]
