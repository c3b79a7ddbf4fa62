"""Question answering by the best span of the text, which transformers 5 has no pipeline for any more.

    answer(model, tokenizer, ["My name is Sylvain and I work in Brooklyn."], {"question": "Where do I work?"})
      ->  [[{"score": 0.98, "start": 33, "end": 41, "answer": "Brooklyn"}]]

As transformers 4 and its course did it: a text longer than the model reads is cut into windows that overlap. Within a
window a span's score is the probability of its start times that of its end, both over the text's tokens alone; the best
spans of all windows are the answer.
"""

from collections.abc import Iterator, Sequence
from typing import Any

LONGEST_ANSWER = 15  # tokens
LONGEST_WINDOW = 384  # tokens of question and text together
OVERLAP = 128  # tokens of text that two windows share


def answer(model: Any, tokenizer: Any, texts: Sequence[str], given: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The `top_k` best answers (default 1) to the question in each text, with characters `start` to `end` of it."""
    return [best(model, tokenizer, given["question"], text, given.get("top_k", 1)) for text in texts]


def best(model: Any, tokenizer: Any, question: str, text: str, count: int) -> list[dict[str, Any]]:
    """The best spans, by score; a span that two windows see counts once, with the better score."""
    found: dict[tuple[int, int], float] = {}
    for span, score in spans(model, tokenizer, question, text, count):
        found[span] = max(score, found.get(span, 0.0))
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:count]
    return [{"score": score, "start": a, "end": b, "answer": text[a:b]} for (a, b), score in ranked]


def spans(model: Any, tokenizer: Any, question: str, text: str, count: int) -> Iterator[tuple[tuple[int, int], float]]:
    """The `count` best spans of each window as characters of the text, with their scores."""
    import torch

    length = min(tokenizer.model_max_length, LONGEST_WINDOW)
    room = length - len(tokenizer(question, "")["input_ids"])
    if room < 1:
        raise ValueError(f"the question fills all {length} tokens of a window; ask a shorter one")
    windows = tokenizer(
        question, text, truncation="only_second", max_length=length, stride=min(OVERLAP, room // 2),
        return_overflowing_tokens=True, return_offsets_mapping=True,
    )  # fmt: skip
    names = [name for name in tokenizer.model_input_names if name in windows]
    for window, offsets in enumerate(windows["offset_mapping"]):
        inputs = {name: torch.tensor([windows[name][window]], device=model.device) for name in names}
        with torch.inference_mode():
            output = model(**inputs)
        of_text = torch.tensor([part == 1 for part in windows.sequence_ids(window)])  # (T,)
        starts, ends = (
            logits[0].float().cpu().masked_fill(~of_text, float("-inf")).softmax(0)
            for logits in (output.start_logits, output.end_logits)
        )
        scores = (starts[:, None] * ends[None, :]).triu().tril(LONGEST_ANSWER - 1)  # (T, T): start, end
        top = scores.flatten().topk(min(count, scores.numel()))
        for score, place in zip(top.values.tolist(), top.indices.tolist(), strict=True):
            start, end = divmod(place, len(offsets))
            if of_text[start] and of_text[end] and score > 0:
                yield (offsets[start][0], offsets[end][1]), score
