"""The synthetic corpus: GLUE's schema and balance, the same rows everywhere, few duplicates, learnable."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from tasks.core.catalog import GLUE, UNLABELLED, GlueTask, Split
from tasks.core.resolve import SAMPLE_VERSION
from tasks.data import grammar
from tasks.data.sample import examples

REPOSITORY = Path(__file__).resolve().parents[1]
EVERY_SPLIT = [
    pytest.param(task, split, id=f"{task.name}-{split.name}") for task in GLUE.values() for split in task.splits
]
TRAINED = [task for task in GLUE.values() if task.name != "ax"]
POSITIVE = {"cola": 0.70, "sst2": 0.56, "mrpc": 0.67, "qqp": 0.37}  # share of label 1 in GLUE
# Of the first 300 rows of every split. After a change of the grammar raise SAMPLE_VERSION, then print new ones with
#     python -m tests.test_sample
GOLDEN: dict[str, str] = {
    "cola": "d47018a2ffd21b82",
    "sst2": "fe172ff388a07486",
    "mrpc": "caf8910647c7904a",
    "stsb": "231a23a4f5768884",
    "qqp": "4ba70d46a9cb49c2",
    "mnli": "ca3402f6806c5b6a",
    "qnli": "f59c6a58479ecd9e",
    "rte": "d4af49bc11ac69b3",
    "wnli": "535e412ef7c81078",
    "ax": "133b3c6d6336ead3",
}


def digests() -> dict[str, str]:
    """A digest of the beginning of each configuration."""
    return {
        name: hashlib.sha256(
            json.dumps([list(examples(task, split, 300)) for split in task.splits]).encode()
        ).hexdigest()[:16]
        for name, task in GLUE.items()
    }


@pytest.mark.parametrize(("task", "split"), EVERY_SPLIT)
def test_rows_have_the_schema_of_their_configuration(task: GlueTask, split: Split) -> None:
    rows = list(examples(task, split, 500))
    assert len(rows) == 500
    for texts, label in rows:
        assert len(texts) == len(task.text)
        assert len(set(texts)) == len(texts), "a pair of equal texts"
        for text in texts:
            assert 3 <= len(text.split()) <= 30
            assert re.fullmatch(r"[\wé$ ,.:?'-]+", text), text
            assert text == " ".join(text.split())
        if task.is_regression:
            assert isinstance(label, float)
            assert round(label, 3) == label
        else:
            assert isinstance(label, int)
        if not split.labelled:
            assert label == UNLABELLED
        elif task.is_regression:
            assert 0 <= label <= 5
        else:
            assert label in range(task.num_labels)


@pytest.mark.parametrize("task", [task for task in TRAINED if not task.is_regression], ids=lambda task: task.name)
def test_labels_are_balanced_as_in_glue(task: GlueTask) -> None:
    for split in (task.splits[0], *task.validation):
        count = Counter(label for _, label in examples(task, split, 1000))
        if task.num_labels == 3:
            assert all(count[label] / 1000 == pytest.approx(1 / 3, abs=0.05) for label in range(3))
        else:
            assert count[1] / 1000 == pytest.approx(POSITIVE.get(task.name, 0.5), abs=0.05)


def test_scores_spread_over_the_whole_range() -> None:
    task = GLUE["stsb"]
    count = Counter(min(4, int(score)) for _, score in examples(task, task.splits[0], 1000))
    assert all(count[level] > 120 for level in range(5))


@pytest.mark.parametrize(("task", "split"), EVERY_SPLIT)
def test_a_short_request_is_the_beginning_of_a_long_one(task: GlueTask, split: Split) -> None:
    assert list(examples(task, split, 100)) == list(examples(task, split, 1000))[:100]


def test_rows_are_made_one_at_a_time() -> None:
    task = GLUE["mnli"]
    assert next(examples(task, task.splits[0], 10**15)) == next(examples(task, task.splits[0], 1))
    assert list(examples(task, task.splits[0], 0)) == []


def test_a_changed_corpus_has_another_version() -> None:
    assert SAMPLE_VERSION == 2, "write the digests of the new version into GOLDEN"
    assert digests() == GOLDEN


def test_rows_do_not_depend_on_the_process(tmp_path: Path) -> None:
    surroundings = {"PYTHONHASHSEED": "4242", "TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONUTF8": "0"}
    code = "import json; from tests.test_sample import digests; print(json.dumps(digests()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | surroundings | {"PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == digests()


@pytest.mark.parametrize("task", GLUE.values(), ids=lambda task: task.name)
def test_few_rows_come_twice(task: GlueTask) -> None:
    texts = {split.name: [row for row, _ in examples(task, split, 1000)] for split in task.splits}
    for rows in texts.values():
        assert len(rows) - len(set(rows)) <= 20
    for one, other in combinations(texts.values(), 2):
        assert sum(row in set(one) for row in other[:200]) <= 4


def test_words_alone_tell_the_sentiment_of_many_reviews_and_not_of_all() -> None:
    task = GLUE["sst2"]
    (train, labels), (dev, truth) = (
        zip(*((row[0], label) for row, label in examples(task, split, rows)), strict=True)
        for split, rows in zip(task.splits[:2], (800, 200), strict=True)
    )
    words = CountVectorizer().fit(train)
    model = LogisticRegression().fit(words.transform(train), labels)
    assert 0.6 < model.score(words.transform(dev), truth) < 0.9


def test_more_similar_sentences_share_more_words() -> None:
    task = GLUE["stsb"]
    rows = list(examples(task, task.splits[0], 500))
    shared = [
        len(one & other) / len(one | other) for one, other in ([set(t.lower().split()) for t in r] for r, _ in rows)
    ]
    assert 0.5 < spearmanr(shared, [score for _, score in rows])[0] < 0.95


@pytest.mark.parametrize("frame", grammar.FRAMES, ids=lambda frame: frame.turn)
def test_every_telling_of_an_event_has_the_same_facts(frame: grammar.Frame[str]) -> None:
    told = [set(re.findall(r"{(\w+)}", telling)) for telling in " ".join(frame.says.split()).split(" / ")]
    assert len(told) == 3
    assert all(facts == told[0] for facts in told)
    assert frame.turn in told[0]
    assert f"{{{frame.turn}}}" in frame.implied


if __name__ == "__main__":
    print(json.dumps(digests(), indent=4))
