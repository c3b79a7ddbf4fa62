"""The reason for a miss: which field differs from the nearest entry, with both values."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tasks.core.artifact import Facts, Folders, get_or_build
from tasks.core.explain import differences, explain, nearest
from tasks.core.plan import PlannedStep
from tests.conftest import Corner
from tests.test_artifact import build as write
from tests.test_keys import FINETUNE


def build(out: Path, folders: Folders) -> Facts:
    return {**write(out, folders), "steps": 1, "planned_steps": 1}


def planned(upstream: str = "0", **changes: object) -> PlannedStep:
    return PlannedStep("finetune", FINETUNE.model_copy(update=changes), {"encode": upstream * 64}, {})


def build_two(corner: Corner) -> None:
    """An entry of the day before, and one of now."""
    older = planned(learning_rate=5e-5)
    found = get_or_build(corner.store, corner.settings, older, {}, build).manifest
    day_before = (datetime.fromisoformat(found.created) - timedelta(days=1)).isoformat()
    corner.store.put(f"{older.folder}/manifest.json", found.model_copy(update={"created": day_before}).encoded())
    get_or_build(corner.store, corner.settings, planned(learning_rate=3e-5), {}, build)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"learning_rate": 2e-5}, "never built with learning_rate 2e-05 (there is 3e-05)"),
        ({"learning_rate": 5e-5, "seed": 7}, "never built with seed 7 (there is 42)"),
        ({"strategy": "frozen", "learning_rate": 3e-5}, "never built with strategy frozen (there is full)"),
        (
            {"learning_rate": 3e-5, "seed": 7, "batch_size": 8},
            "never built with seed 7 (there is 42), with batch_size 8 (there is 16)",
        ),
        ({"upstream": "1", "learning_rate": 3e-5}, "never built from this encode"),
    ],
)
def test_the_nearest_entry_is_what_is_compared(corner: Corner, changes: dict[str, object], reason: str) -> None:
    build_two(corner)
    step = planned(**changes)
    assert explain(corner.store, step) == reason
    assert get_or_build(corner.store, corner.settings, step, {}, build).reason == reason


def test_the_first_entry_has_nothing_to_be_compared_with(corner: Corner) -> None:
    assert get_or_build(corner.store, corner.settings, planned(), {}, build).reason == "never built"


def test_a_library_or_a_version_is_named_too() -> None:
    old = {"version": 1, "libraries": {"torch": "2.12.0", "transformers": "5.23.0"}}
    new = {"version": 2, "libraries": {"torch": "2.13.0", "accelerate": "1.15.0", "transformers": "5.23.0"}}
    assert differences(old, new) == {
        "version": ("1", "2"),
        "torch": ("2.12.0", "2.13.0"),
        "accelerate": ("nothing", "1.15.0"),
    }


def test_an_entry_is_compared_with_those_that_are_not_newer(corner: Corner) -> None:
    """The same differences as in the line for a miss, for a table."""
    build_two(corner)
    mine = planned(learning_rate=3e-5)
    found = nearest(corner.store, "finetune", mine.identity, before=mine.key)
    assert found
    assert found.key == planned(learning_rate=5e-5).key
    assert found.differences == {"learning_rate": ("5e-05", "3e-05")}
