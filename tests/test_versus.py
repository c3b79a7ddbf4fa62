"""A suite from the packaged MiniLM against one from random weights: what differs is told, corrected for the others."""

from pathlib import Path

import pytest

from tests.conftest import Corner

TOLD = {True: "  differ", False: "  not told apart"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_checkpoints_that_differ_are_told_apart_after_holms_correction(corner: Corner, tiny: Path) -> None:
    """Sentiment is soon learned from good weights; Winograd's schemas hardly from any."""
    training = ["--data", "sample:1000", "--epochs", "1", "--learning-rate", "1e-4", "--seeds", "1"]
    arguments = ["benchmark", *training, "--tasks", "sst2", "wnli", "--against", f"file:{tiny}"]
    rows = {row["task"]: row for row in corner.json(*arguments)["comparison"]}
    print(rows)
    assert rows["sst2"]["difference"] > 0.1
    assert rows["sst2"]["interval"][0] > 0
    assert rows["sst2"]["p_holm"] < 0.05
    first, second = sorted(rows.values(), key=lambda row: row["p"])
    assert first["p_holm"] == pytest.approx(min(1, 2 * first["p"]))
    assert second["p_holm"] == pytest.approx(max(first["p_holm"], second["p"]))
    shown = corner.glueflow(*arguments).stdout.split(f"against file:{tiny}")[1].splitlines()
    assert "p (Holm)" in shown[1]
    for task, row in rows.items():
        line = next(line for line in shown if line.startswith(task))
        assert f"{row['difference']:+.3f}" in line
        assert line.rstrip().endswith(TOLD[row["p_holm"] < 0.05])
