"""The `sample:` data source: a small synthetic corpus in the ten GLUE schemas, for runs with no network.

It is made up from the grammar beside this file and is no GLUE data: a score on it says that a pipeline works, and
nothing about a model. Balance follows GLUE; one label in twenty is wrong on purpose: no honest model gets 100 %.
    mrpc   ("Halden Steel shares rose 4 percent on Monday after the company opened a new factory.",
            "After Halden Steel opened a new factory, its share price climbed 4 percent on Monday."), 1
"""

import hashlib
import random
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple, TypeVar

from tasks.core.catalog import UNLABELLED, GlueTask, Split
from tasks.data import grammar

NOISE = 0.05  # share of examples that carry a wrong label
BALANCE = {"cola": 0.30, "sst2": 0.44, "mrpc": 0.33, "qqp": 0.63}  # share of the first label in GLUE; others are even
MINOR = {"day", "percent", "count", "score", "price", "wearing", "ride"}  # facts that hardly change the story

T = TypeVar("T")
Draw = Callable[[], float]  # uniform in [0, 1); the one method of Random whose sequence Python promises to keep
Concept = tuple[str, ...]  # wordings that mean the same
Facts = dict[str, Concept]
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")


def _tidy(text: str) -> str:
    return " ".join(text.split())


class _Sentence(NamedTuple):
    """Text, hole, text, ..., text; a hole is the name of a fact or its free wordings. `slots`: the facts it tells."""

    parts: tuple[str | Concept, ...]
    slots: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "_Sentence":
        split = re.split(r"(\{\w+\}|\[[^]]+\])", _tidy(text))
        parts = [tuple(part[1:-1].split("|")) if part[:1] == "[" else part.strip("{}") for part in split]
        return cls(tuple(parts), tuple(dict.fromkeys(hole for hole in parts[1::2] if isinstance(hole, str))))


_Sentences = tuple[_Sentence, ...]
_Event = grammar.Frame[_Sentences]


def _sentences(text: str, separator: str = " / ", tail: str = "") -> _Sentences:
    return tuple(_Sentence.of(sentence + tail) for sentence in _tidy(text).split(separator))


def _family(text: str) -> tuple[_Sentences, ...]:
    """The intents of a family; its first line is how each of its questions ends."""
    tail, *intents = text.splitlines()
    return tuple(_sentences(intent, tail=f" {tail}") for intent in intents)


def _schema(line: str) -> tuple[_Sentence, tuple[tuple[str, _Sentence], ...]]:
    """A sentence with a pronoun, and for each of the two that it names the fact and a reason that speaks of it."""
    text, *reasons = line.split(" * ")
    sentence = _Sentence.of(text)
    return sentence, tuple(zip(sentence.slots[:2], map(_Sentence.of, reasons), strict=True))


_CLASSES: dict[str, tuple[Concept, ...]] = {
    name + number: tuple(tuple(map(_tidy, concept.split("/"))) for concept in text.split(";"))
    for name, text in grammar.WORDS.items()
    for number in ("", "2", "3")
}
_WOMEN = frozenset(_CLASSES["woman"])
_EVENTS = tuple(_Event(frame.turn, *map(_sentences, frame[1:])) for frame in grammar.FRAMES)
_CONSTRUCTIONS = tuple(_sentences(line, " * ") for line in grammar.ACCEPTABILITY.strip().splitlines())
_QUESTIONS = tuple(map(_family, grammar.QUESTIONS))
_PRONOUNS = tuple(map(_schema, grammar.PRONOUNS.strip().splitlines()))
_SWAP = {"good": "bad", "bad": "good", "virtue": "vice", "vice": "virtue"}
_REVIEWS = {
    "positive": _sentences(grammar.PRAISE),
    "negative": _sentences(re.sub(r"\b(good|bad|virtue|vice)(?=[23]?\})", lambda m: _SWAP[m[1]], grammar.PRAISE)),
}


def _pick(draw: Draw, choices: Sequence[T]) -> T:
    return choices[int(draw() * len(choices))]


def _two(draw: Draw, choices: Sequence[T]) -> tuple[T, T]:
    """Two different ones."""
    first = int(draw() * len(choices))
    return choices[first], choices[first - 1 - int(draw() * (len(choices) - 1))]


def _fact(draw: Draw, slot: str, known: Collection[Concept]) -> Concept:
    """A concept of the slot's class that is not yet `known`."""
    while (concept := _pick(draw, _CLASSES[slot])) in known:
        pass
    return concept


def _change(draw: Draw, facts: Facts, slots: Collection[str]) -> Facts:
    """The same facts but for those in `slots`, which are others."""
    changed = dict(facts)
    for slot in slots:
        changed[slot] = _fact(draw, slot, changed.values())
    return changed


def _fill(draw: Draw, sentence: _Sentence, facts: Facts) -> str:
    """The sentence in words. A fact that it tells and `facts` lack is made up, and added to them."""
    text = ""
    for i, part in enumerate(sentence.parts):
        if isinstance(part, tuple):
            wordings = part
        elif i % 2:
            wordings = facts.get(part) or facts.setdefault(part, _fact(draw, part, facts.values()))
        else:
            text += part
            continue
        text += wordings[int(draw() * len(wordings))]
    return _ARTICLE.sub(r"\1n ", text)


def _say(draw: Draw, sentence: _Sentence, facts: Facts) -> str:
    text = _fill(draw, sentence, facts)
    return text[0].upper() + text[1:] + ("" if text[-1] == "?" else ".")


