"""What a sequence classifier says of texts, through transformers' own `pipeline`, and what happens behind it.

classify(folder, [("The cat sat.", "A cat sat.")])  ->  [{"label": "equivalent", "score": 0.98}]
explain(folder, ("The cat sat.", "A cat sat."))     ->  {"tokens": [{"token": "[CLS]", "id": 101, "segment": 0}, …],
                                                        "labels": [{"label": …, "logit": …, "probability": …}, …], …}
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.models.checkpoint import load_tokenizer, loaded, longest_input


def classify(folder: Path, examples: Sequence[tuple[str, ...]], device: str = "cpu") -> list[dict[str, Any]]:
    """Label and score (a probability; for a regression the score itself) of each example of one or two texts."""
    from transformers import pipeline

    model, tokenizer = loaded("AutoModelForSequenceClassification", folder), load_tokenizer(folder)
    predictor = pipeline("text-classification", model=model, tokenizer=tokenizer, device=device)
    texts = [dict(zip(("text", "text_pair"), example, strict=False)) for example in examples]
    options = {"truncation": True, "max_length": longest_input(model, tokenizer)}
    return [dict(found) for found in predictor(texts, **options)]


def explain(folder: Path, example: tuple[str, ...], device: str = "cpu") -> dict[str, Any]:
    """The stages of the pipeline for one example: tokens and ids, logits, probabilities (none of a regression)."""
    import torch

    model, tokenizer = loaded("AutoModelForSequenceClassification", folder).to(device), load_tokenizer(folder)
    limit = longest_input(model, tokenizer)
    encoded = tokenizer(*example, truncation=True, max_length=limit, return_tensors="pt").to(device)
    with torch.inference_mode():
        logits = model(**encoded).logits[0].float()
    ids = encoded["input_ids"][0].tolist()
    segments = encoded.get("token_type_ids", torch.zeros_like(encoded["input_ids"]))[0].tolist()
    labels = [{"label": name, "logit": logit} for name, logit in zip(names(model), logits.tolist(), strict=True)]
    shares = probabilities(model, logits)
    for label, share in zip(labels, [] if shares is None else shares.tolist(), strict=False):
        label["probability"] = share
    best = labels[int(logits.argmax())]
    return {
        "label": best["label"],
        "score": best.get("probability", best["logit"]),
        "tokens": [
            {"token": token, "id": number, "segment": segment}
            for token, number, segment in zip(tokenizer.convert_ids_to_tokens(ids), ids, segments, strict=True)
        ],
        "truncated": len(tokenizer(*example)["input_ids"]) > len(ids),
        "labels": labels,
    }


def names(model: Any) -> list[str]:
    """The labels in the order of the head's outputs."""
    return [model.config.id2label[index] for index in range(model.config.num_labels)]


def probabilities(model: Any, logits: Any) -> Any:
    """Probabilities of logits `(…, labels)`, by the head's kind as in transformers' pipeline; None of a regression."""
    kind, width = model.config.problem_type, model.config.num_labels
    if kind == "regression":
        return None
    return logits.sigmoid() if kind == "multi_label_classification" or width == 1 else logits.softmax(-1)
