"""`transformers.Trainer` whose checkpoints hold no pickle, and everything that a bit-exact continuation needs.

    checkpoint-240/model.safetensors    the weights
                   trainer_state.json   Trainer's own: step, history, best metric
                   state.safetensors    optimizer moments, torch's random state
                   state.json           parameter groups, schedule, Python's and numpy's random state, the loss so far
                   state-1.safetensors, state-1.json   the random state and loss of a second process, and so on

Trainer's own optimizer.pt, scheduler.pt, rng_state.pth and training_args.bin are pickles, and it drops the losses since
the last log line: a run continued from it logs other numbers than one that was never stopped.
"""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import DataLoaderShard
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from tasks.models import ranks
from tasks.models.packed import loss_of

TENSORS, FIGURES = "state.safetensors", "state.json"


class ResumableTrainer(Trainer):
    """A Trainer that saves and loads its state as safetensors and JSON."""

    whole = True  # whether the next save holds the state; weights alone are enough to remember the best epoch
    _losses: tuple[float, float, int] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if ranks.rank():
            torch.manual_seed(ranks.seed_of(self.args.seed))  # else all would drop out the same places
        self.add_callback(_LossSoFar(self))

    def finish(self) -> None:
        """Once trained, make the model whole again; there is nothing to do where it was trained as it is."""

    def get_train_dataloader(self) -> DataLoaderShard:
        loader = super().get_train_dataloader()
        return loader if ranks.size() == 1 else ranks.share(loader, self._batch_size)

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        found = super().compute_loss(model, inputs, *arguments, **options)
        return found * self._weight() if model.training and ranks.size() > 1 else found

    def evaluation_loop(self, *arguments: Any, **options: Any) -> EvalLoopOutput:
        """Trainer's own gathers predictions and labels from all processes, each row once; its loss has a mean over the
        rows that fill the last batch up, too."""
        found = super().evaluation_loop(*arguments, **options)
        if ranks.size() > 1:
            logits, labels = torch.as_tensor(found.predictions), torch.as_tensor(found.label_ids)
            found.metrics["eval_loss"] = loss_of(self.model, logits.float(), labels).item()
        return found

    @property
    def _batch_size(self) -> int:
        """Rows of a step, in all processes together."""
        return int(self._train_batch_size * ranks.size())

    def _weight(self) -> float:
        """What this process's mean loss counts at this step; the last batch of an epoch may be smaller."""
        rows = len(self.train_dataset)
        before = (self.state.global_step % -(-rows // self._batch_size)) * self._batch_size
        return ranks.weight(min(self._batch_size, rows - before))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        super()._save(output_dir, state_dict)
        for pickled in Path(output_dir or self.args.output_dir).glob("*.bin"):
            pickled.unlink()

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.whole:
            return
        tensors = {"rng.cpu": torch.random.get_rng_state()}
        if torch.cuda.is_available():
            tensors["rng.cuda"] = torch.cuda.random.get_rng_state()
        name, words, *rest = np.random.get_state()
        figures = {
            "python": random.getstate(),
            "numpy": [name, np.asarray(words).tolist(), *rest],
            "losses": [self._tr_loss.item(), self._total_loss_scalar, self._globalstep_last_logged],
        }
        if ranks.rank() == 0:  # what is the same in every process
            optimizer = self.optimizer.state_dict()
            figures |= {"param_groups": optimizer["param_groups"], "scheduler": self.lr_scheduler.state_dict()}
            tensors |= {
                f"optimizer.{parameter}.{name}": tensor.contiguous()
                for parameter, moments in optimizer["state"].items()
                for name, tensor in moments.items()
            }
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        save_file(tensors, Path(output_dir) / own(TENSORS))
        (Path(output_dir) / own(FIGURES)).write_text(json.dumps(figures))
        ranks.wait()  # the state is whole once all have written theirs

    def _save_rng_state(self, output_dir: str) -> None:
        """Saved with the optimizer."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        tensors, figures = load_file(Path(checkpoint) / TENSORS), _figures(checkpoint, FIGURES)
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, parameter, moment = name.split(".")
                state.setdefault(int(parameter), {})[moment] = tensor
        self.optimizer.load_state_dict({"state": state, "param_groups": figures["param_groups"]})
        self.lr_scheduler.load_state_dict(figures["scheduler"])
        self._losses = tuple(_figures(checkpoint, own(FIGURES))["losses"])

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        tensors, figures = load_file(Path(checkpoint) / own(TENSORS)), _figures(checkpoint, own(FIGURES))
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


def own(name: str) -> str:
    """The name of this process's file of that kind; the first one's has no number."""
    stem, _, suffix = name.partition(".")
    return f"{stem}-{ranks.rank()}.{suffix}" if ranks.rank() else name


def _figures(checkpoint: str, name: str) -> dict[str, Any]:
    return dict(json.loads((Path(checkpoint) / name).read_text()))
