"""The packed path computes what transformers computes, and trains as transformers' Trainer trains."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from datasets import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    Trainer,
    TrainingArguments,
)

from tasks.models.checkpoint import load_tokenizer
from tasks.models.dropout import Dropout, drop, drop_and_add
from tasks.models.forward import batches_for, logits_of
from tasks.models.packed import pack, why_plain
from tasks.models.packed_trainer import PackedTrainer
from tasks.models.stream import Row, Rows, stream
from tests.test_training import run

VOCABULARY = 300


def bert(dropout: float = 0.0, **options: Any) -> BertForSequenceClassification:
    """Random weights large enough that every gradient counts."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=64,
        initializer_range=0.2,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        **{"problem_type": "single_label_classification", "num_labels": 3, **options},
    )
    return BertForSequenceClassification(config)


def rows(lengths: Sequence[int], scores: bool = False) -> pa.Table:
    """Token ids below 200 (those above never occur), two token types, labels."""
    draw = np.random.default_rng(3)
    ids = [[2, *draw.integers(5, 200, length - 2).tolist(), 3] for length in lengths]
    kinds = [[int(place > length // 2) for place in range(length)] for length in lengths]
    labels = draw.random(len(ids)).astype(np.float32) if scores else draw.integers(0, 3, len(ids))
    lists = [pa.array(ids, pa.list_(pa.int32())), pa.array(kinds, pa.list_(pa.int8()))]
    return pa.table([*lists, pa.array(labels)], ["input_ids", "token_type_ids", "labels"])


def padded(table: pa.Table) -> dict[str, torch.Tensor]:
    found = table.to_pydict()
    longest = max(map(len, found["input_ids"]))
    grid = {
        name: torch.tensor([ids + [0] * (longest - len(ids)) for ids in found[name]])
        for name in ("input_ids", "token_type_ids")
    }
    lengths = torch.tensor(list(map(len, found["input_ids"])))
    mask = (torch.arange(longest) < lengths[:, None]).long()
    return {**grid, "attention_mask": mask, "labels": torch.tensor(found["labels"])}


@pytest.mark.parametrize(
    ("lengths", "options"),
    [
        ((9, 40, 3, 17, 17, 64, 2, 5, 33, 21, 8, 12, 12, 50, 7, 29, 30, 4, 11), {}),
        ((23,), {}),
        ((12, 30, 7), {"num_labels": 1, "problem_type": "regression"}),
    ],
    ids=["many lengths", "a batch of one", "regression"],
)
def test_logits_loss_and_gradients_are_those_of_transformers(lengths: tuple[int, ...], options: dict[str, Any]) -> None:
    theirs, ours = bert(**options), bert(**options)
    pack(ours, Dropout(seed=1), torch.float32)
    table = rows(lengths, scores=bool(options))
    expected, found = theirs(**padded(table)), ours(**stream(list(Rows(table))))
    expected.loss.backward()
    found.loss.backward()
    assert torch.allclose(found.logits, expected.logits, atol=1e-5)
    assert torch.allclose(found.loss, expected.loss, atol=1e-5)
    for (name, their), (_, our) in zip(theirs.named_parameters(), ours.named_parameters(), strict=True):
        assert torch.allclose(our.grad, their.grad, atol=1e-5), name
        if not name.endswith("key.bias"):  # softmax does not see it
            assert their.grad.abs().max() > 1e-4, f"{name} has a gradient worth comparing"


def test_without_token_types_they_are_zero() -> None:
    theirs, ours = bert(), bert()
    pack(ours, Dropout(seed=1), torch.float32)
    table = rows((6, 14)).drop_columns(["token_type_ids"])
    kinds = table.append_column("token_type_ids", pa.array([[0] * 6, [0] * 14]))
    assert torch.allclose(ours(**stream(list(Rows(table)))).logits, theirs(**padded(kinds)).logits, atol=1e-5)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_it_trains_as_trainer_does(tmp_path: Path, tiny: Path, weight_decay: float) -> None:
    """Weights after three epochs without dropout: clip, AdamW, the small embedding and its tokens that occur now and
    then; the order of the examples, losses and the epochs' metrics."""
    args = TrainingArguments(
        output_dir=str(tmp_path), num_train_epochs=3, per_device_train_batch_size=10, learning_rate=1e-3, use_cpu=True,
        weight_decay=weight_decay, max_grad_norm=0.5, adam_epsilon=1e-4,  # else it makes steps of rounding alone
        logging_steps=1, eval_strategy="epoch", save_strategy="no",
        report_to="none", disable_tqdm=True, remove_unused_columns=False,
    )  # fmt: skip
    draw = np.random.default_rng(5)
    train, validation = rows(draw.integers(3, 40, 64)), rows(draw.integers(3, 40, 20))
    theirs, ours = bert(), bert()
    collate = DataCollatorWithPadding(load_tokenizer(tiny))
    trainer = Trainer(theirs, args, collate, Dataset(train), Dataset(validation))
    packed = PackedTrainer(ours, args, train, validation)
    assert len(ours.get_input_embeddings().weight) == (VOCABULARY if weight_decay else 196)
    start = bert().state_dict()
    for each in (trainer, packed):
        each.train()
    packed.finish()
    for entry, other in zip(trainer.state.log_history, packed.state.log_history, strict=True):
        for name in {"loss", "eval_loss", "grad_norm", "learning_rate"} & set(entry):
            assert other[name] == pytest.approx(entry[name], abs=1e-4), name
    expected, found = theirs.state_dict(), ours.state_dict()
    moved = {name: (expected[name] - start[name]).abs().max().item() for name in expected}
    assert sum(move > 1e-3 for move in moved.values()) > 0.8 * len(moved)
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, atol=1e-5), name
    embedding = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(found[embedding][200:], expected[embedding][200:])


def test_masks_follow_from_seed_process_and_step() -> None:
    like = torch.empty(0)

    def masks(seed: int, rank: int, step: int) -> torch.Tensor:
        dropout = Dropout(seed, rank)
        dropout.begin(step)
        first = dropout.keep((3, 1001), 0.5, like)
        assert not torch.equal(first, dropout.keep((3, 1001), 0.5, like))
        return first

    assert torch.equal(masks(1, 0, 7), masks(1, 0, 7))
    for other in ((2, 0, 7), (1, 1, 7), (1, 0, 8)):
        assert not torch.equal(masks(1, 0, 7), masks(*other))


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5])
def test_dropout_drops_that_share_and_keeps_the_mean(probability: float) -> None:
    dropout = Dropout(seed=4)
    dropout.begin(0)
    mask = dropout.keep((1000, 1000), probability, torch.empty(0))
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert 1 - mask.mean().item() == pytest.approx(probability, abs=2e-3)
    x, residual = torch.ones(1000, 1000, requires_grad=True), torch.ones(1000, 1000, requires_grad=True)
    found = drop_and_add(residual, x, probability, dropout)
    assert found.mean().item() == pytest.approx(2, abs=4e-3)
    found.backward(torch.full_like(found, 3.0))
    assert torch.allclose(x.grad, 3 * (found.detach() - 1)), "what was dropped has no gradient, the rest is scaled"
    assert torch.equal(residual.grad, torch.full_like(residual, 3.0))
    dropout.end()
    assert torch.equal(drop(x, probability, dropout), x)


