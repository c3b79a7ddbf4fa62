"""`glueflow predict` of a text or two: the label, and what happens behind it, against transformers' own classes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from flows.cli import app
from tests.conftest import Corner

PAIR = ("He said it .", "She said it yesterday .")


def regression(tiny: Path, folder: Path) -> Path:
    """A head of width 1, as STS-B's."""
    shutil.copytree(tiny, folder)
    config = transformers.BertConfig.from_pretrained(tiny, num_labels=1, problem_type="regression")
    torch.manual_seed(1)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    app(["predict", *arguments, "--json"], result_action="return_value")
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("texts", [PAIR, PAIR[:1], ("word " * 300, "end")])
def test_what_happens_behind_the_pipeline(
    inside: Corner, tiny: Path, capsys: pytest.CaptureFixture[str], texts: tuple[str, ...]
) -> None:
    found = said(capsys, f"file:{tiny}", *texts, "--explain")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tiny).eval()
    encoded = tokenizer(*texts, return_tensors="pt", truncation=True, max_length=128)
    ids = encoded["input_ids"][0].tolist()
    with torch.no_grad():
        logits = model(**encoded).logits[0]
    assert [row["id"] for row in found["tokens"]] == ids
    assert [row["token"] for row in found["tokens"]] == tokenizer.convert_ids_to_tokens(ids)
    assert [row["segment"] for row in found["tokens"]] == encoded["token_type_ids"][0].tolist()
    assert found["truncated"] == (len(ids) == 128)
    assert [row["label"] for row in found["labels"]] == ["LABEL_0", "LABEL_1"]
    assert [row["logit"] for row in found["labels"]] == pytest.approx(logits.tolist(), abs=1e-5)
    assert [row["probability"] for row in found["labels"]] == pytest.approx(logits.softmax(0).tolist(), abs=1e-5)
    short = said(capsys, f"file:{tiny}", *texts)
    assert short["label"] == found["label"] == f"LABEL_{int(logits.argmax())}"
    assert short["score"] == pytest.approx(found["score"], abs=1e-5)


def test_a_regression_has_a_score_and_no_probability(
    inside: Corner, tiny: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = regression(tiny, tmp_path / "stsb")
    found = said(capsys, f"file:{folder}", *PAIR, "--explain")
    assert set(found["labels"][0]) == {"label", "logit"}
    assert (
        found["score"]
        == found["labels"][0]["logit"]
        == pytest.approx(said(capsys, f"file:{folder}", *PAIR)["score"], abs=1e-5)
    )


def test_explain_as_a_user_sees_it(inside: Corner, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app(["predict", f"file:{tiny}", *PAIR, "--explain"], result_action="return_value")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["[CLS]", "101", "0"] in lines
    assert ["yesterday", "7483", "1"] in lines
    assert ["label", "logit", "probability"] in lines
