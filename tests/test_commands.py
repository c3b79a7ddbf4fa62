"""Every command, by walking the command line: help with examples that can be typed, --json, completion, typos."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
from cyclopts import App

from flows import examples
from flows.cli import app
from tests.conftest import Corner
from tests.typed import typed


def commands(under: App = app, path: str = "") -> Iterator[tuple[str, App]]:
    """Every command that does something, by its whole name."""
    for name in under:
        if not name.startswith("-"):
            found, whole = under[name], f"{path} {name}".strip()
            if found.default_command:
                yield whole, found
            yield from commands(found, whole)


ALL = dict(commands())


def test_all_commands_are_found() -> None:
    assert {"run", "plan", "models promote", "cache gc", "backfill run", "doctor", "completion"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_help_ends_with_examples_that_can_be_typed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in examples.EXAMPLES[name]:
        words = shlex.split(line.partition(" > ")[0])
        command, *_ = app.parse_args(words, exit_on_error=False, print_error=False)
        assert command is ALL[name].default_command
    app([*name.split(), "--help"], result_action="return_value")
    shown = " ".join(capsys.readouterr().out.split())
    assert "Examples:" in shown
    assert f"glueflow {name}" in shown.partition("Examples:")[2]


@pytest.mark.parametrize("name", ALL)
def test_every_command_can_answer_in_json(name: str) -> None:
    flags = [flag for argument in ALL[name].assemble_argument_collection() for flag in argument.names]
    assert "--json" in flags


def complete(script: str, line: str) -> set[str]:
    """What bash offers for the last word of that line."""
    asked = f"""
COMP_WORDS=({line}); [[ "{line}" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}
_glueflow; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    found = subprocess.run(["bash", "-c", script + asked], capture_output=True, text=True, check=True)
    return {word.strip() for word in found.stdout.splitlines()}


def test_bash_completes_commands_tasks_flags_and_choices(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("completion bash", monkeypatch) == 0
    script = capsys.readouterr().out
    assert complete(script, "glueflow mod") == {"models"}
    assert complete(script, "glueflow models pro") == {"promote"}
    assert complete(script, "glueflow run --learn") == {"--learning-rate"}
    assert {"full", "frozen"} <= complete(script, "glueflow run --strategy ")
    assert {"mrpc", "rte"} <= complete(script, "glueflow run ")


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_other_shells_have_a_script_too(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(f"completion {shell} --json", monkeypatch) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shell"] == shell
    assert {"backfill", "promote"} <= set(re.findall(r"[\w-]+", found["script"]))
    assert "learning-rate" in found["script"]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("rum mrpc", "run"),
        ("models lst", "list"),
        ("backfill stauts x", "status"),
        ("run mprc", "mrpc"),
        ("run mrpc --sead 1", "--seed"),
        ("run mrpc --strategy frozn", "frozen"),
        ("plan mrpc --data smaple:8", "sample:8"),
        ("plan mrpc --data hf:nyu-mll/glue", "hf://nyu-mll/glue"),
        ("plan mrpc --data sample:8 --checkpoint package:all-MiniLM-L6-v2", "packaged:all-MiniLM-L6-v2"),
        ("completion bsh", "bash"),
        ("policy worke", "worker"),
        ("backfill plan --form 2026-01-01", "--from"),
    ],
)
def test_a_typo_is_answered_with_the_nearest(
    inside: Corner, line: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(line, monkeypatch) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert re.search(rf"Did you mean ['\"]?{re.escape(meant)}['\"]?( instead of \S+)?\?", found.err), found.err
