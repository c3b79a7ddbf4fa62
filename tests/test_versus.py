"""A suite from the packaged MiniLM against one from random weights: what differs is told, corrected for the others."""

from pathlib import Path

import pytest

from tests.conftest import Corner


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_checkpoints_that_differ_on_one_task_and_not_on_another(corner: Corner, tiny: Path) -> None:
    """Sentiment is soon learned from good weights; Winograd's schemas are not from either."""
    training = ["--data", "sample:400", "--epochs", "1", "--learning-rate", "1e-4", "--seeds", "1"]
    arguments = ["benchmark", *training, "--tasks", "sst2", "wnli", "--against", f"file:{tiny}"]
    found = corner.json(*arguments)
    rows = {row["task"]: row for row in found["comparison"]}
    print(rows)
    better, alike = rows["sst2"], rows["wnli"]
    assert better["difference"] > 0.1
    assert better["interval"][0] > 0
    assert better["p"] < alike["p"]
    assert better["p_holm"] == pytest.approx(2 * better["p"])  # the smallest of two
    assert better["p_holm"] < 0.05 < alike["p_holm"] == alike["p"]
    shown = corner.glueflow(*arguments).stdout.split(f"against file:{tiny}")[1].splitlines()
    assert "p (Holm)" in shown[1]
    assert next(line for line in shown if line.startswith("sst2")).rstrip().endswith("  differ")
    assert next(line for line in shown if line.startswith("wnli")).rstrip().endswith("not told apart")
    assert {(row["task"], row["state"]) for row in corner.json(*arguments)["runs"]} == {
        ("sst2", "reused"),
        ("wnli", "reused"),
    }
