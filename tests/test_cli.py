"""Bad input: one line that names it, exit status 2 for a wrong request and 1 for failed work, nothing in the bucket."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Corner
from tests.typed import refused

HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
ROW = "1\t1\t2\tHe said it .\tShe said it .\n"


def mrpc(folder: Path, **files: str) -> str:
    """A small classic folder; `files` replaces the content of some, by stem."""
    (folder / "MRPC").mkdir(parents=True)
    test = "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\ta\tb\n"
    for stem, text in {"train": HEADER + ROW * 8, "dev": HEADER + ROW * 4, "test": test, **files}.items():
        if text:
            (folder / "MRPC" / f"{stem}.tsv").write_text(text)
    return f"file:{folder}"


def assert_refused(corner: Corner, *arguments: str, names: list[str], status: int = 2, **environment: str) -> None:
    found = corner.glueflow(*arguments, status=status, **environment)
    lines = found.stderr.strip().splitlines()
    assert len(lines) == 1, found.stderr
    assert found.stdout == ""
    for name in names:
        assert name in lines[0]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["run", "mprc"], ["TASK", '"mprc"', 'Did you mean "mrpc"?']),
        (["run", "ax"], ["TASK", '"ax"', '"mnli"']),
        (["rum", "mrpc"], ["rum", "run"]),
        (["run", "mrpc", "--epochs", "0"], ["epochs", "0", "greater than or equal to 1"]),
        (["run", "mrpc", "--learning-rate", "nan"], ["learning_rate", "nan"]),
        (["run", "mrpc", "--learning-rat", "1"], ["--learning-rat", "--learning-rate"]),
        (["run", "mrpc", "--seed", "-1"], ["seed", "-1"]),
        (["run", "mrpc", "--name", "../x"], ["name", "../x"]),
        (["run", "mrpc", "--force", "train"], ["force", "train", "finetune"]),
        (["run", "mrpc", "--strategy", "lora"], ["strategy", "lora", "'full' or 'frozen'"]),
        (["run", "mrpc", "--data", "ftp://x"], ["data", "ftp://x", "hf://", "file:", "sample:"]),
        (["run", "mrpc", "--data", "sample:0"], ["data", "sample:0"]),
        (["run", "mrpc", "--data", "file:/no/such/folder"], ["data", "/no/such/folder", "does not exist"]),
        (["run", "mrpc", "--data", "sample:8", "--as-of", "2026-01-01"], ["as_of", "2026-01-01", "hf://"]),
        (["run", "mrpc", "--data", "sample:8", "--checkpoint", "file:/no/such"], ["checkpoint", "/no/such"]),
        (["run", "mrpc", "--data", "sample:8", "--checkpoint", "bert"], ["checkpoint", "bert", "packaged:", "hf://"]),
        (["run", "mrpc", "--strategy", "frozen", "--init", "random"], ["strategy", "frozen", "pretrained"]),
        (["predict", "no-such-model", "text"], ["model", "no-such-model"]),
        (["models", "show", "../../x"], ["model", "../../x"]),
        (["models", "show", "mrpc@x"], ["model", "mrpc@x"]),
        (["plan", "mrpc", "--max-length", "4"], ["max_length", "4"]),
    ],
)
def test_wrong_requests(inside: Corner, arguments: list[str], names: list[str]) -> None:
    line = refused(*arguments)
    for name in names:
        assert name in line
    assert inside.made() == set()


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ({"dev": ""}, ["dev.tsv", "mrpc"]),
        ({"train": HEADER + ROW + "1\t1\t2\ta\n"}, ["train.tsv", "row 3", "4 columns instead of 5"]),
        ({"dev": HEADER + "2\t1\t2\ta\tb\n"}, ["dev.tsv", "row 2", "Quality", "'2'"]),
        ({"dev": HEADER}, ["dev.tsv", "has no rows"]),
    ],
)
def test_bad_data(here: Corner, tmp_path: Path, files: dict[str, str], names: list[str]) -> None:
    assert_refused(here, "run", "mrpc", "--data", mrpc(tmp_path / "glue", **files), names=names)
    assert here.made() == set()


def test_a_checkpoint_that_brings_code_or_pickles_is_refused(here: Corner, tiny: Path, tmp_path: Path) -> None:
    import shutil

    code = tmp_path / "code"
    shutil.copytree(tiny, code)
    (code / "config.json").write_text(
        (code / "config.json").read_text().replace("{", '{"auto_map": {"AutoModel": "x.Y"},', 1)
    )
    assert_refused(
        here, "run", "mrpc", "--data", "sample:8", "--checkpoint", f"file:{code}", names=["auto_map", "code"]
    )
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    assert_refused(here, "run", "mrpc", "--data", "sample:8", "--checkpoint", f"file:{pickled}", names=["safetensors"])


def test_a_store_that_is_away(here: Corner) -> None:
    away = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}
    assert_refused(here, "run", "mrpc", "--data", "sample:8", names=["store", "127.0.0.1:9"], status=1, **away)


def test_a_store_that_refuses_us(here: Corner) -> None:
    shut = {"AWS_SECRET_ACCESS_KEY": "wrong-secret"}
    assert_refused(
        here, "run", "mrpc", "--data", "sample:8", names=["store", "AWS_SECRET_ACCESS_KEY"], status=1, **shut
    )
    assert here.made() == set()


def test_a_server_that_is_away(corner: Corner) -> None:
    away = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    assert_refused(corner, "run", "mrpc", "--data", "sample:8", names=["prefect", "127.0.0.1:9"], status=1, **away)
    assert corner.made() == set()


def test_settings_that_are_off(here: Corner) -> None:
    assert_refused(here, "models", "list", names=["GLUEFLOW_BUCKET", "models"], GLUEFLOW_BUCKET="models")
    assert_refused(here, "models", "list", names=["GLUEFLOW_RETRIES", "-1"], GLUEFLOW_RETRIES="-1")


def test_help_has_examples_and_every_command(here: Corner) -> None:
    text = here.glueflow("--help").stdout
    for word in ("run", "plan", "predict", "models", "up", "down", "doctor", "glueflow run mrpc --data sample:"):
        assert word in text
    text = here.glueflow("run", "--help").stdout
    for word in ("--data", "--checkpoint", "--learning-rate", "--strategy", "full", "frozen", "mnli", "--json"):
        assert word in text


def test_planning_imports_neither_prefect_nor_torch(corner: Corner, tiny: Path) -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "flows.cli",
            "plan",
            "mrpc",
            "--data",
            "sample:8",
            "--checkpoint",
            f"file:{tiny}",
        ],
        env={**os.environ, **corner.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in found.stderr.splitlines()}
    assert "boto3" in imported
    assert not imported & {"prefect", "torch", "transformers", "datasets", "evaluate", "pyarrow"}
