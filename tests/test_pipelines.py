"""Every text pipeline by name, with tiny random models, against the library's own or against its Auto classes."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import pipeline

from flows.cli import app
from tests.conftest import Corner
from tests.hub_server import Hub
from tests.tiny_models import SIZES
from tests.tiny_models import models as models

TEXTS = ["On Tuesday, the Dragons beat the Lions in Toronto.", "A fire struck Lima and many people were hurt there."]
MASKED = ["The [MASK] beat the Lions.", "A fire struck [MASK] on Thursday."]
QUESTION = "Where did the Dragons win?"


def found(inside: Corner, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What the command prints, run in this process, for importing torch takes longer than all it does."""
    app(["pipeline", *arguments, "--json"], result_action="return_value")
    return json.loads(capsys.readouterr().out)["found"]


def near(one: Any, other: Any) -> bool:
    """The same up to 1e-5 in every number, however nested."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(near(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(near, one, other))
    return abs(one - other) < 1e-5 if isinstance(one, float) else bool(one == other)


@pytest.mark.parametrize(
    ("task", "model", "texts", "flags", "options"),
    [
        ("sentiment-analysis", "mnli", TEXTS, (), {}),
        ("text-classification", "mnli", TEXTS, ("--top-k", "2"), {"top_k": 2}),
        ("feature-extraction", "encoder", TEXTS, (), {}),
        (
            "zero-shot-classification", "mnli", TEXTS,
            ("--labels", "sport", "--labels", "news", "--template", "It is {}."),
            {"candidate_labels": ["sport", "news"], "hypothesis_template": "It is {}."},
        ),
        ("fill-mask", "masked", MASKED, ("--top-k", "3"), {"top_k": 3}),
        ("fill-mask", "masked", ["[MASK] beat [MASK]."], (), {}),
        ("ner", "tokens", TEXTS, ("--aggregation", "simple"), {"aggregation_strategy": "simple"}),
        ("token-classification", "tokens", TEXTS, (), {}),
        ("text-generation", "causal", TEXTS, ("--max-new-tokens", "5"), {"max_new_tokens": 5, "do_sample": False}),
    ],
)  # fmt: skip
def test_what_the_library_still_has(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str],
    task: str, model: str, texts: list[str], flags: tuple[str, ...], options: dict[str, Any],
) -> None:  # fmt: skip
    ours = found(inside, capsys, task, models[model], *texts, *flags)
    theirs = pipeline(task, model=models[model].removeprefix("file:"), device="cpu")
    assert len(ours) == len(texts)
    for text, mine in zip(texts, ours, strict=True):
        expected = json.loads(json.dumps(theirs(text, **options), default=float))
        if task == "feature-extraction":
            expected = expected[0]
        assert near(mine, expected if isinstance(expected, list) else [expected])


def best_span(folder: str, question: str, text: str, length: int, stride: int) -> tuple[float, str]:
    """By trying every span of every window."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    windows = tokenizer(
        question, text, truncation="only_second", max_length=length, stride=stride, padding=True,
        return_overflowing_tokens=True, return_offsets_mapping=True, return_tensors="pt",
    )  # fmt: skip
    offsets = windows.pop("offset_mapping").tolist()
    windows.pop("overflow_to_sample_mapping")
    with torch.no_grad():
        output = model(**windows)
    best = (0.0, "")
    for window in range(len(offsets)):
        places = [place for place, part in enumerate(windows.sequence_ids(window)) if part == 1]
        starts = output.start_logits[window][places].softmax(0).tolist()
        ends = output.end_logits[window][places].softmax(0).tolist()
        for i, start in enumerate(places):
            for j, end in enumerate(places[i : i + 15], i):
                span = text[offsets[window][start][0] : offsets[window][end][1]]
                best = max(best, (starts[i] * ends[j], span), key=lambda found: found[0])
    return best


