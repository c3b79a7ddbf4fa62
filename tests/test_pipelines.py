"""Every text pipeline by name, with tiny random models, against the library's own or against its Auto classes."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import pipeline

from flows.cli import app
from tests.conftest import Corner
from tests.test_cli import assert_refused

TEXTS = ["On Tuesday, the Dragons beat the Lions in Toronto.", "A fire struck Lima and many people were hurt there."]
MASKED = ["The [MASK] beat the Lions.", "A fire struck [MASK] on Thursday."]
QUESTION = "Where did the Dragons win?"
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
LABELS = ("contradiction", "neutral", "entailment")
NLI = {"id2label": dict(enumerate(LABELS)), "label2id": {label: index for index, label in enumerate(LABELS)}}
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "bos_token_id": 101, "eos_token_id": 102, "pad_token_id": 0,
    "decoder_start_token_id": 102, "forced_eos_token_id": 102,
}  # fmt: skip
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 128, "bos_token_id": 101, "eos_token_id": 102}


def make(folder: Path, tiny: Path, kind: str, config: str = "BertConfig", **options: Any) -> str:
    """A random model of that class with MiniLM's tokenizer."""
    torch.manual_seed(0)
    sizes = SIZES | {"max_position_embeddings": 128} if config == "BertConfig" else {}
    made = getattr(transformers, kind)(getattr(transformers, config)(vocab_size=30_522, **sizes, **options))
    made.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny / name, folder)
    return f"file:{folder}"