def _acceptability(draw: Draw, label: str, _: Sequence[_Event]) -> tuple[str, ...]:
    good, *bad = _pick(draw, _CONSTRUCTIONS)
    return (_say(draw, good if label == "acceptable" else _pick(draw, bad), {}),)


def _review(draw: Draw, label: str, _: Sequence[_Event]) -> tuple[str, ...]:
    return (_fill(draw, _pick(draw, _REVIEWS[label]), {}),)


def _changes(draw: Draw, label: str, told: Sequence[str]) -> Collection[str]:
    """Which of the facts told once are others in the second telling."""
    if label == "not_equivalent":
        return told[1:] if draw() < 0.5 else _two(draw, told)
    if label == "4":
        return [_pick(draw, [slot for slot in told if slot in MINOR])]
    return {"2": told[2:], "1": told}.get(label, [])


def _retelling(draw: Draw, label: str, events: Sequence[_Event]) -> tuple[str, ...]:
    """For MRPC and for STS-B, whose label is a level from 5, the same story, to 0, another one."""
    facts: Facts = {}
    event, another = _two(draw, events)
    one, other = _two(draw, event.says)
    first = _say(draw, one, facts)
    if label == "0":
        return first, _say(draw, _pick(draw, another.says), {})
    if label == "3":
        other = _pick(draw, event.implied)
    return first, _say(draw, other, _change(draw, facts, _changes(draw, label, one.slots)))


def _duplicate(draw: Draw, label: str, _: Sequence[_Event]) -> tuple[str, ...]:
    facts: Facts = {}
    intent, another = _two(draw, _pick(draw, _QUESTIONS))
    one, other = _two(draw, intent)
    first = _say(draw, one, facts)
    if label == "not_duplicate":
        kind = draw()
        other = _pick(draw, another) if kind < 0.7 else other
        facts = _change(draw, facts, [_pick(draw, one.slots)]) if kind > 0.4 else facts
    return first, _say(draw, other, facts)


def _inference(draw: Draw, label: str, events: Sequence[_Event]) -> tuple[str, ...]:
    facts: Facts = {}
    event = _pick(draw, events)
    premise = _say(draw, _pick(draw, event.says), facts)
    if label == "entailment":
        hypotheses = event.implied
    elif label == "neutral" or (label == "not_entailment" and draw() < 0.5):
        hypotheses = event.unsaid
    elif draw() < 0.5:
        hypotheses = event.denial
    else:
        hypotheses = tuple(sentence for sentence in event.implied if event.turn in sentence.slots)
        facts = _change(draw, facts, [event.turn])
    return premise, _say(draw, _pick(draw, hypotheses), facts)


def _answer(draw: Draw, label: str, events: Sequence[_Event]) -> tuple[str, ...]:
    facts: Facts = {}
    event = _pick(draw, events)
    answer, asked = _fill(draw, _pick(draw, event.asks), facts).split(": ")
    sentences = event.says
    if label == "not_entailment" and draw() < 0.7:
        sentences = tuple(sentence for sentence in event.unsaid + event.implied if answer not in sentence.slots)
    elif label == "not_entailment":
        facts = _change(draw, facts, facts)
    return asked[0].upper() + asked[1:], _say(draw, _pick(draw, sentences), facts)


def _reference(draw: Draw, label: str, _: Sequence[_Event]) -> tuple[str, ...]:
    sentence, reasons = _pick(draw, _PRONOUNS)
    (meant, reason), (other, _reason) = _two(draw, reasons)
    facts = {slot: _fact(draw, slot, ()) for slot in sentence.slots if slot != "why"}
    why = _fill(draw, reason, facts)
    claimed = facts[meant if label == "entailment" else other][0]
    if claimed[0].isupper():
        pronoun = "she" if facts[meant] in _WOMEN else "he"
    else:
        pronoun, claimed = "it", f"The {claimed}"
    return _say(draw, sentence, facts | {"why": (f"{pronoun} {why}",)}), f"{claimed} {why}."


_MAKERS: dict[str, Callable[[Draw, str, Sequence[_Event]], tuple[str, ...]]] = {
    "cola": _acceptability,
    "sst2": _review,
    "mrpc": _retelling,
    "stsb": _retelling,
    "qqp": _duplicate,
    "mnli": _inference,
    "qnli": _answer,
    "rte": _inference,
    "wnli": _reference,
    "ax": _inference,
}


def examples(task: GlueTask, split: Split, rows: int) -> Iterator[tuple[tuple[str, ...], int | float]]:
    """`rows` examples: texts in the order of `task.text`, and a label or score; UNLABELLED where the split has none.

    The same at every call, on every machine; a shorter request is the beginning of a longer one.
    """
    name = f"seed 1 {task.name} {split.name}"  # its first MRPC pairs, seen in demos, are right
    draw = random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest())).random  # noqa: S311  # no secret
    make = _MAKERS[task.name]
    events = _EVENTS
    if task.name == "mnli":  # other genres in the mismatched splits
        events = _EVENTS[-2:] if split.name.endswith("mismatched") else _EVENTS[:-2]
    for _ in range(rows):
        if task.is_regression:
            level = int(draw() * 6)
            score = min(5.0, max(0.0, level + (draw() + draw() - 1) * 0.8))
            yield make(draw, str(level), events), round(score, 3) if split.labelled else float(UNLABELLED)
        else:
            at = draw()
            label = int(at >= BALANCE[task.name]) if task.name in BALANCE else int(at * task.num_labels)
            wanted = label if draw() >= NOISE else (label + 1) % task.num_labels
            yield make(draw, task.labels[wanted], events), label if split.labelled else UNLABELLED
