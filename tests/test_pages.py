"""What a page is made of: text that cannot do harm, figures by their definitions, pictures that are always the same."""

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score

from tasks.core.catalog import glue_task
from tasks.core.manifest import Manifest
from tasks.models.metrics import confusion
from tasks.pages import effort, ink, lengths, mistakes, ranges, reliability
from tasks.pages.clean import clean
from tasks.pages.frame import Page, Picture, Section, Table, render
from tasks.pages.judged import Judged
from tasks.pages.ranges import Range

MRPC = glue_task("mrpc")


def said(count: int, seed: int = 0) -> Judged:
    draw = np.random.default_rng(seed)
    labels, predictions = draw.integers(0, 2, (2, count))
    texts = pa.table({name: [f"{name} {row}" for row in range(count)] for name in MRPC.text})
    return Judged(labels, predictions, draw.uniform(0.5, 1, count), draw.integers(5, 60, count), texts)


@given(st.text(st.characters(), max_size=30))
@settings(max_examples=300)
def test_what_is_shown_is_visible_on_one_line_and_ends(text: str) -> None:
    shown = clean(text, 20)
    assert shown.isprintable()
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]", shown)
    assert len(shown) <= 20 * len("⟨U+10FFFF⟩") + len("… (30 characters)")
    if text.isprintable() and len(text) <= 20:
        assert shown == text


def test_hostile_text_is_shown_harmlessly() -> None:
    assert clean("a\0b\u202ec") == "a␀b⟨U+202E⟩c"
    assert clean("x" * 1_000_000).endswith("x… (1,000,000 characters)")
    assert len(clean("x" * 1_000_000)) < 500
    evil = "</table></style><script>alert(1)</script><img src=https://x.example/a onerror=alert(1)>"
    table = Table((evil,), [(evil,)], evil)
    body = render(Page(evil, evil, {evil: evil}, [evil], [Section(evil, evil, tables=[table])])).decode()
    assert "<script" not in body
    assert "<img" not in body
    assert (body.count("</table>"), body.count("</style>")) == (1, 1)
    assert "&lt;script&gt;" in body


def test_confusion_is_that_of_the_library() -> None:
    one = said(200)
    assert (confusion(one.labels, one.predictions, 2) == confusion_matrix(one.labels, one.predictions)).all()


def test_reliability_is_by_definition() -> None:
    confidence, right = np.array([0.55, 0.6, 0.95, 1.0, 0.9]), np.array([1, 0, 1, 1, 0])
    found = reliability.bins(confidence, right)
    assert [(each.low, each.high, each.examples, each.accuracy) for each in found] == [
        (0.5, 0.6, 2, 0.5),
        (0.8, 0.9, 1, 0.0),
        (0.9, 1.0, 2, 1.0),
    ]
    assert reliability.error(found) == pytest.approx((2 * 0.075 + 0.9 + 2 * 0.025) / 5)


def test_bands_of_length_hold_every_example_once_and_score_as_the_library() -> None:
    one = said(300)
    bands = lengths.by_length(MRPC, one)
    assert len(bands) == 5
    assert sum(band.examples for band in bands) == 300
    for band in bands:
        held = (one.tokens >= band.low) & (one.tokens <= band.high)
        assert band.examples == held.sum()
        assert band.score == pytest.approx(f1_score(one.labels[held], one.predictions[held]))


@pytest.mark.parametrize("tokens", [[7] * 20, [7] * 19 + [90]])
def test_lengths_that_hardly_differ_make_one_band(tokens: list[int]) -> None:
    one = said(20)
    same = Judged(one.labels, one.predictions, one.confidence, np.array(tokens), one.texts)
    assert [band.examples for band in lengths.by_length(MRPC, same)] == [20]
    assert "<svg" in lengths.histogram(same, "lengths").svg


def test_the_worst_errors_are_the_surest_ones() -> None:
    one = said(200)
    assert one.confidence is not None
    table = mistakes.table(MRPC, MRPC.labels, one, "worst")
    wrong = [row for row in range(200) if one.labels[row] != one.predictions[row]]
    expected = sorted(wrong, key=lambda row: -one.confidence[row])[:20]
    assert [int(row[0]) for row in table.rows] == expected
    first = table.rows[0]
    assert first[1:3] == (f"sentence1 {expected[0]}", f"sentence2 {expected[0]}")
    assert first[3:5] == (MRPC.labels[one.labels[expected[0]]], MRPC.labels[one.predictions[expected[0]]])
    assert f"{len(wrong)} wrong of 200" in table.caption


def test_the_cache_saved_what_further_runs_did_not_build() -> None:
    def entry(step: Any, key: str, inputs: dict[str, str], size: int) -> Manifest:
        file = {"path": "a", "size": size, "sha256": "0" * 64}
        said = {"step": step, "key": key * 64, "identity": {"inputs": inputs}, "inputs": {}, "files": (file,)}
        return Manifest(**said, facts={}, seconds=2.5, created="")

    fetch = entry("fetch", "a", {}, 100)
    encodes = [entry("encode", key, {"fetch": "a" * 64}, 30) for key in "bc"]
    steps, saved = effort.of_many([fetch, *encodes, fetch], {"a" * 64: 4, "b" * 64: 1, "c" * 64: 3})
    assert [(each.step, each.seconds, each.read, each.written, each.asked) for each in steps] == [
        ("fetch", 2.5, 0, 100, 4),
        ("encode", 5.0, 200, 60, 4),
    ]
    assert saved == [7.5, 5.0]


def test_a_picture_is_the_same_each_time_takes_the_pages_colours_and_loads_nothing() -> None:
    evil = "<script>x</script> $\\frac{"
    rows = [Range(evil, 0.9, (0.8, 0.95)), Range("other", 0.7, kind="champion")]
    one, again = (ranges.picture(rows, "F1", "f1") for _ in range(2))
    assert one == again
    root = ElementTree.fromstring(one.svg)  # noqa: S314  # our own
    assert root.attrib["id"] == "f1"
    assert clean(evil, ranges.LONGEST) in {element.text for element in root.iter("text")}
    assert set(re.findall(r"#[0-9a-f]{6}\b", one.svg)) <= {"#ffffff", "#000000"}
    assert {*ink.STYLE.values()} >= set(re.findall(r"var\(--\w+\)|currentColor", one.svg)) > {"currentColor"}
    assert "http" not in one.svg
    assert "<style" not in one.svg
    ids = re.findall(r' id="([^"]+)"', one.svg)
    assert all(each.startswith("f1") for each in ids)
    used = re.findall(r'(?:url\(|href=")#([^")]+)', one.svg)
    assert used
    assert set(used) <= set(ids)


def test_the_figures_of_a_picture_stand_below_it() -> None:
    picture = ranges.picture([Range("ours", 0.8967, (0.87, 0.921))], "F1", "f1")
    assert isinstance(picture, Picture)
    body = render(Page("x", sections=[Section("Scores", pictures=[picture])])).decode()
    assert "0.897" in body
    assert "0.870 to 0.921" in body
