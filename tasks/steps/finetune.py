"""Fine-tune: one training by `transformers.Trainer`, from a checkpoint to the weights of its best epoch.

VERSION in tasks/core/plan.py · bit-exact on one kind of CPU, also when continued from a saved state
identity: FinetuneSpec, with the number of devices · not identity: device, threads, when it is saved, trackers

    in   encoded train and validation splits, a checkpoint's folder; perhaps a model to start from instead of its
         weights ("transfer"), perhaps the state of a training that was cut off
    out  config.json, model.safetensors and the tokenizer's files; facts {"best_epoch": 2, "steps": 690, "history": […]}
"""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
    set_seed,
)

from tasks.core.catalog import GlueTask
from tasks.core.errors import GlueflowError, StepFailed
from tasks.core.process import Request
from tasks.core.specs import FinetuneSpec
from tasks.data import table
from tasks.data.definition import task_of
from tasks.models import ranks
from tasks.models.checkpoint import checkpoint_folder, load_classifier, load_tokenizer
from tasks.models.device import device
from tasks.models.metrics import predictions, scores
from tasks.models.packed import why_plain
from tasks.models.packed_trainer import PackedTrainer
from tasks.models.progress import TrainingProgress
from tasks.models.saving import Saving, unpack
from tasks.models.trainer import ResumableTrainer


def run(spec: FinetuneSpec, request: Request) -> dict[str, Any]:
    """Train, keep the best epoch by the task's headline metric, and write it as a `from_pretrained` folder."""
    task = task_of(spec.task, Path(request.inputs["encode"]))
    folder = checkpoint_folder(
        request.sources["checkpoint"], spec.checkpoint, Path(request.cache), spec.init == "pretrained"
    )
    tokenizer = load_tokenizer(folder)
    set_seed(spec.seed)  # before the head is drawn
    start = request.inputs.get("transfer")
    model, head = load_classifier(Path(start) if start else folder, task, "pretrained" if start else spec.init)
    if spec.strategy == "frozen":
        model.base_model.requires_grad_(False)
    encoded = Path(request.inputs["encode"])
    everything = table.read(encoded / "train.arrow")
    chosen = choice(len(everything), spec.max_train_rows)
    train = everything if chosen is None else everything.take(chosen)
    validation = table.read(encoded / f"{task.validation[0].name}.arrow")
    trainer = trainer_for(model, training_arguments(spec, request, task), task, tokenizer, train, validation)
    if spec.early_stopping:
        trainer.add_callback(EarlyStoppingCallback(spec.early_stopping))
    scratch = Path(trainer.args.output_dir)
    trainer.add_callback(Saving(trainer, scratch / "outbox", request.save_every, request.save_share))
    if request.resume and ranks.rank() == 0:
        unpack(Path(request.resume), scratch)
    ranks.wait()
    trainer.train(resume_from_checkpoint=bool(request.resume))
    state = trainer.state
    history = [timeless(entry) for entry in state.log_history if "loss" in entry or "eval_loss" in entry]
    check_losses(history)
    ended = "planned" if state.global_step == state.max_steps else "early stop" if stopped_early(trainer) else ""
    if not ended:
        raise StepFailed(f"finetune: stopped at step {state.global_step} of {state.max_steps}")
    trainer.finish()
    if ranks.rank() == 0:
        save(trainer.model, tokenizer, Path(request.out))
    best = max((entry for entry in history if "eval_loss" in entry), key=lambda entry: entry[f"eval_{task.headline}"])
    return {
        "steps": state.global_step,
        "planned_steps": state.max_steps,
        "ended": ended,
        "resumed_from": trainer._initial_global_step,
        "best_epoch": round(best["epoch"]),
        "best": {name: best[f"eval_{name}"] for name in task.metrics},
        "rows": {"used": len(trainer.train_dataset), "of": len(everything)},
        "head": head,
        "history": history,
        "samples_per_second": round(last(state.log_history, "train_samples_per_second"), 2),
        "device": trainer.args.device.type,
        "devices": ranks.size(),
        "path": "packed" if isinstance(trainer, PackedTrainer) else "plain",
        "why_plain": why_plain(model),
    }


