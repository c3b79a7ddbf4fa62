"""Labels in another order: a head is put in order or drawn anew, and a run that a relabelling repairs says so."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from tasks.core.catalog import GLUE, glue_task
from tasks.core.process import Request
from tasks.core.resolve import packaged_folder
from tasks.core.specs import EvaluateSpec
from tasks.data import table
from tasks.models.checkpoint import load_classifier
from tasks.models.relabel import suspicion
from tasks.steps import evaluate
from tasks.steps.encode import encoded_schema

MNLI = glue_task("mnli")
IDS = torch.tensor([[101, 2000, 2001, 102], [101, 2100, 2301, 102]])


def saved(folder: Path, names: list[str]) -> BertForSequenceClassification:
    """A BERT of 1 layer with a random head whose labels have those names."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=30_522, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        id2label=dict(enumerate(names)), label2id={name: at for at, name in enumerate(names)}, initializer_range=0.5,
    )  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    torch.nn.init.normal_(model.classifier.bias)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize(
    "names",
    [
        ["entailment", "neutral", "contradiction"],
        ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"],
        ["neutral", "contradiction", "entailment"],
    ],
)
def test_a_head_with_the_tasks_labels_keeps_what_it_says(tmp_path: Path, names: list[str]) -> None:
    before = saved(tmp_path, names)
    model, head = load_classifier(tmp_path, MNLI, "pretrained")
    assert head == ("kept" if names[0] == "entailment" else "reordered")
    assert model.config.id2label == dict(enumerate(MNLI.labels))
    with torch.no_grad():
        old, new = before(IDS).logits, model.eval()(IDS).logits
    for at, label in enumerate(MNLI.labels):
        there = [name.casefold() for name in names].index(label)
        assert torch.allclose(new[:, at], old[:, there], atol=1e-6)


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("mnli", ["LABEL_0", "LABEL_1", "LABEL_2"]),
        ("mnli", ["entailment", "neutral", "other"]),
        ("rte", ["negative", "positive"]),
        ("stsb", ["LABEL_0"]),
        ("rte", ["entailment", "neutral", "contradiction"]),
    ],
)
def test_a_head_of_other_or_nameless_labels_is_drawn_anew(tmp_path: Path, task: str, names: list[str]) -> None:
    before = saved(tmp_path, names)
    torch.manual_seed(5)
    model, head = load_classifier(tmp_path, GLUE[task], "pretrained")
    torch.manual_seed(5)
    again, _ = load_classifier(tmp_path, GLUE[task], "pretrained")
    assert head == "new"
    assert model.classifier.weight.shape == (GLUE[task].num_labels, 16)
    if before.classifier.weight.shape == model.classifier.weight.shape:
        assert not torch.equal(model.classifier.weight, before.classifier.weight)
        assert not model.classifier.bias.any()
    assert torch.equal(model.classifier.weight, again.classifier.weight)
    assert 0.2 < model.classifier.weight.std() < 0.8  # the library's rule: initializer_range
    assert torch.equal(model.bert.pooler.dense.weight, before.bert.pooler.dense.weight)


def test_a_regression_head_is_kept_by_its_name(tmp_path: Path) -> None:
    before = saved(tmp_path, ["score"])
    model, head = load_classifier(tmp_path, glue_task("stsb"), "pretrained")
    assert head == "kept"
    assert torch.equal(model.classifier.weight, before.classifier.weight)


