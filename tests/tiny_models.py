"""A tiny random model of every kind that a pipeline takes, with MiniLM's tokenizer."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

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
