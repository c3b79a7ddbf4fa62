"""Each recipe's commands run as they stand on the page, top to bottom, by a shell that stops at the first failure."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Corner

RECIPES = sorted((ROOT / "infra" / "recipes").glob("*.md"))
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RECIPES, ids=lambda page: page.stem)
def test_a_recipe_works_as_it_stands(page: Path, corner: Corner, tmp_path: Path) -> None:
    """With the packaged checkpoint, on an empty bucket."""
    desk, programs = tmp_path / "desk", tmp_path / "programs"
    desk.mkdir()
    programs.mkdir()
    command = programs / "glueflow"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m flows.cli "$@"\n')
    command.chmod(0o755)
    environment = corner.whole_environment()
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    script = "\n".join(BLOCK.findall(page.read_text()))
    found = subprocess.run(
        ["bash", "-euo", "pipefail", "-x", "-c", script],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    ran = re.findall(r"^\+ .*\bglueflow [a-z]", found.stderr, re.MULTILINE)
    assert len(ran) == len(re.findall(r"\bglueflow [a-z]", script)) > 0