@pytest.mark.parametrize("repeat", [1, 40])
def test_the_best_span_answers_a_question(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str], repeat: int
) -> None:
    """Also of a text that is many windows long."""
    text = " ".join([f"{TEXTS[0]} Part {number}." for number in range(repeat)])
    ours = found(inside, capsys, "question-answering", models["spans"], text, "--question", QUESTION)
    room = 128 - len(transformers.AutoTokenizer.from_pretrained(models["spans"][5:])(QUESTION, "")["input_ids"])
    score, span = best_span(models["spans"][5:], QUESTION, text, 128, min(128, room // 2))
    assert ours[0][0]["answer"] == span == text[ours[0][0]["start"] : ours[0][0]["end"]]
    assert ours[0][0]["score"] == pytest.approx(score, abs=1e-5)
    more = found(inside, capsys, "question-answering", models["spans"], text, "--question", QUESTION, "--top-k", "4")
    assert more[0][0] == ours[0][0]
    assert [one["score"] for one in more[0]] == sorted((one["score"] for one in more[0]), reverse=True)


def test_a_question_about_a_table(
    inside: Corner, tiny: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import pandas as pd

    folder, asked = tmp_path / "tapas", ["How many goals did the Dragons score?", "Who lost?"]
    aggregation = {"num_aggregation_labels": 2, "aggregation_labels": {0: "NONE", 1: "SUM"}}
    torch.manual_seed(0)
    config = transformers.TapasConfig(vocab_size=30_522, max_position_embeddings=128, **SIZES, **aggregation)
    transformers.TapasForQuestionAnswering(config).save_pretrained(folder)
    transformers.TapasTokenizer(str(tiny / "vocab.txt")).save_pretrained(folder)
    shutil.copy(tiny / "vocab.txt", folder)
    table = tmp_path / "goals.csv"
    table.write_text("team,goals\nDragons,3\nLions,1\n")
    ours = found(inside, capsys, "table-question-answering", f"file:{folder}", *asked, "--table", str(table))
    theirs = pipeline("table-question-answering", model=str(folder), device="cpu")
    rows = pd.DataFrame({"team": ["Dragons", "Lions"], "goals": ["3", "1"]})
    assert ours == [[json.loads(json.dumps(theirs(table=rows, query=question)))] for question in asked]


@pytest.mark.parametrize(("task", "key"), [("summarization", "summary_text"), ("translation", "translation_text")])
def test_what_is_generated_is_what_the_auto_classes_generate(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str], task: str, key: str
) -> None:
    flags = ("--max-new-tokens", "6", "--prefix", "say: ")
    ours = found(inside, capsys, task, models["seq2seq"], *TEXTS, *flags)
    tokenizer = transformers.AutoTokenizer.from_pretrained(models["seq2seq"][5:])
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(models["seq2seq"][5:]).eval()
    for text, mine in zip(TEXTS, ours, strict=True):
        ids = tokenizer("say: " + text, return_tensors="pt")
        ids.pop("token_type_ids", None)
        written = model.generate(**ids, max_new_tokens=6, do_sample=False)[0]
        assert mine == [{key: tokenizer.decode(written, skip_special_tokens=True)}]


def test_a_checkpoint_of_the_hub_answers_as_its_folder_does(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    files = {path.name: path.read_bytes() for path in Path(models["masked"][5:]).iterdir()}
    with Hub() as hub:
        hub.lead(monkeypatch, tmp_path / "hub")
        hub.add_commit("owner/masked", "model", "2024-02-01", files | {"pytorch_model.bin": pickle.dumps("never read")})
        there = found(inside, capsys, "fill-mask", "hf://owner/masked", MASKED[0])
    assert there == found(inside, capsys, "fill-mask", models["masked"], MASKED[0])
    assert not list(inside.home.rglob("*.bin"))


def test_the_pipeline_command_as_a_user_runs_it(corner: Corner, models: dict[str, str]) -> None:
    shown = corner.glueflow("pipeline", "fill-mask", models["masked"], MASKED[0], "--top-k", "2").stdout
    assert shown.splitlines()[0].strip() == MASKED[0]
    assert len(shown.splitlines()) == 4
    assert corner.made() == set()