@pytest.fixture(scope="module")
def models(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    base = tmp_path_factory.mktemp("models")
    return {
        "mnli": make(base / "mnli", tiny, "BertForSequenceClassification", num_labels=3, **NLI),
        "other": make(base / "other", tiny, "BertForSequenceClassification"),
        "encoder": make(base / "encoder", tiny, "BertModel"),
        "masked": make(base / "masked", tiny, "BertForMaskedLM"),
        "tokens": make(base / "tokens", tiny, "BertForTokenClassification", num_labels=3),
        "causal": make(base / "causal", tiny, "GPT2LMHeadModel", "GPT2Config", **GPT),
        "spans": make(base / "spans", tiny, "BertForQuestionAnswering"),
        "seq2seq": make(base / "seq2seq", tiny, "BartForConditionalGeneration", "BartConfig", **BART),
    }


def found(inside: Corner, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What the command prints, run in this process, for importing torch takes longer than all it does."""
    app(["pipeline", *arguments, "--json"], result_action="return_value")
    return json.loads(capsys.readouterr().out)["found"]


def near(one: Any, other: Any) -> bool:
    """The same up to 1e-5 in every number, however nested."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(near(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(near, one, other))
    return abs(one - other) < 1e-5 if isinstance(one, float) else bool(one == other)


@pytest.mark.parametrize(
    ("task", "model", "texts", "flags", "options"),
    [
        ("sentiment-analysis", "mnli", TEXTS, (), {}),
        ("text-classification", "mnli", TEXTS, ("--top-k", "2"), {"top_k": 2}),
        ("feature-extraction", "encoder", TEXTS, (), {}),
        (
            "zero-shot-classification", "mnli", TEXTS,
            ("--labels", "sport", "--labels", "news", "--template", "It is {}."),
            {"candidate_labels": ["sport", "news"], "hypothesis_template": "It is {}."},
        ),
        ("fill-mask", "masked", MASKED, ("--top-k", "3"), {"top_k": 3}),
        ("fill-mask", "masked", ["[MASK] beat [MASK]."], (), {}),
        ("ner", "tokens", TEXTS, ("--aggregation", "simple"), {"aggregation_strategy": "simple"}),
        ("token-classification", "tokens", TEXTS, (), {}),
        ("text-generation", "causal", TEXTS, ("--max-new-tokens", "5"), {"max_new_tokens": 5, "do_sample": False}),
    ],
)  # fmt: skip
def test_what_the_library_still_has(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str],
    task: str, model: str, texts: list[str], flags: tuple[str, ...], options: dict[str, Any],
) -> None:  # fmt: skip
    ours = found(inside, capsys, task, models[model], *texts, *flags)
    theirs = pipeline(task, model=models[model].removeprefix("file:"), device="cpu")
    assert len(ours) == len(texts)
    for text, mine in zip(texts, ours, strict=True):
        expected = json.loads(json.dumps(theirs(text, **options), default=float))
        if task == "feature-extraction":
            expected = expected[0]
        assert near(mine, expected if isinstance(expected, list) else [expected])


def best_span(folder: str, question: str, text: str, length: int, stride: int) -> tuple[float, str]:
    """By trying every span of every window."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    windows = tokenizer(
        question, text, truncation="only_second", max_length=length, stride=stride, padding=True,
        return_overflowing_tokens=True, return_offsets_mapping=True, return_tensors="pt",
    )  # fmt: skip
    offsets = windows.pop("offset_mapping").tolist()
    windows.pop("overflow_to_sample_mapping")
    with torch.no_grad():
        output = model(**windows)
    best = (0.0, "")
    for window in range(len(offsets)):
        places = [place for place, part in enumerate(windows.sequence_ids(window)) if part == 1]
        starts = output.start_logits[window][places].softmax(0).tolist()
        ends = output.end_logits[window][places].softmax(0).tolist()
        for i, start in enumerate(places):
            for j, end in enumerate(places[i : i + 15], i):
                span = text[offsets[window][start][0] : offsets[window][end][1]]
                best = max(best, (starts[i] * ends[j], span), key=lambda found: found[0])
    return best


@pytest.mark.parametrize("repeat", [1, 40])
def test_the_best_span_answers_a_question(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str], repeat: int
) -> None:
    """Also of a text that is many windows long."""
    text = " ".join([f"{TEXTS[0]} Part {number}." for number in range(repeat)])
    ours = found(inside, capsys, "question-answering", models["spans"], text, "--question", QUESTION)
    room = 128 - len(transformers.AutoTokenizer.from_pretrained(models["spans"][5:])(QUESTION, "")["input_ids"])
    score, span = best_span(models["spans"][5:], QUESTION, text, 128, min(128, room // 2))
    assert ours[0][0]["answer"] == span == text[ours[0][0]["start"] : ours[0][0]["end"]]
    assert ours[0][0]["score"] == pytest.approx(score, abs=1e-5)
    more = found(inside, capsys, "question-answering", models["spans"], text, "--question", QUESTION, "--top-k", "4")
    assert more[0][0] == ours[0][0]
    assert [one["score"] for one in more[0]] == sorted((one["score"] for one in more[0]), reverse=True)


@pytest.mark.parametrize(("task", "key"), [("summarization", "summary_text"), ("translation", "translation_text")])
def test_what_is_generated_is_what_the_auto_classes_generate(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str], task: str, key: str
) -> None:
    flags = ("--max-new-tokens", "6", "--prefix", "say: ")
    ours = found(inside, capsys, task, models["seq2seq"], *TEXTS, *flags)
    tokenizer = transformers.AutoTokenizer.from_pretrained(models["seq2seq"][5:])
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(models["seq2seq"][5:]).eval()
    for text, mine in zip(TEXTS, ours, strict=True):
        ids = tokenizer("say: " + text, return_tensors="pt")
        ids.pop("token_type_ids", None)
        written = model.generate(**ids, max_new_tokens=6, do_sample=False)[0]
        assert mine == [{key: tokenizer.decode(written, skip_special_tokens=True)}]


def test_the_pipeline_command_as_a_user_runs_it(corner: Corner, models: dict[str, str]) -> None:
    shown = corner.glueflow("pipeline", "fill-mask", models["masked"], MASKED[0], "--top-k", "2").stdout
    assert shown.splitlines()[0].strip() == MASKED[0]
    assert len(shown.splitlines()) == 4
    assert corner.made() == set()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["summarisation", "mnli", "x"], ["task", "summarisation", "summarization"]),
        (["fill-mask", "masked", "no mask here"], ["fill-mask", "mask_token"]),
        (["fill-mask", "mnli", MASKED[0]], ["checkpoint", "no weights of", "AutoModelForMaskedLM"]),
        (["fill-mask", "masked", MASKED[0], "--question", "x"], ["question", "'x'", "top_k"]),
        (["question-answering", "spans", "x"], ["question", "missing"]),
        (["zero-shot-classification", "mnli", "x"], ["labels", "missing"]),
        (["zero-shot-classification", "tokens", "x", "--labels", "a"], ["checkpoint", "no weights of"]),
        (["zero-shot-classification", "other", "x", "--labels", "a"], ["model", "LABEL_0, LABEL_1", "entailment"]),
        (["translation", "seq2seq", "x", "--target", "klingon"], ["target", "klingon"]),
        (["fill-mask", "masked", MASKED[0], "--top-k", "0"], ["top_k", "0", "greater than or equal to 1"]),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_in_one_line(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], names: list[str],
) -> None:  # fmt: skip
    from flows import cli

    monkeypatch.setattr("sys.argv", ["glueflow", "pipeline", arguments[0], models[arguments[1]], *arguments[2:]])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    for name in names:
        assert name in said.err


class Trap:
    """A pickle that leaves a mark when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def test_a_pickle_beside_the_weights_is_never_opened(
    inside: Corner, models: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:

    folder, mark = tmp_path / "model", tmp_path / "mark"
    shutil.copytree(models["mnli"][5:], folder)
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        (folder / name).write_bytes(pickle.dumps(Trap(mark)))
    app(["predict", f"file:{folder}", "a", "b", "--json"], result_action="return_value")
    assert json.loads(capsys.readouterr().out)["label"] in LABELS
    (folder / "model.safetensors").unlink()
    assert_refused(inside, "predict", f"file:{folder}", "a", names=["checkpoint", "safetensors"])
    assert not mark.exists()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("config.json", {"auto_map": {"AutoModel": "evil.Model"}}),
        ("config.json", {"encoder": {"auto_map": {"AutoModel": "evil.Model"}}}),
        ("config.json", {"_attn_implementation_internal": "evil/kernel"}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}),
        ("generation_config.json", {"custom_generate": "evil/generate"}),
    ],
)
def test_a_config_that_asks_for_code_is_refused(
    models: dict[str, str], tmp_path: Path, file: str, said: dict[str, Any]
) -> None:
    from tasks.core.errors import WrongRequest
    from tasks.models.checkpoint import loaded

    folder = tmp_path / "model"
    shutil.copytree(models["masked"][5:], folder)
    path = folder / file
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | said))
    with pytest.raises(WrongRequest, match=r"checkpoint: .*brings its own code is not loaded"):
        loaded("AutoModelForMaskedLM", folder)
