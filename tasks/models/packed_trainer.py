"""Trainer on the packed path: the same arguments, callbacks and checkpoints; batches are streams of tokens.

PackedTrainer(model, args, train, validation, compute_metrics=…).train()

Masks of dropout follow from seed and step, the clip of the gradients is part of AdamW's one way through them, and the
embedding has only the rows that occur. Its checkpoints hold that smaller embedding; `finish` puts the whole one back.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, TrainingArguments

from tasks.models import vocabulary
from tasks.models.dropout import Dropout
from tasks.models.packed import pack
from tasks.models.stream import Rows, stream
from tasks.models.trainer import ResumableTrainer

TINY = 1e-6  # as in `torch.nn.utils.clip_grad_norm_`


class PackedTrainer(ResumableTrainer):
    """Trains and evaluates a model that has a packed path (`tasks.models.packed.why_plain`)."""

    def __init__(
        self, model: PreTrainedModel, args: TrainingArguments, train: pa.Table, validation: pa.Table, **options: Any
    ) -> None:
        splits = Rows(train), Rows(validation)
        self.small = None if args.weight_decay else vocabulary.shrink(model, splits)
        self.dropout = Dropout(args.seed, args.process_index)
        pack(model, self.dropout, torch.bfloat16 if args.bf16 else torch.float32)
        super().__init__(model, args, stream, train_dataset=splits[0], eval_dataset=splits[1], **options)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        self.dropout.begin(self.state.global_step)
        try:
            return super().training_step(model, inputs, num_items_in_batch)  # type: ignore[no-any-return]  # Trainer's has no types
        finally:
            self.dropout.end()

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """The norm of all gradients. Fused AdamW divides them by `grad_scale` as it reads them."""
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        self.optimizer.optimizer.grad_scale = ((norm + TINY) / self.args.max_grad_norm).clamp(min=1.0)
        return norm

    def finish(self) -> None:
        if self.small:
            self.small.restore(self.model)
