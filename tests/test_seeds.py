"""Figures over seeds and of comparisons, against scipy, hand computations and simulation."""

import numpy as np
import pytest
from scipy import stats

from flows import report
from tasks.core.catalog import TRAINABLE
from tasks.core.published import PUBLISHED, beside
from tasks.core.score import glue_score
from tasks.models.seeds import holm, over_examples, over_seeds, seeds_needed, visible_by_seeds, visible_on_examples
from tasks.models.summary import beside_published, summary


def run(seed: int, score: float, collapsed: bool = False, synthetic: bool = False) -> dict[str, object]:
    return {
        "task": "rte",
        "seed": seed,
        "metrics": {"accuracy": score},
        "intervals": {"accuracy": [score - 0.06, score + 0.06]},
        "majority": {"accuracy": 0.527},
        "collapsed": collapsed,
        "examples": {"validation": 277},
        "rows": {"used": 400, "of": 2490},
        "synthetic": synthetic,
    }


def test_mean_deviation_and_interval_are_those_of_scipy() -> None:
    scores = [0.852, 0.866, 0.870]
    found = over_seeds(scores)
    peer = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert found["mean"] == pytest.approx(np.mean(scores))
    assert found["sd"] == pytest.approx(np.std(scores, ddof=1))
    assert found["interval"] == pytest.approx([peer.low, peer.high])
    assert over_seeds([0.5]) == {"seeds": 1, "mean": 0.5, "sd": None, "interval": None}
    assert over_seeds([0.5, 0.5]) == {"seeds": 2, "mean": 0.5, "sd": 0.0, "interval": None}
    assert over_examples([[0.4, 0.6], None, [0.5, 0.7]]) == pytest.approx([0.45, 0.65])
    assert over_examples([None]) is None


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_intervals_over_seeds_hold_what_they_promise(seeds: int) -> None:
    draw = np.random.default_rng(seeds)
    hits = [
        low <= 0.6 <= high for low, high in (over_seeds(x)["interval"] for x in draw.normal(0.6, 0.02, (3000, seeds)))
    ]
    assert 0.93 <= np.mean(hits) <= 0.97


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_the_visible_difference_is_found_four_times_in_five(seeds: int) -> None:
    draw = np.random.default_rng(seeds)
    one, other = draw.normal(0, 0.02, (2, 4000, seeds))
    found = stats.ttest_ind(one + visible_by_seeds(0.02, seeds), other, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.045)


def test_the_visible_difference_on_examples_is_found_four_times_in_five() -> None:
    """Two independent models on RTE's 277 examples: the difference is about 11 points, which is why seeds alone do not
    settle it."""
    draw, n, low = np.random.default_rng(1), 277, 0.60
    half = 1.96 * np.sqrt(low * (1 - low) / n)
    difference = visible_on_examples([low - half, low + half])
    assert difference == pytest.approx(0.117, abs=0.002)
    one, other = (draw.binomial(n, p, 20_000) / n for p in (low, low + difference))
    error = np.sqrt((one * (1 - one) + other * (1 - other)) / n)
    assert np.mean(abs(other - one) / error > 1.96) == pytest.approx(0.8, abs=0.03)


def test_seeds_needed_is_the_smallest_that_suffices() -> None:
    needed = seeds_needed(0.02, 0.01)
    assert needed is not None
    assert visible_by_seeds(0.02, needed) <= 0.01 < visible_by_seeds(0.02, needed - 1)
    assert seeds_needed(1.0, 1e-6) is None


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never falling."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_keeps_the_chance_of_one_false_alarm() -> None:
    draw = np.random.default_rng(3)
    alarms = [min(holm(list(chances))) < 0.05 for chances in draw.uniform(size=(4000, 8))]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.01)


def test_collapsed_seeds_are_marked_and_reported_with_and_without() -> None:
    (row,) = summary([run(1, 0.60), run(2, 0.527, collapsed=True), run(3, 0.62)])
    assert row["collapsed"] == [2]
    assert row["mean"] == pytest.approx((0.60 + 0.527 + 0.62) / 3)
    assert row["without"]["mean"] == pytest.approx(0.61)
    assert row["without"]["seeds"] == 2
    (sound,) = summary([run(1, 0.60), run(3, 0.62)])
    assert (sound["collapsed"], sound["without"]) == ([], None)
    assert sound["seeds_for_a_point"] == seeds_needed(sound["sd"], 0.01)


def test_the_score_is_the_average_of_nine_and_says_what_it_lacks() -> None:
    whole = {task: {"one": 0.5, "other": 0.7} for task in TRAINABLE}
    score = glue_score({**whole, "wnli": {"accuracy": 0.6}, "ax": {"matthews_correlation": 0.0}})
    assert score
    assert score.points == pytest.approx(60)
    assert not score.is_partial
    some = glue_score({"mrpc": {"f1": 0.8, "accuracy": 0.6}, "rte": {"accuracy": 0.5}})
    assert some
    assert some.points == pytest.approx(60)
    assert some.is_partial
    assert set(some.missing) == set(TRAINABLE) - {"mrpc", "rte"}
    assert glue_score({}) is None


def test_published_figures_stand_beside_real_data_only() -> None:
    rows = beside_published(summary([run(1, 0.60), run(2, 0.60)]))
    assert [(row["model"], row["published"], row["within"]) for row in rows] == [
        ("bert-base-cased", 0.653, True),
        ("MiniLM-L6-H384", 0.688, False),
        ("RoBERTa-base", 0.787, False),
    ]
    assert beside_published(summary([run(1, 0.60, synthetic=True)])) == []
    assert beside("wnli", {"accuracy": 0.56}, {"accuracy": None}) == []
    assert all(task in TRAINABLE for figures in PUBLISHED.values() for task in figures)


@pytest.mark.parametrize("synthetic", [False, True])
def test_the_report_of_a_single_run_has_published_figures_if_its_data_are_real(
    synthetic: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    report.of_run(run(1, 0.60, synthetic=synthetic))
    shown = " ".join(capsys.readouterr().out.split())
    assert "accuracy 0.600 0.540 to 0.660 0.527" in shown
    assert ("bert-base-cased 0.653 within the interval MiniLM-L6-H384 0.688 outside" in shown) is not synthetic
    assert ("RoBERTa-base 0.787 outside" in shown) is not synthetic
