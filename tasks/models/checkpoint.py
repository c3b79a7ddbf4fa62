"""A checkpoint's folder on local disk: found, checked against its revision, loaded without running anybody's code."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core import hub
from tasks.core.catalog import GlueTask
from tasks.core.errors import WrongRequest
from tasks.core.resolve import resolve_checkpoint
from tasks.core.weights import check_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from tasks.models.head import Head


CONFIGS = ("config.json", "tokenizer_config.json", "generation_config.json", "processor_config.json")
NO_LIMIT = 1_000_000  # transformers' stand-in for "no limit" is 1e30


def checkpoint_folder(location: str, revision: str, cache: Path, needs_weights: bool = True) -> Path:
    """The folder of a pinned checkpoint; raises WrongRequest if its files are no longer those that were pinned."""
    scheme, _, rest = location.partition(":")
    if scheme == "hf":
        repo, _, commit = rest.removeprefix("//").partition("@")
        folder = hub.download(repo, commit, "model", None, cache / "hub")
        check_weights(folder)
    else:
        folder = Path(rest)
        found = resolve_checkpoint(location, needs_weights).revision
        if found != revision:
            raise WrongRequest(f"checkpoint: the files in {folder} changed since they were pinned; run again")
    refuse_code(folder)
    return folder


def refuse_code(folder: Path) -> None:
    """Raise WrongRequest if the folder's configuration asks for code of its own, or for a kernel from the hub, which is
    code too (CVE-2026-4372 was such a key)."""
    for name in CONFIGS:
        path = folder / name
        try:
            found = json.loads(path.read_text()) if path.is_file() else {}
        except (ValueError, RecursionError) as error:
            raise WrongRequest(f"checkpoint: {name} is no JSON: {error}") from None
        for key, value in _members(found):
            foreign = "_implementation" in key and "/" in json.dumps(value)
            if foreign or (key in ("auto_map", "custom_pipelines", "custom_generate", "trust_remote_code") and value):
                raise WrongRequest(
                    f"checkpoint: {name} has {key!r}; a checkpoint that brings its own code is not loaded"
                )


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a JSON value with what it holds, however deep."""
    for key, held in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield str(key), held
        yield from _members(held)


def loaded(auto: str, folder: Path, headless: bool = False) -> "PreTrainedModel":
    """The folder's model by that Auto class of transformers, in evaluation mode. Raises WrongRequest if it brings code,
    is none of the kind, or lacks some of the weights: a head drawn at random says nothing (`headless`: needs none)."""
    import transformers
    from safetensors import SafetensorError

    refuse_code(folder)
    transformers.utils.logging.disable_progress_bar()
    try:
        model, report = getattr(transformers, auto).from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise WrongRequest(f"checkpoint: {folder} does not load as {auto}: {_line(error)}") from error
    if (missing := sorted(report["missing_keys"])) and not headless:
        raise WrongRequest(f"checkpoint: {folder} has no weights of {missing[0]}, which {auto} needs; choose another")
    return model.eval()


def longest_input(model: Any, tokenizer: Any) -> int | None:
    """Tokens that both can read, or None if neither names a limit."""
    limits = (tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None))
    return min((limit for limit in limits if limit and limit < NO_LIMIT), default=None)


def load_tokenizer(folder: Path, fast: bool = True) -> "PreTrainedTokenizerFast":
    """The folder's tokenizer; raises WrongRequest if it has none, or none that is `fast` where it has to be."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=fast, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise WrongRequest(f"checkpoint: {folder} has no tokenizer that loads: {_line(error)}") from error
    if fast and not tokenizer.is_fast:
        raise WrongRequest(f"checkpoint: {folder} has no fast tokenizer; only those are supported")
    return tokenizer


def load_classifier(folder: Path, task: GlueTask, init: str) -> "tuple[PreTrainedModel, Head]":
    """A sequence classifier with the task's head and label names, with the folder's weights or random ones; and what
    became of the folder's own head (`tasks/models/head.py`).

    A regression has a head of width 1 and mean squared error, as in transformers.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from tasks.models.head import align

    labels = task.labels or ("score",)
    head: dict[str, Any] = {
        "num_labels": task.num_labels,
        "id2label": dict(enumerate(labels)),
        "label2id": {name: index for index, name in enumerate(labels)},
        "problem_type": "regression" if task.is_regression else "single_label_classification",
    }
    try:
        if init == "random":
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True, **head)
            return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False), "new"
        own = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            folder,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # a head of another width is replaced by a fresh one
            dtype="float32",
            output_loading_info=True,
            **head,
        )
        drawn = {*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])}
        if any(not name.startswith(f"{model.base_model_prefix}.") for name in drawn):
            return model, "new"  # there was no head, or one of another width
        return model, align(model, [name for _, name in sorted(own.id2label.items())], task)
    except (OSError, ValueError, KeyError) as error:
        raise WrongRequest(f"checkpoint: {folder} does not load as a sequence classifier: {_line(error)}") from error


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
