"""When a training is saved, and the saved state as one folder that another machine can go on from.

    model.safetensors, state.safetensors, state.json, trainer_state.json, config.json   after the last step
    best.safetensors                                                                    the best epoch's weights so far

A state is saved every `every` seconds, and never more often than its cost allows: saving and uploading together take
at most that `share` of the time, even if training stood still meanwhile. The first one's cost is guessed from its size.
SIGTERM saves at the next step's end, or after an evaluation that ends soon; one that does not is given up, and what
came since the last state with it. Of several processes the first decides for all.
"""

import json
import math
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tasks.core.errors import Preempted
from tasks.core.progress import Saved, hand_over
from tasks.models import ranks
from tasks.models.trainer import ResumableTrainer

RATE = 40e6  # bytes a second that can at least be saved and uploaded
SOON = 10.0  # seconds that an evaluation may still take once told to end; what is left of PATIENCE is for saving
WEIGHTS, BEST, HISTORY = "model.safetensors", "best.safetensors", "trainer_state.json"


class Saving(TrainerCallback):
    """Saves while training goes on, and when the process is told to end."""

    def __init__(self, trainer: ResumableTrainer, outbox: Path, every: float, share: float) -> None:
        self.trainer, self.outbox, self.every, self.share = trainer, outbox, every, share
        self.told = False  # to end, by a signal
        self.until = math.inf  # an evaluation may go on then
        self.leaving = False  # all of the training's processes do
        self.handed: Path | None = None
        self.last = self.begun = time.monotonic()
        self.cost = state_size(trainer) / RATE  # seconds
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN if ranks.rank() else self._tell)

    def _tell(self, *_: Any) -> None:
        self.told, self.until = True, min(self.until, time.monotonic() + SOON)

    def due(self) -> bool:
        """Whether to save at this step: the time has come, and what was handed over last is on its way no more."""
        now = time.monotonic()
        if self.handed:
            if self.handed.exists():
                return False
            self.cost, self.handed = now - self.begun, None
        return now - self.last >= max(self.every, self.cost / self.share)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.last = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % (state.max_steps // state.num_train_epochs) == 0:
            return  # the epoch's evaluation comes first; a state before it would go on without it
        if self._asked():
            self._begin()
            control.should_save = True

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.trainer.whole = False
        if not control.should_training_stop and self._asked():
            self._begin()

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        (late,) = ranks.first_says(time.monotonic() > self.until)
        if late:
            raise Preempted(f"finetune: told to end in the evaluation after step {state.global_step}; run again")

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        (self.leaving,) = ranks.first_says(self.told)
        if self.leaving:
            self._begin()  # the epoch's save follows

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if control.should_training_stop:
            return  # what remains is to write the result
        if self.trainer.whole and ranks.rank() == 0:
            self.handed = pack(Path(args.output_dir), state, self.outbox)
            self.last = time.monotonic()
            hand_over(Saved(state.global_step, str(self.handed)))
        if self.leaving:
            raise Preempted(f"finetune: told to end at step {state.global_step} of {state.max_steps}; run again")

    def _asked(self) -> bool:
        """Whether to save here."""
        self.leaving, due = ranks.first_says(self.told, self.told or self.due())
        return due

    def _begin(self) -> None:
        self.trainer.whole, self.begun = True, time.monotonic()


def state_size(trainer: ResumableTrainer) -> int:
    """Bytes of a saved state: float32 weights, now and at their best, and two moments of those that are trained."""
    parameters = list(trainer.model.parameters())
    return sum(4 * int(each.numel()) * (4 if each.requires_grad else 2) for each in parameters)


def pack(output_dir: Path, state: TrainerState, outbox: Path) -> Path:
    """The state after the last step and the best weights so far in one new folder, by hard links."""
    latest, folder = output_dir / f"checkpoint-{state.global_step}", outbox / str(state.global_step)
    folder.mkdir(parents=True)
    for file in latest.iterdir():
        if file.suffix in (".safetensors", ".json") and not file.name.startswith("tokenizer"):
            os.link(file, folder / file.name)
    if state.best_model_checkpoint and Path(state.best_model_checkpoint) != latest:
        os.link(Path(state.best_model_checkpoint) / WEIGHTS, folder / BEST)
    return folder


def unpack(folder: Path, output_dir: Path) -> Path:
    """What `pack` made as the checkpoint folders that Trainer knows; returns the one to go on from."""
    history = json.loads((folder / HISTORY).read_text())
    latest = output_dir / f"checkpoint-{history['global_step']}"
    best = output_dir / f"checkpoint-{history['best_global_step']}"
    latest.mkdir(parents=True)
    for file in folder.iterdir():
        if file.name not in (BEST, HISTORY):
            os.link(file, latest / file.name)
    if (folder / BEST).exists():
        best.mkdir()
        os.link(folder / BEST, best / WEIGHTS)
    if history["best_model_checkpoint"]:
        history["best_model_checkpoint"] = str(best)  # paths of another machine mean nothing here
    (latest / HISTORY).write_text(json.dumps(history))
    return latest
