"""Fetch to evaluate in this process, with a tiny model: the ways to load and to train it, and what comes out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tasks.core.catalog import glue_task
from tasks.core.errors import GlueflowError, StepFailed
from tasks.core.files import content_digest, entries
from tasks.core.plan import Plan, plan
from tasks.core.process import Request
from tasks.core.progress import Progress, listening
from tasks.core.specs import EvaluateSpec, GlueRun, Training
from tasks.data import table
from tasks.models.metrics import predictions, scores
from tasks.steps import encode, evaluate, fetch, finetune

STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "fetch": fetch.run,
    "encode": encode.run,
    "finetune": finetune.run,
    "evaluate": evaluate.run,
}


def run(folder: Path, checkpoint: Path, task: str = "mrpc", rows: int = 48, **options: Any) -> dict[str, Any]:
    """Facts of each step; its files are in `folder`/<step>."""
    seed = options.pop("seed", 1)
    training = Training(**{"epochs": 2, "learning_rate": 1e-3, "precision": "float32", **options})
    asked = GlueRun(task=task, data=f"sample:{rows}", checkpoint=f"file:{checkpoint}", seed=seed, training=training)
    return run_plan(plan(asked), folder)


def run_plan(planned: Plan, folder: Path) -> dict[str, Any]:
    facts = {}
    for step in planned.steps[:4]:
        out = folder / step.step
        out.mkdir(parents=True)
        inputs = {name: str(folder / name) for name in step.inputs}
        request = Request(step.step, {}, inputs, step.sources, str(out), str(folder / "cache"), "cpu", 16)
        facts[step.step] = STEPS[step.step](step.spec, request)
    return facts


def encoder(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value for name, value in load_file(folder / "model.safetensors").items() if name.startswith("bert.")}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def full(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("full")
    return folder, run(folder, tiny)


def test_the_folder_is_plain_and_loads_with_its_labels(full: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = full
    names = {path.name for path in (folder / "finetune").iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    model = AutoModelForSequenceClassification.from_pretrained(folder / "finetune")
    assert model.config.id2label == {0: "not_equivalent", 1: "equivalent"}
    assert AutoTokenizer.from_pretrained(folder / "finetune")("a", "b")["input_ids"]
    assert str(folder) not in "".join(path.read_text() for path in (folder / "finetune").glob("*.json"))


def test_the_best_epoch_by_the_headline_metric_is_what_is_kept(full: tuple[Path, dict[str, Any]]) -> None:
    _, facts = full
    epochs = [entry for entry in facts["finetune"]["history"] if "eval_f1" in entry]
    assert [round(entry["epoch"]) for entry in epochs] == [1, 2]
    best = max(entry["eval_f1"] for entry in epochs)
    assert facts["finetune"]["best"]["f1"] == best
    assert facts["evaluate"]["metrics"]["f1"] == pytest.approx(best, abs=1e-9)
    assert facts["finetune"]["steps"] == 2 * 3


def test_predictions_logits_and_metrics_agree(full: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = full
    rows = pq.read_table(folder / "evaluate" / "validation.parquet")
    logits = np.array(rows["logits"].to_pylist(), np.float32)
    assert logits.shape == (16, 2)
    task = glue_task("mrpc")
    assert rows["prediction"].to_pylist() == predictions(task, logits).tolist()
    assert facts["evaluate"]["metrics"] == scores(task, rows["prediction"].to_numpy(), rows["label"].to_numpy())
    written = json.loads((folder / "evaluate" / "metrics.json").read_text())
    assert written == {name: facts["evaluate"][name] for name in written}
    assert written["examples"] == {"validation": 16}
    assert written["majority"].keys() == written["intervals"].keys() == written["metrics"].keys() == {"f1", "accuracy"}


def test_logits_are_those_of_each_row_alone(full: tuple[Path, dict[str, Any]]) -> None:
    """Neither sorting by length nor padding changes what the model says of a row, or where it stands."""
    folder, _ = full
    model = AutoModelForSequenceClassification.from_pretrained(folder / "finetune").eval()
    encoded = table.read(folder / "encode" / "validation.arrow").to_pylist()
    found = pq.read_table(folder / "evaluate" / "validation.parquet").to_pylist()
    assert len({len(row["input_ids"]) for row in encoded}) > 3
    for row, saved in zip(encoded, found, strict=True):
        inputs = {name: torch.tensor([row[name]]).long() for name in ("input_ids", "token_type_ids")}
        with torch.no_grad():
            alone = model(**inputs).logits[0].numpy()
        assert saved["idx"] == row["idx"]
        assert saved["logits"] == pytest.approx(alone.tolist(), abs=1e-5)


def test_it_is_evaluated_in_the_precision_of_its_training(
    full: tuple[Path, dict[str, Any]], tiny: Path, tmp_path: Path
) -> None:
    """In bfloat16 the logits are near those of float32, and the score is the one by which its epoch was chosen."""
    exact = pq.read_table(full[0] / "evaluate" / "validation.parquet")["logits"].to_pylist()
    inputs = {name: str(full[0] / name) for name in ("encode", "finetune")}
    request = Request("evaluate", {}, inputs, {}, str(tmp_path), str(tmp_path), "cpu", 16)
    evaluate.run(EvaluateSpec(task="mrpc", precision="bfloat16"), request)
    found = pq.read_table(tmp_path / "validation.parquet")["logits"].to_pylist()
    assert found != exact
    assert np.allclose(found, exact, atol=0.02)
    facts = run(tmp_path / "narrow", tiny, precision="bfloat16")
    assert facts["evaluate"]["metrics"] == pytest.approx(facts["finetune"]["best"], abs=0.03)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    full: tuple[Path, dict[str, Any]], tiny: Path, tmp_path: Path
) -> None:
    folder, facts = full
    again = run(tmp_path / "again", tiny)
    other = run(tmp_path / "other", tiny, seed=2)

    def digest(where: Path) -> str:
        return content_digest(entries(where / "finetune"))

    assert digest(tmp_path / "again") == digest(folder)
    assert content_digest(entries(tmp_path / "again" / "evaluate")) == content_digest(entries(folder / "evaluate"))
    assert again["evaluate"]["metrics"] == facts["evaluate"]["metrics"]
    assert digest(tmp_path / "other") != digest(folder)
    assert other["finetune"]["history"] != facts["finetune"]["history"]


def test_full_fine_tuning_moves_the_encoder_and_frozen_does_not(
    full: tuple[Path, dict[str, Any]], tiny: Path, tmp_path: Path
) -> None:
    run(tmp_path, tiny, strategy="frozen")
    assert same(encoder(tmp_path / "finetune"), encoder(tiny))
    assert not same(encoder(full[0] / "finetune"), encoder(tiny))
    heads = [load_file(folder / "model.safetensors")["classifier.weight"] for folder in (tmp_path / "finetune", tiny)]
    assert not torch.equal(*heads)


def test_a_random_start_takes_nothing_but_the_config_from_the_checkpoint(tiny: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in tiny.iterdir():
        if path.suffix != ".safetensors":
            (bare / path.name).write_bytes(path.read_bytes())
    options = {"init": "random", "learning_rate": 1e-9}
    run(tmp_path / "one", bare, **options)
    run(tmp_path / "two", bare, seed=2, **options)
    one, two = encoder(tmp_path / "one" / "finetune"), encoder(tmp_path / "two" / "finetune")
    assert one.keys() == encoder(tiny).keys()
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert not torch.allclose(one[name], encoder(tiny)[name], atol=1e-4)
    assert not torch.allclose(one[name], two[name], atol=1e-4)


def test_a_regression_has_one_output_and_correlations(tiny: Path, tmp_path: Path) -> None:
    facts = run(tmp_path, tiny, task="stsb")
    assert set(facts["evaluate"]["metrics"]) == {"pearson", "spearmanr"}
    config = json.loads((tmp_path / "finetune" / "config.json").read_text())
    assert config["problem_type"] == "regression"
    assert config["id2label"] == {"0": "score"}
    rows = pq.read_table(tmp_path / "evaluate" / "validation.parquet").to_pylist()
    assert all(row["logits"] == [row["prediction"]] for row in rows)


def test_mnli_is_scored_on_both_of_its_splits(tiny: Path, tmp_path: Path) -> None:
    facts = run(tmp_path, tiny, task="mnli")
    assert set(facts["evaluate"]["metrics"]) == {"accuracy", "accuracy_mismatched"}
    assert set(facts["evaluate"]["intervals"]) == {"accuracy", "accuracy_mismatched"}
    assert set(facts["evaluate"]["examples"]) == {"validation_matched", "validation_mismatched"}
    names = {path.name for path in (tmp_path / "evaluate").iterdir()}
    assert names == {"validation_matched.parquet", "validation_mismatched.parquet", "metrics.json"}


def test_bfloat16_trains_and_keeps_float32_weights(tiny: Path, tmp_path: Path) -> None:
    run(tmp_path, tiny, precision="bfloat16")
    assert {value.dtype for value in load_file(tmp_path / "finetune" / "model.safetensors").values()} == {torch.float32}


def test_a_head_of_another_width_is_replaced(full: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run(tmp_path, full[0] / "finetune", task="mnli", epochs=1)
    config = json.loads((tmp_path / "finetune" / "config.json").read_text())
    assert list(config["id2label"].values()) == ["entailment", "neutral", "contradiction"]


def test_progress_is_reported_to_its_last_step(tiny: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    with listening(seen.append):
        run(tmp_path, tiny, epochs=1)
    last = {event.what: event for event in seen}
    assert {"fetch train", "tokenize train", "train", "evaluate validation"} <= set(last)
    for what in ("tokenize train", "train", "evaluate validation"):
        assert last[what].done == last[what].total > 0


def test_a_training_that_stopped_early_is_no_result(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    train = Trainer.train

    def stop(self: Trainer, **_: Any) -> Any:
        self.args.max_steps = 2  # ends as if all were well
        found = train(self)
        self.state.max_steps = 6
        return found

    monkeypatch.setattr(Trainer, "train", stop)
    with pytest.raises(StepFailed, match="stopped at step 2 of 6"):
        run(tmp_path, tiny)
    assert list((tmp_path / "finetune").iterdir()) == []


def test_a_loss_that_is_no_number_is_refused() -> None:
    with pytest.raises(GlueflowError, match="the loss is nan at step 10; lower learning_rate"):
        finetune.check_losses([{"loss": 0.7, "step": 5}, {"loss": float("nan"), "step": 10}])


def test_data_that_changed_after_it_was_pinned_is_refused(tiny: Path, tmp_path: Path) -> None:
    source = tmp_path / "glue" / "MRPC"
    source.mkdir(parents=True)
    header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
    for stem in ("train", "dev"):
        (source / f"{stem}.tsv").write_text(header + "1\t1\t2\ta\tb\n")
    (source / "test.tsv").write_text("index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\ta\tb\n")
    planned = plan(GlueRun(data=f"file:{source.parent}", checkpoint=f"file:{tiny}"))
    (source / "dev.tsv").write_text(header + "0\t1\t2\ta\tb\n")
    with pytest.raises(GlueflowError, match="changed since"):
        run_plan(planned, tmp_path / "out")