def test_dropout_is_part_of_training_and_of_nothing_else() -> None:
    model = bert(dropout=0.3)
    dropout = Dropout(seed=1)
    pack(model, dropout, torch.float32)
    batch = stream(list(Rows(rows((9, 20, 5)))))
    calm = model(**batch).logits
    assert torch.equal(model(**batch).logits, calm)
    dropout.begin(0)
    noisy = torch.stack([model(**batch).logits for _ in range(20)])
    assert (noisy[0] - noisy[1]).abs().min() > 0
    assert noisy.std(0).min() > 0.001


def test_a_family_without_the_path_is_trained_by_trainer_as_it_is_and_says_so(tiny: Path, tmp_path: Path) -> None:
    config = DistilBertConfig(vocab_size=30_522, dim=32, n_layers=1, n_heads=2, hidden_dim=64)
    other = tmp_path / "distilbert"
    DistilBertForSequenceClassification(config).save_pretrained(other)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (other / name).write_bytes((tiny / name).read_bytes())
    facts = run(tmp_path / "run", other, epochs=1)
    reason = "no packed path for models of type distilbert"
    for step in ("finetune", "evaluate"):
        assert (facts[step]["path"], facts[step]["why_plain"]) == ("plain", reason)
    best = facts["finetune"]["best"]["f1"]
    assert facts["evaluate"]["metrics"]["f1"] == pytest.approx(best, abs=1e-9)
    assert why_plain(bert()) == ""
    assert why_plain(bert(hidden_act="relu")) == "no packed path for the activation relu"


def test_logits_are_made_in_as_many_threads_as_torch_has_and_are_the_same_in_each() -> None:
    model, table, before = bert().eval(), rows([9, 30, 4, 17, 17, 6, 25, 12, 3, 21]), torch.get_num_threads()
    collate, _ = batches_for(model, pad=0)
    seen: set[int] = set()

    def watched(some: Sequence[Row]) -> dict[str, Any]:
        seen.add(threading.get_ident())
        time.sleep(0.05)  # so that no thread does all
        return collate(some)

    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            seen.clear()
            found.append(logits_of(model, watched, table, batch_size=2))
            assert (len(seen), torch.get_num_threads()) == (threads, threads)
    finally:
        torch.set_num_threads(before)
    with torch.no_grad():
        wanted = model(**stream([Rows(table)[row] for row in range(len(table))])).logits
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)
    np.testing.assert_array_equal(found[0], found[1])
