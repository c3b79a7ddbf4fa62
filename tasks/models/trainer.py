"""`transformers.Trainer` whose checkpoints hold no pickle, and everything that a bit-exact continuation needs.

    checkpoint-240/model.safetensors    the weights
                   trainer_state.json   Trainer's own: step, history, best metric
                   state.safetensors    optimizer moments, torch's random state
                   state.json           parameter groups, schedule, Python's and numpy's random state, the loss so far

Trainer's own optimizer.pt, scheduler.pt, rng_state.pth and training_args.bin are pickles, and it drops the losses since
the last log line: a run continued from it logs other numbers than one that was never stopped.
"""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

TENSORS, FIGURES = "state.safetensors", "state.json"


class ResumableTrainer(Trainer):
    """A Trainer that saves and loads its state as safetensors and JSON."""

    whole = True  # whether the next save holds the state; weights alone are enough to remember the best epoch
    _losses: tuple[float, float, int] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.add_callback(_LossSoFar(self))

    def finish(self) -> None:
        """Once trained, make the model whole again; there is nothing to do where it was trained as it is."""

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        super()._save(output_dir, state_dict)
        for pickled in Path(output_dir or self.args.output_dir).glob("*.bin"):
            pickled.unlink()

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.whole:
            optimizer = self.optimizer.state_dict()
            tensors = {
                f"optimizer.{parameter}.{name}": tensor.contiguous()
                for parameter, moments in optimizer["state"].items()
                for name, tensor in moments.items()
            }
            tensors["rng.cpu"] = torch.random.get_rng_state()
            if torch.cuda.is_available():
                tensors["rng.cuda"] = torch.cuda.random.get_rng_state()
            name, words, *rest = np.random.get_state()
            figures = {
                "param_groups": optimizer["param_groups"],
                "scheduler": self.lr_scheduler.state_dict(),
                "python": random.getstate(),
                "numpy": [name, np.asarray(words).tolist(), *rest],
                "losses": [self._tr_loss.item(), self._total_loss_scalar, self._globalstep_last_logged],
            }
            save_file(tensors, Path(output_dir) / TENSORS)
            (Path(output_dir) / FIGURES).write_text(json.dumps(figures))

    def _save_rng_state(self, output_dir: str) -> None:
        """Saved with the optimizer."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        tensors, figures = load_file(Path(checkpoint) / TENSORS), _figures(checkpoint)
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, parameter, moment = name.split(".")
                state.setdefault(int(parameter), {})[moment] = tensor
        self.optimizer.load_state_dict({"state": state, "param_groups": figures["param_groups"]})
        self.lr_scheduler.load_state_dict(figures["scheduler"])
        self._losses = tuple(figures["losses"])

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        tensors, figures = load_file(Path(checkpoint) / TENSORS), _figures(checkpoint)
        version, words, gauss = figures["python"]
        random.setstate((version, tuple(words), gauss))
        np.random.set_state(tuple(figures["numpy"]))
        torch.random.set_rng_state(tensors["rng.cpu"])
        if "rng.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.random.set_rng_state(tensors["rng.cuda"])


class _LossSoFar(TrainerCallback):
    """Puts back the losses since the last log line, which `train()` sets to zero when it begins."""

    def __init__(self, trainer: ResumableTrainer) -> None:
        self.trainer = trainer

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.trainer._losses:
            loss, total, logged = self.trainer._losses
            self.trainer._tr_loss = torch.tensor(loss, device=args.device)
            self.trainer._total_loss_scalar, self.trainer._globalstep_last_logged = total, logged


def _figures(checkpoint: str) -> dict[str, Any]:
    return dict(json.loads((Path(checkpoint) / FIGURES).read_text()))
