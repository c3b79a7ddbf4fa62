"""Summarization and translation by an encoder and decoder, which transformers 5 has no pipelines for any more.

    translate(model, tokenizer, ["Ce cours est bon."], {})  ->  [[{"translation_text": "This course is good."}]]

How the model searches (beams, lengths) is what its generation_config.json says; nothing is drawn at random.
"""

from collections.abc import Sequence
from typing import Any

from tasks.core.errors import WrongRequest


def summarize(model: Any, tokenizer: Any, texts: Sequence[str], given: dict[str, Any]) -> list[list[dict[str, str]]]:
    return [[{"summary_text": text}] for text in written(model, tokenizer, texts, given)]


def translate(model: Any, tokenizer: Any, texts: Sequence[str], given: dict[str, Any]) -> list[list[dict[str, str]]]:
    """Translations; `source` and `target` are for a model of many languages, by the codes of its tokenizer."""
    options = {}
    if source := given.get("source"):
        _code("source", source, tokenizer)
        tokenizer.src_lang = source
    if target := given.get("target"):
        options["forced_bos_token_id"] = _code("target", target, tokenizer)
    return [[{"translation_text": text}] for text in written(model, tokenizer, texts, given, **options)]


def written(model: Any, tokenizer: Any, texts: Sequence[str], given: dict[str, Any], **options: Any) -> list[str]:
    """What the model writes for each text, one at a time, so that none depends on its neighbours."""
    import torch

    if length := given.get("max_new_tokens"):
        options["max_new_tokens"] = length
    found = []
    for text in texts:
        inputs = tokenizer(given.get("prefix", "") + text, truncation=True, return_tensors="pt").to(model.device)
        inputs.pop("token_type_ids", None)  # such a model has none
        with torch.inference_mode():
            ids = model.generate(**inputs, do_sample=False, **options)[0]
        found.append(tokenizer.decode(ids, skip_special_tokens=True))
    return found


def _code(option: str, language: str, tokenizer: Any) -> int:
    """The token of a language."""
    number = tokenizer.convert_tokens_to_ids(language)
    if number is None or number == tokenizer.unk_token_id:
        raise WrongRequest.of(option, language, "this model's tokenizer knows no such language")
    return int(number)
