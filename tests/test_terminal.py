"""On a real terminal and without one: progress with rate and remaining time, the live table, colour, JSON alone."""

import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows.board import Board
from infra.stack import Stack
from tasks.core.progress import BESIDE, Progress
from tests.conftest import Corner, make_corner
from tests.terminal import Seen, watch

COLOUR = re.compile(rb"\x1b\[(?:[\d;]*;)?(?:3[0-8]|4[0-8]|9[0-7])(?:;[\d;]*)?m")
pytestmark = pytest.mark.timeout(900)  # the machine may be busy
GLUEFLOW = [sys.executable, "-m", "flows.cli"]


@pytest.fixture(scope="module")
def user(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    return make_corner(stack, tmp_path_factory.mktemp("terminal") / "home")


@pytest.fixture(scope="module")
def asked(tiny: Path) -> list[str]:
    return ["--data", "sample:160", "--checkpoint", f"file:{tiny}", "--epochs", "2"]


@pytest.fixture(scope="module")
def first(user: Corner, asked: list[str]) -> Seen:
    """A run that builds everything, on a terminal."""
    return watch([*GLUEFLOW, "run", "mrpc", *asked], user.whole_environment())


def lines(seen: Seen, pattern: str) -> list[str]:
    """Every line that was on the terminal at some time and matches."""
    return [line for frame in seen.frames for line in frame if re.search(pattern, line)]


WORK = """
import time
from flows import screen
from tasks.core.progress import Progress, report

with screen.progress():
    for what, total, unit in (("fetch", 0, "rows"), ("download", 9_000_000, "bytes"), ("train", 90, "steps")):
        for done in range(1, 7):
            report(Progress(what, done * (total or 60) // 9, total, unit, {"loss": 0.4}))
            time.sleep(0.4)
    if stop := __STOP__:
        raise stop
"""


@pytest.mark.parametrize("columns", [80, 120])
def test_each_bar_has_a_rate_and_the_time_that_remains(columns: int) -> None:
    seen = watch([sys.executable, "-c", WORK.replace("__STOP__", "None")], {**os.environ}, columns)
    assert lines(seen, r"^fetch +\S+ \d\d rows ")
    assert lines(seen, r"^download +\S+ \d\.0 MB/9\.0 MB +[\d.]+ \wB/s +\d:\d\d:\d\d left")
    assert lines(
        seen, r"^train +\S+ \d+/90 steps +[\d.,]+ steps/s +\d:\d\d:\d\d left" + " +loss 0.4000" * (columns > 99)
    )
    assert (seen.status, seen.text) == (0, "")


def test_long_figures_are_cut_and_never_the_bar() -> None:
    figures = str({f"figure {number}": 0.5 for number in range(9)})
    seen = watch(
        [sys.executable, "-c", WORK.replace("__STOP__", "None").replace('{"loss": 0.4}', figures)], {**os.environ}, 100
    )
    assert lines(seen, r"^train +━\S{15} \d+/90 steps .* left figure 0 0\.5000.*…$")


def test_what_is_cut_off_stays_as_it_was() -> None:
    seen = watch([sys.executable, "-c", WORK.replace("__STOP__", "KeyboardInterrupt()")], {**os.environ})
    assert re.search(r"^train +\S+ 60/90 steps", seen.text, re.MULTILINE)


def test_a_run_shows_how_far_each_step_is_and_then_a_table(first: Seen) -> None:
    assert first.status == 0
    for pattern in (
        r"^tokenize train +━+ 160/160 rows ",
        r"^train +\S+ \d+/20 steps ",
        r"^evaluate validation +━+ 40/40 rows ",
        r"^upload +\S+ [\d.]+ \w+/[\d.]+ \w+",
    ):
        assert lines(first, pattern), pattern
    shown = first.text.splitlines()
    assert "━" not in first.text
    assert [line.split()[:3:2] for line in shown[2:7]] == [
        [step, "built"] for step in ("fetch", "encode", "finetune", "evaluate", "register")
    ]
    assert any(line.startswith("registered mrpc@1 ") for line in shown)
    assert shown[-1].startswith("next: glueflow predict mrpc@1 ")


def test_without_a_terminal_nothing_moves(user: Corner, asked: list[str], first: Seen) -> None:
    found = user.glueflow("run", "mrpc", *asked, FORCE_COLOR="1")
    assert "━" not in found.stdout + found.stderr
    plain = user.glueflow("run", "mrpc", *asked)
    assert "\x1b" not in plain.stdout + plain.stderr
    assert len(plain.stderr.splitlines()) == 1


def test_json_is_alone_on_standard_output_whatever_the_terminal_shows(
    user: Corner, asked: list[str], first: Seen
) -> None:
    seen = watch([*GLUEFLOW, "run", "mrpc", *asked, "--json"], user.whole_environment(), stdout_apart=True)
    assert seen.status == 0
    assert json.loads(seen.stdout)["model"]["version"] == 1


@pytest.mark.parametrize("wish", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_whoever_wants_no_colour_gets_none(user: Corner, asked: list[str], first: Seen, wish: dict[str, str]) -> None:
    wrong = [*GLUEFLOW, "predict", "mprc", "text"]
    assert COLOUR.search(watch(wrong, user.whole_environment()).raw)
    seen = watch(wrong, {**user.whole_environment(), **wish})
    assert seen.status == 2
    assert "Did you mean 'mrpc'?" in seen.text.replace("\n", " ")
    assert not COLOUR.search(seen.raw)


def test_a_typo_in_a_model_or_an_alias_is_answered_with_the_nearest(user: Corner, first: Seen) -> None:
    assert "Did you mean 'mrpc@latest'?" in user.glueflow("models", "show", "mrpc@latset", status=2).stderr
    assert "Did you mean 'mrpc@1'?" in user.glueflow("models", "show", "mprc@1", status=2).stderr


def test_a_suite_is_a_table_that_moves_and_ends_as_a_plain_one(user: Corner, asked: list[str], first: Seen) -> None:
    arguments = ["--tasks", "mrpc", "--seeds", "42", "43", *asked]
    seen = watch([*GLUEFLOW, "benchmark", *arguments], user.whole_environment(), columns=140)
    assert seen.status == 0
    assert lines(seen, r"^benchmark of .*: (.*, )?1 reused")
    assert lines(seen, r"^mrpc seed 42 +reused .*f1 0\.\d{4}")
    assert lines(seen, r"^mrpc seed 43 +running ")
    shown = seen.text.splitlines()
    assert "━" not in seen.text
    assert [line.split()[:3] for line in shown[2:4]] == [["mrpc", "42", "reused"], ["mrpc", "43", "built"]]
    assert shown[-1].startswith("next: glueflow models promote mrpc@1 mrpc@2")


def rendered(board: Board, width: int, height: int = 30) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    with console.capture() as capture:
        console.print(board)
    return capture.get().splitlines()


def slots(count: int, **under_way: Any) -> Board:
    board = Board("backfill 3f9c1a70b2d4")
    for number in range(count):
        board.hear(Progress("", 0, 0, "", run=f"2026-01-{number}", state="waiting"))
    board.hear(Progress("train", 17, 100, "%", run=f"2026-01-{count - 1}", state="running", **under_way))
    return board


def test_of_many_slots_those_under_way_are_seen() -> None:
    found = rendered(slots(10_000, figures={"loss": 0.5}), 140)
    assert len(found) < 30
    assert found[0] == "backfill 3f9c1a70b2d4: 9999 waiting, 1 running"
    assert re.search(r"2026-01-9999 +running +train +\S+ +17 % .*loss 0\.5000", "\n".join(found))
    assert found[-1].startswith("… and 9976 more")


@pytest.mark.parametrize("width", [40, 80, 119, 120, 200])
def test_a_row_is_one_line_however_narrow(width: int) -> None:
    found = rendered(slots(3, figures={"accuracy": 0.75, "f1": 0.8}), width)
    assert len(found) == 4
    assert all(len(line) <= width for line in found)


def test_a_board_begins_empty_and_work_of_no_run_is_no_row() -> None:
    assert rendered(Board("benchmark"), 80) == ["benchmark: "]
    board = slots(2)
    board.hear(Progress("download", 1, 2, "bytes"))
    assert len(board.rows) == 2


def test_a_state_that_is_saved_beside_a_training_does_not_take_its_place() -> None:
    board = slots(1)
    board.hear(Progress(BESIDE, 1, 2, "bytes", run="2026-01-0", state="running"))
    assert board.rows["2026-01-0"].latest.what == "train"