def answers(rows: int, width: int, right: float, seed: int = 0) -> tuple[Any, Any]:
    """Labels, and predictions of which that share is right."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, width, rows)
    wrong = (labels + draw.integers(1, width, rows)) % width
    return np.where(draw.random(rows) < right, labels, wrong), labels


def test_another_order_is_named_with_what_it_would_repair() -> None:
    predicted, labels = answers(1000, 2, 0.9)
    assert suspicion(glue_task("rte"), predicted, labels) is None
    found = suspicion(glue_task("rte"), 1 - predicted, labels)
    accuracy = (predicted == labels).mean()
    assert found
    assert found.startswith(f"accuracy {1 - accuracy:.3f}; with entailment read as not_entailment and not_entailment")
    assert f"it would be {accuracy:.3f}" in found
    predicted, labels = answers(1000, 3, 0.9)
    assert suspicion(MNLI, predicted, labels) is None
    swapped = suspicion(MNLI, np.array([2, 1, 0])[predicted], labels)
    assert swapped
    assert "entailment read as contradiction and contradiction read as entailment" in swapped
    assert "read as" in (suspicion(MNLI, np.array([1, 2, 0])[predicted], labels) or "")
    scores = np.random.default_rng(0).uniform(0, 5, 200)
    assert "Pearson" in (suspicion(glue_task("stsb"), 5 - scores, scores) or "")
    assert suspicion(glue_task("stsb"), scores, scores) is None
    assert suspicion(glue_task("stsb"), np.ones(200), scores) is None


@pytest.mark.parametrize("task", ["rte", "mnli", "wnli"])
def test_chance_and_weak_models_are_not_suspected(task: str) -> None:
    """WNLI's validation set has 71 rows, and models are known to score 0.35 on it."""
    glue = GLUE[task]
    rows = glue.validation[0].rows if task != "mnli" else 1000
    for seed in range(300):
        predicted, labels = answers(rows, glue.num_labels, 1 / glue.num_labels, seed)
        assert suspicion(glue, predicted, labels) is None
        assert suspicion(glue, np.zeros_like(labels), labels) is None
    predicted, labels = answers(71, 2, 0.35)
    assert suspicion(glue_task("wnli"), predicted, labels) is None


def test_an_evaluation_on_turned_labels_says_so(tmp_path: Path) -> None:
    task = glue_task("rte")
    model = saved(tmp_path / "finetune", list(task.labels))
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (tmp_path / "finetune" / name).write_bytes((packaged_folder() / name).read_bytes())
    ids = [[101, 1000 + 37 * at, 2000 + 11 * at, 102] for at in range(200)]
    with torch.no_grad():
        logits = model(torch.tensor(ids)).logits
        model.classifier.bias[0] -= (logits[:, 0] - logits[:, 1]).quantile(0.5)  # half the answers are each label
        said = model(torch.tensor(ids)).logits.argmax(1).numpy()
    model.save_pretrained(tmp_path / "finetune")
    schema = encoded_schema(task, token_types=False)
    found = {}
    for name, labels in {"straight": said, "turned": 1 - said}.items():
        (tmp_path / name).mkdir()
        (tmp_path / f"out-{name}").mkdir()
        columns = [
            pa.array(column, field.type) for column, field in zip([ids, labels, range(200)], schema, strict=True)
        ]
        for split in ("train", "validation"):
            table.write(tmp_path / name / f"{split}.arrow", schema, [pa.record_batch(columns, schema=schema)])
        inputs = {"encode": str(tmp_path / name), "finetune": str(tmp_path / "finetune")}
        request = Request("evaluate", {}, inputs, {}, str(tmp_path / f"out-{name}"), str(tmp_path), "cpu", 32)
        found[name] = evaluate.run(EvaluateSpec(task="rte", precision="float32"), request)
        assert (
            json.loads((tmp_path / f"out-{name}" / "metrics.json").read_text())["suspicions"]
            == found[name]["suspicions"]
        )
    assert found["straight"]["metrics"]["accuracy"] == 1
    assert found["straight"]["suspicions"] == []
    assert found["turned"]["metrics"]["accuracy"] == 0
    assert found["turned"]["suspicions"][0].startswith("validation: accuracy 0.000; with entailment read as")
    assert pq.read_table(tmp_path / "out-turned" / "validation.parquet")["prediction"].to_pylist() == said.tolist()
