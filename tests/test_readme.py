"""The README's word: every command in it runs, every file in its tree exists, every figure's file is there."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tasks.core.plan import plan
from tasks.core.specs import GlueRun, Training
from tests.conftest import Corner
from tests.finished import prepared, small

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def commands(program: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.split(" ")[0] == program]


def test_every_glueflow_command_runs(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    """In the README's order; a smaller sample and a tiny checkpoint stand in for the real ones."""
    less = {"run": ["--checkpoint", f"file:{tiny}", "--epochs", "1"], "plan": ["--checkpoint", f"file:{tiny}"]}
    (tmp_path / "pairs.csv").write_text("sentence1,sentence2\nHe ate.,He had a meal.\n")
    less["benchmark"] = [*less["run"], "--seeds", "42"]
    for changes in ({}, {"training": Training(epochs=1, learning_rate=3e-5)}, {"task": "rte"}):
        prepared(corner, small(tiny, **changes))
    found = commands("glueflow")
    assert len(found) > 8
    for line in found:
        if line == "glueflow drill":
            continue  # minutes long: tests/test_drill.py
        line = re.sub(r"\b(\w+\.(csv|toml)|mrpc-model)\b", rf"{tmp_path}/\1", line.replace("sample:", "sample:32"))
        words = shlex.split(line)[1:]
        corner.glueflow(*words, *less.get(words[0], []))
    assert (tmp_path / "mrpc-model" / "model.safetensors").is_file()
    assert (tmp_path / "answers.csv").read_text().splitlines()[0] == "row,sentence1,sentence2,label,score"


def test_every_shell_block_holds_only_known_programs() -> None:
    lines = {
        line.split(" ")[0] for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()
    }
    assert lines <= {"make", "glueflow"}
    makefile = (ROOT / "Makefile").read_text()
    for line in commands("make"):
        assert f"\n{line.split()[1]}:" in makefile


def test_the_tree_names_every_file() -> None:
    tree = README.partition("## The house")[2].partition("```")[2].partition("```")[0]
    named = re.findall(r"[\w-]+\.py", tree)
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in map(Path, tracked.split()):
        if path.name != "__init__.py" and path.parts[0] != "tests":
            assert path.name in named, f"{path} is not in the README's tree"


def test_the_picture_is_that_of_the_steps() -> None:
    """Its arrows are the inputs and sources of a planned run's steps, no more and no less."""
    drawn = README.partition("```mermaid")[2].partition("```")[0]
    arrows = set()
    for line in drawn.splitlines():
        start, arrow, ends = line.partition(" --> ")
        arrows |= {(start.split()[0].split("[")[0], end.split("([")[0]) for end in ends.split(" & ") if arrow}
    steps = plan(GlueRun(data="sample:8")).steps
    needed = {(name, step.step) for step in steps for name in (*step.inputs, *step.sources)}
    assert arrows == needed | {("register", "version")}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_make_run(tmp_path: Path) -> None:
    """The main job on the embedded defaults, as a newcomer starts it."""
    if not (ROOT / ".venv" / "ready").exists():
        pytest.skip("`make run` would first set up .venv; run `make check` before")
    home = tmp_path / "home"
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "GLUEFLOW_HOME": str(home)}
    environment |= {"OMP_NUM_THREADS": "1"}  # others compute beside it
    try:
        found = subprocess.run(["make", "run"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    finally:
        subprocess.run([ROOT / ".venv/bin/glueflow", "down"], env=environment, check=False)
    answers = re.findall(r"^(equivalent|not_equivalent)  (0\.\d{4}|1\.0000)$", found.stdout, re.MULTILINE)
    assert len(answers) == 2
    assert "registered mrpc@1" in found.stdout
    assert "store: starting on http://127.0.0.1" in found.stderr
    assert found.stdout.rstrip().splitlines()[-4].startswith("Next:")
