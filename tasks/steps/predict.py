"""Predict: what a registered model says of a text, through transformers' own `pipeline`.

classify(folder, [("The cat sat.", "A cat sat.")])  ->  [{"label": "equivalent", "score": 0.98}]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.models.checkpoint import load_tokenizer, refuse_code


def classify(folder: Path, examples: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
    """Label and score (a probability; for a regression the score itself) of each example of one or two texts."""
    from transformers import AutoModelForSequenceClassification, pipeline
    from transformers.utils import logging

    logging.disable_progress_bar()
    refuse_code(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    predictor = pipeline("text-classification", model=model, tokenizer=load_tokenizer(folder))
    texts = [dict(zip(("text", "text_pair"), example, strict=False)) for example in examples]
    options = {"function_to_apply": "none"} if model.config.problem_type == "regression" else {}
    return [dict(found) for found in predictor(texts, truncation=True, **options)]
