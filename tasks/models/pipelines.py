"""transformers' text pipelines by name, and the three that transformers 5 dropped, by one call.

    ask("fill-mask", folder, ["Paris is the [MASK] of France."], Options(top_k=1))
      ->  [[{"score": 0.41, "token": 3007, "token_str": "capital", "sequence": "paris is the capital of france."}]]

One list of findings a text, in the library's own words. Question answering is in spans.py, summarization and
translation in seq2seq.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.core.errors import WrongRequest
from tasks.core.specs import Frozen
from tasks.models import seq2seq, spans
from tasks.models.checkpoint import load_tokenizer, loaded, longest_input

TABLES = "table-question-answering"
ALIASES = {"sentiment-analysis": "text-classification", "ner": "token-classification"}


class Options(Frozen):
    """What may be said beside the texts; each pipeline knows some of it."""

    labels: Annotated[tuple[str, ...], Field(description="candidates of zero-shot-classification")] = ()
    template: Annotated[str | None, Field(description='its hypothesis, with {} for the label: "It is about {}."')] = (
        None
    )
    multi_label: Annotated[bool, Field(description="judge each candidate on its own")] = False
    question: Annotated[str | None, Field(description="what question-answering looks for in the texts")] = None
    table: Annotated[str | None, Field(description="a CSV file that table-question-answering looks into")] = None
    top_k: Annotated[int | None, Field(ge=1, le=1000, description="how many findings a text")] = None
    aggregation: Annotated[
        Literal["none", "simple", "first", "average", "max"] | None,
        Field(description="how token-classification joins tokens to entities"),
    ] = None
    max_new_tokens: Annotated[int | None, Field(ge=1, le=4096, description="tokens to write at most")] = None
    prefix: Annotated[str | None, Field(description='before each text, as T5 wants it: "summarize: "')] = None
    source: Annotated[str | None, Field(description="language of the text, by the tokenizer's code")] = None
    target: Annotated[str | None, Field(description="language to translate into, by the tokenizer's code")] = None

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_defaults=True)


Work = Callable[[Any, Any, Sequence[str], dict[str, Any]], list[Any]]


@dataclass(frozen=True)
class Kind:
    """One pipeline: the Auto class of its model, the options that it knows and needs, how it is done."""

    auto: str
    knows: tuple[str, ...]
    needs: tuple[str, ...] = ()
    work: Work | None = None  # None: the library's own pipeline of that name


PIPELINES: dict[str, Kind] = {
    "text-classification": Kind("AutoModelForSequenceClassification", ("top_k",)),
    "feature-extraction": Kind("AutoModel", ()),
    "zero-shot-classification": Kind(
        "AutoModelForSequenceClassification", ("labels", "template", "multi_label"), ("labels",)
    ),
    "fill-mask": Kind("AutoModelForMaskedLM", ("top_k",)),
    "token-classification": Kind("AutoModelForTokenClassification", ("aggregation",)),
    TABLES: Kind("AutoModelForTableQuestionAnswering", ("table",), ("table",)),
    "text-generation": Kind("AutoModelForCausalLM", ("max_new_tokens",)),
    "question-answering": Kind("AutoModelForQuestionAnswering", ("question", "top_k"), ("question",), spans.answer),
    "summarization": Kind("AutoModelForSeq2SeqLM", ("max_new_tokens", "prefix"), (), seq2seq.summarize),
    "translation": Kind(
        "AutoModelForSeq2SeqLM", ("max_new_tokens", "prefix", "source", "target"), (), seq2seq.translate
    ),
}
NAMES = (*PIPELINES, *ALIASES)
WORDS = {"labels": "candidate_labels", "template": "hypothesis_template", "aggregation": "aggregation_strategy"}


def kind_of(task: str, options: Options) -> Kind:
    """The pipeline of that name; raises WrongRequest for another name, or options that it lacks or does not know."""
    name = ALIASES.get(task, task)
    if name not in PIPELINES:
        raise WrongRequest.of("task", task, f"choose one of {', '.join(NAMES)}")
    kind = PIPELINES[name]
    for option, value in options.given().items():
        if option not in kind.knows:
            raise WrongRequest.of(option, value, f"{task} takes {', '.join(kind.knows) or 'no options'}")
    for option in kind.needs:
        if option not in options.given():
            raise WrongRequest(f"{option}: is missing; {task} needs it")
    return kind


def ask(task: str, folder: Path, texts: Sequence[str], options: Options, device: str = "cpu") -> list[list[Any]]:
    """What the model in the folder finds in each text; raises WrongRequest if it is no model of that kind."""
    kind, name = kind_of(task, options), ALIASES.get(task, task)
    model = loaded(kind.auto, folder, headless=kind.auto == "AutoModel")
    tokenizer = load_tokenizer(folder, fast=name != TABLES)  # TAPAS has no fast one
    tokenizer.model_max_length = longest_input(model, tokenizer) or tokenizer.model_max_length
    work = kind.work or _library(name, device)
    try:
        found = work(model.to(device), tokenizer, texts, options.given())
    except (ValueError, _exception()) as error:
        raise WrongRequest(f"{task}: {' '.join(str(error).split())}") from error
    return [_listed(one) for one in found]


def _library(name: str, device: str) -> Work:
    """The library's pipeline of that name."""

    def work(model: Any, tokenizer: Any, texts: Sequence[str], given: dict[str, Any]) -> list[Any]:
        from transformers import pipeline

        run, words = pipeline(name, model=model, tokenizer=tokenizer, device=device), _words(name, model, given)
        if name == TABLES:
            return [run(query=text, **words) for text in texts]
        return [run(text, **words) for text in texts]  # one at a time: a list of one comes back unwrapped

    return work


def _words(name: str, model: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The options in the library's words, with what makes the answer the same each time and no text too long."""
    words = {WORDS.get(option, option): value for option, value in given.items()}
    if name == "zero-shot-classification":
        _check_entailment(model.config)
        return words | {"candidate_labels": list(given["labels"])}
    if name == "text-generation":
        return {"max_new_tokens": 20, **words, "do_sample": False}
    if name == "fill-mask":
        return words | {"tokenizer_kwargs": {"truncation": True}}
    if name == TABLES:
        return {"table": _table(given["table"]), "truncation": True}
    return words | ({} if name == "token-classification" else {"truncation": True})


def _table(path: str) -> Any:
    """The table, every cell as text, as the pipeline wants it."""
    import pandas as pd

    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise WrongRequest.of("table", path, f"it is no CSV file that can be read: {error}") from None


def _check_entailment(config: Any) -> None:
    """The library takes the last label for entailment where none has that name; a model of something else then answers
    as if it had understood."""
    labels = config.id2label.values()
    if not any(label.lower().startswith("entail") for label in labels):
        raise WrongRequest(
            f"model: its labels are {', '.join(labels)}; zero-shot-classification needs one for entailment, as MNLI has"
        )
    config.label2id = config.label2id or {label: index for index, label in config.id2label.items()}


def _listed(found: Any) -> list[Any]:
    """A text's findings as one list of plain values, however the pipeline nests them."""
    while isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    return [_plain(one) for one in ([found] if isinstance(found, dict) else found)]


def _plain(value: Any) -> Any:
    """Numpy's numbers, of which token-classification gives some, as Python's."""
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    return value.item() if hasattr(value, "item") else value


def _exception() -> type[Exception]:
    """What a pipeline raises for a text that it cannot use, such as one without a mask."""
    from transformers.pipelines.base import PipelineException

    return PipelineException  # type: ignore[no-any-return]  # transformers has no type for it
