"""`glueflow drill` on a real store: every kill and fault is survived, and nothing of it stays behind."""

import json

import pytest

from tests.conftest import FULL, Corner

KILLS = 30 if FULL else 8


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_drill_is_survived(corner: Corner) -> None:
    corner.store.put("mine", b"kept")
    rows = json.loads(corner.glueflow("drill", "--kills", str(KILLS), "--seed", "2026", "--json").stdout)
    print(json.dumps(rows, indent=1))
    times = {row["injected"]: (row["times"], row["survived"]) for row in rows}
    assert times.pop("SIGKILL at a random moment") == (KILLS, KILLS)
    assert len(times) == 7
    assert set(times.values()) == {(1, 1)}
    assert corner.keys() == {"mine"}
    assert not list(corner.home.glob("drill-*"))


def test_a_drill_that_cannot_run_says_so(corner: Corner) -> None:
    found = corner.glueflow("drill", "--kills", "-1", status=2)
    assert "Must be >= 0" in found.stderr
