"""Slots of a backfill, and what they would build: dates, names, hits and misses, and how much is too much."""

import json
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from test_sources import commit

from tasks.core.slots import Backfill
from tasks.core.specs import GlueRun
from tests.conftest import Corner
from tests.hub_server import Hub
from tests.typed import refusal

ROOT = Path(__file__).resolve().parents[1]


def of(first: str = "2026-10-01", last: str = "2026-10-14", **options: Any) -> Backfill:
    return Backfill.model_validate({"from_": first, "to": last, **options})


def days(first: str, last: str, every: str) -> list[str]:
    return [str(day) for day in of(first, last, every=every).dates]


def test_dates() -> None:
    assert days("2026-10-01", "2026-10-31", "week") == [f"2026-10-{day:02d}" for day in (1, 8, 15, 22, 29)]
    assert len(days("2026-10-01", "2026-10-31", "day")) == 31
    assert days("2026-01-31", "2026-04-29", "month") == ["2026-01-31", "2026-02-28", "2026-03-31"]
    assert days("2026-10-01", "2026-10-01", "month") == ["2026-10-01"]


def test_slots_are_runs_as_of_their_date_each_with_a_name_of_its_own() -> None:
    asked = of(tasks=["mrpc", "rte"], checkpoints=["file:a", "file:b"], seeds=[1, 2])
    slots = asked.slots()
    assert len(slots) == asked.size == 2 * 2 * 2 * 2
    assert next(iter(slots)) == "2026-10-01-mrpc-checkpoint1-seed1"
    first = slots["2026-10-08-rte-checkpoint2-seed2"]
    assert first == GlueRun(task="rte", checkpoint="file:b", seed=2, as_of=date(2026, 10, 8))


def test_the_same_backfill_has_the_same_ledger() -> None:
    assert of().id == Backfill.model_validate_json(of().model_dump_json()).id
    assert of().id != of(seeds=[7]).id


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "2026-10-31", "--to", "2026-10-01"], "to: '2026-10-01' is not allowed; it is before"),
        (["--from", "2026-10-01", "--to", "9999-01-01"], "of the future there is no data yet"),
        (["--from", "2026-10-01", "--to", "2026-02-30"], "to: '2026-02-30' is not allowed"),
        (["--from", "2026-01-01", "--to", "2026-10-01", "--every", "day"], "slots: '274' is not allowed"),
        (["--from", "2026-10-01", "--to", "2026-10-02", "--seeds", "1", "1"], "seeds: ['1', '1'] is not allowed"),
        (["--from", "2026-10-01", "--to", "2026-10-02", "--tasks", "mrcp"], "Did you mean 'mrpc'"),
        (
            ["--from", "2026-10-01", "--to", "2026-10-02", "--data", "sample:"],
            "as_of: '2026-10-01' is not allowed; sample: has no dated revisions",
        ),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_cannot_be_meant_is_refused(tmp_path: Path, command: str, arguments: list[str], told: str) -> None:
    assert told in refusal(tmp_path / "home", "backfill", command, *arguments)


def test_the_plan_says_what_is_there_and_why_not(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    with Hub() as hub:
        commit(hub, "acme/glue", "2026-01-05")
        commit(hub, "acme/glue", "2026-02-05", "other text")
        environment = hub.env(tmp_path / "hub")
        common = ["--data", "hf://acme/glue", "--epochs", "1"]
        corner.json("run", "mrpc", *common, "--checkpoint", f"file:{tiny}", "--as-of", "2026-01-31", **environment)
        found = corner.json(
            "backfill", "plan", "--from", "2026-01-10", "--to", "2026-03-09", "--every", "month", "--seeds", "42", "1",
            "--checkpoints", f"file:{tiny}", *common, **environment,
        )  # fmt: skip
    states = {slot["slot"]: list(slot["steps"].values()) for slot in found["slots"]}
    assert states == {
        "2026-01-10-mrpc-seed42": ["hit"] * 5,
        "2026-01-10-mrpc-seed1": ["hit", "hit", "miss", "miss", "miss"],
        "2026-02-10-mrpc-seed42": ["miss"] * 5,
        "2026-02-10-mrpc-seed1": ["shared", "shared", "miss", "miss", "miss"],
    }
    reasons = {slot["slot"]: slot["reason"] for slot in found["slots"]}
    assert reasons["2026-01-10-mrpc-seed1"] == "finetune: never built with seed 1 (there is 42)"
    assert reasons["2026-02-10-mrpc-seed42"].startswith("fetch: never built with data hf://acme/glue@")
    assert (found["missing_slots"], found["of_slots"]) == (3, 4)
    assert found["steps"] == {"hit": 7, "miss": 11, "shared": 2}
    assert found["slots_without_estimate"] == 0
    assert found["seconds"] > 1
    assert found["bytes"] > 1_000_000  # two trainings of the tiny checkpoint


MEASURED = """
import sys
from pathlib import Path
from flows.cli import main
try:
    main()
finally:
    print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


@pytest.mark.slow
def test_ten_thousand_slots_are_planned_in_little_memory(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    with Hub() as hub:
        commit(hub, "acme/glue", "2025-01-05")
        arguments = [
            "backfill", "plan", "--from", "2025-02-01", "--to", "2025-05-11", "--every", "day", "--yes", "--json",
            "--data", "hf://acme/glue", "--checkpoints", f"file:{tiny}", "--seeds", *map(str, range(100)),
        ]  # fmt: skip
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *arguments],
            cwd=ROOT,
            env={**os.environ, **corner.environment, **hub.env(tmp_path / "hub")},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.monotonic() - start
    peak = int(done.stderr) / 1024
    found = json.loads(done.stdout)
    assert len(found["slots"]) == found["missing_slots"] == 10_000
    print(
        f"backfill: 10,000 slots planned in {seconds:.1f} s from the command's start to its end, {peak:.0f} MB at most"
    )
    assert peak < 500
