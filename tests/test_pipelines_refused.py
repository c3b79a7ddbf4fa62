"""What no pipeline does: answer with a head drawn at random, run a checkpoint's own code, open a pickle."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.cli import app
from tests.conftest import Corner
from tests.test_cli import assert_refused
from tests.test_pipelines import MASKED
from tests.tiny_models import LABELS
from tests.tiny_models import models as models


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
        (["table-question-answering", "spans", "x"], ["table", "missing"]),
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
