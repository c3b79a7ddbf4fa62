"""Training's progress as the house reports it: steps done, the latest loss, at most a few lines a second."""

import time
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tasks.core.progress import Progress, report

PAUSE = 0.5  # seconds between two reports


class TrainingProgress(TrainerCallback):
    """Reports steps while training and batches while evaluating."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.last = 0.0

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any
    ) -> None:
        self.figures |= {
            name.removeprefix("eval_"): round(figure, 4)
            for name, figure in logs.items()
            if name == "loss" or (name.startswith("eval_") and not name.endswith(("_second", "runtime")))
        }

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        now = time.monotonic()
        if now - self.last > PAUSE or state.global_step == state.max_steps:
            self.last = now
            report(Progress("train", state.global_step, state.max_steps, "steps", self.figures))
