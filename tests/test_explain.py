"""The reason for a miss: which field differs from the nearest entry, with both values."""

import pytest

from tasks.core.artifact import get_or_build
from tasks.core.explain import differences, explain
from tasks.core.plan import PlannedStep
from tests.conftest import Corner
from tests.test_artifact import build
from tests.test_keys import FINETUNE


def planned(upstream: str = "0", **changes: object) -> PlannedStep:
    return PlannedStep("finetune", FINETUNE.model_copy(update=changes), {"encode": upstream * 64}, {})


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
    for rate in (5e-5, 3e-5):
        get_or_build(corner.store, corner.settings, planned(learning_rate=rate), {}, build)
    step = planned(**changes)  # type: ignore[arg-type]
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
