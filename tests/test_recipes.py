"""Each recipe's commands run as they stand on the page, top to bottom, by a shell that stops at the first failure."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Corner

FOLDER = ROOT / "infra" / "recipes"
RECIPES = sorted(FOLDER.glob("*.md"))
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
CLUSTER = FOLDER / "kubernetes.md"  # tests/test_cluster.py
PROGRAMS = {"glueflow": "flows.cli"} | {name: f"tests.cluster {name}" for name in ("docker", "kubectl", "helm")}


def follow(page: Path, corner: Corner, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Do what the page says, in a folder that holds nothing but the checkout's `infra`; standard error has each command
    as it was carried out."""
    desk, programs = folder / "desk", folder / "programs"
    desk.mkdir()
    programs.mkdir()
    (desk / "infra").symlink_to(ROOT / "infra")
    for name, module in PROGRAMS.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m {module} "$@"\n')
        program.chmod(0o755)
    environment = corner.whole_environment() | {"CLUSTER": str(folder / "cluster.json")}
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-x", "-c", script(page)],
        cwd=desk,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def script(page: Path) -> str:
    return "\n".join(BLOCK.findall(page.read_text()))


def assert_followed(page: Path, found: "subprocess.CompletedProcess[str]") -> None:
    """No command failed, and each of ours that the page names was carried out."""
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    ran = re.findall(r"^\+ .*\bglueflow [a-z]", found.stderr, re.MULTILINE)
    assert len(ran) == len(re.findall(r"\bglueflow [a-z]", script(page))) > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [page for page in RECIPES if page != CLUSTER], ids=lambda page: page.stem)
def test_a_recipe_works_as_it_stands(page: Path, corner: Corner, tmp_path: Path) -> None:
    """With the packaged checkpoint, on an empty bucket."""
    assert_followed(page, follow(page, corner, tmp_path))