def trainer_for(
    model: PreTrainedModel,
    args: TrainingArguments,
    task: GlueTask,
    tokenizer: Any,
    train: pa.Table,
    validation: pa.Table,
) -> ResumableTrainer:
    """The packed path if the model's family has it, else Trainer as it is. Which one follows from the checkpoint."""
    options = {
        "processing_class": tokenizer,
        "compute_metrics": lambda outputs: compute_metrics(task, outputs),
        "callbacks": [TrainingProgress()],
    }
    if not why_plain(model):
        args.remove_unused_columns = False  # batches hold what no signature names
        return PackedTrainer(model, args, train, validation, **options)
    collate = DataCollatorWithPadding(tokenizer)
    splits = {"train_dataset": Dataset(train), "eval_dataset": Dataset(validation)}
    return ResumableTrainer(model, args, collate, **splits, **options)


def training_arguments(spec: FinetuneSpec, request: Request, task: GlueTask) -> TrainingArguments:
    """The spec in the words of `TrainingArguments`."""
    return TrainingArguments(
        output_dir=output_dir(spec.devices),
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.batch_size // spec.devices,
        per_device_eval_batch_size=request.eval_batch_size,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.lr_scheduler,
        warmup_steps=spec.warmup,
        weight_decay=spec.weight_decay,
        optim="adamw_torch_fused",
        seed=spec.seed,
        data_seed=spec.seed,
        bf16=spec.precision == "bfloat16",
        use_cpu=device(request.device) == "cpu",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{task.headline}",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=10,
        report_to=list(request.report_to) or "none",
        run_name=request.run_name or None,
        project="glueflow",  # trackio's word for what the others are told by their environment
        disable_tqdm=True,
        average_tokens_across_devices=False,  # a share's loss is its mean: tasks/models/ranks.py
        dataloader_pin_memory=False,
        restore_callback_states_from_checkpoint=True,  # how long the metric has not improved
    )


def output_dir(devices: int) -> str:
    """Inside the request's folder, which goes with it; the same one for all processes of the training."""
    return tempfile.mkdtemp() if devices == 1 else f"{tempfile.gettempdir()}/training"


def choice(rows: int, wanted: int) -> list[int] | None:
    """Which rows are trained on, in file order, if not all are: the same ones for every seed of the training."""
    if not 0 < wanted < rows:
        return None
    return sorted(np.random.default_rng(0).choice(rows, wanted, replace=False).tolist())


def compute_metrics(task: GlueTask, outputs: EvalPrediction) -> dict[str, float]:
    logits = np.asarray(outputs.predictions)
    return scores(task, predictions(task, logits), np.asarray(outputs.label_ids))


def check_losses(history: list[dict[str, float]]) -> None:
    """Raise if the loss left the numbers: such weights are worth nothing, whatever the metric says."""
    for entry in history:
        loss = entry.get("loss", entry.get("eval_loss", 0.0))
        if not math.isfinite(loss):
            raise GlueflowError(f"finetune: the loss is {loss} at step {entry.get('step')}; lower learning_rate")


def save(model: PreTrainedModel, tokenizer: Any, out: Path) -> None:
    """A plain `from_pretrained` folder without a trace of the machine."""
    model.config._name_or_path = ""
    for trace in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(trace, None)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def stopped_early(trainer: Trainer) -> bool:
    """Whether the declared patience ran out."""
    found = (each for each in trainer.callback_handler.callbacks if isinstance(each, EarlyStoppingCallback))
    return any(each.early_stopping_patience_counter >= each.early_stopping_patience for each in found)


def timeless(entry: dict[str, float]) -> dict[str, float]:
    """A log entry without how long things took: what is left is the same whenever and wherever it is written."""
    return {name: figure for name, figure in entry.items() if not name.endswith(("_runtime", "_per_second"))}


def last(history: list[dict[str, float]], name: str) -> float:
    return next(entry[name] for entry in reversed(history) if name in entry)
