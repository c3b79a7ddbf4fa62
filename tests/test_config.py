"""The configuration file: written once with each setting as a comment, read by every command, below the environment."""

import json
import re
from pathlib import Path

import pytest

from flows import init
from tasks.core import settings as settings_module
from tasks.core.errors import WrongRequest
from tasks.core.settings import Settings, variable
from tests.conftest import Corner
from tests.typed import typed

OWN = "bucket = 's3://own/prefix'\nretries = 1\n"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder to work in, with no setting in the environment but GLUEFLOW_HOME."""
    for field in Settings.model_fields:
        monkeypatch.delenv(variable(field), raising=False)
    monkeypatch.delenv("GLUEFLOW_CONFIG", raising=False)
    monkeypatch.setenv("GLUEFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found() -> Settings:
    settings_module.settings.cache_clear()
    try:
        return settings_module.settings()
    finally:
        settings_module.settings.cache_clear()


def refusal(said: str) -> str:
    Path("glueflow.toml").write_text(said)
    with pytest.raises(WrongRequest) as error:
        found()
    assert str(Path("glueflow.toml").absolute()) in str(error.value)
    return str(error.value)


def test_init_writes_every_setting_with_its_default_and_never_over_a_file(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("init", monkeypatch) == 0
    text = (bare / "glueflow.toml").read_text()
    assert all(line.startswith("#") for line in text.splitlines() if line)
    default = found()
    monkeypatch.delenv("GLUEFLOW_HOME")
    settings = [line.removeprefix("# ") for line in text.splitlines() if re.match(r"# \w+ = ", line)]
    assert [line.partition(" ")[0] for line in settings] == list(Settings.model_fields)
    defaults = [line for line in settings if line.partition(" ")[0] not in init.UNSET]
    (bare / "glueflow.toml").write_text("\n".join(defaults))
    assert found() == default.model_copy(update={"home": Path.home() / ".glueflow"})
    assert typed("init --json", monkeypatch) == 2
    assert (bare / "glueflow.toml").read_text() == "\n".join(defaults)
    assert typed("init no-such-folder/glueflow.toml", monkeypatch) == 2
    capsys.readouterr()
    assert typed("init other.toml --json", monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(bare / "other.toml")}


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "glueflow.toml").write_text(OWN + "api_url = 'http://127.0.0.1:9/api'\ncache_size = '3GB'\n")
    monkeypatch.setenv("GLUEFLOW_RETRIES", "2")
    said = found()
    assert (said.bucket, said.retries, said.api_url) == ("s3://own/prefix", 2, "http://127.0.0.1:9/api")
    assert (said.cache_size, said.lease) == (3_000_000_000, Settings.model_fields["lease"].default)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:10/api")
    assert found().api_url == "http://127.0.0.1:10/api"


def test_one_file_counts_the_named_one_then_that_of_the_folder_then_that_of_home(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "home").mkdir()
    for place, retries in (("home/glueflow.toml", 4), ("glueflow.toml", 5), ("named.toml", 6)):
        (bare / place).write_text(f"retries = {retries}")
        if place == "named.toml":
            monkeypatch.setenv("GLUEFLOW_CONFIG", "named.toml")
        assert found().retries == retries
    monkeypatch.setenv("GLUEFLOW_CONFIG", "")
    assert found().retries == 3
    monkeypatch.setenv("GLUEFLOW_CONFIG", "no-such.toml")
    with pytest.raises(WrongRequest, match=r"GLUEFLOW_CONFIG.*no-such\.toml"):
        found()


def test_names_of_files_count_from_the_folder_of_the_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "etc").mkdir()
    (bare / "etc" / "glueflow.toml").write_text(
        "home = 'data'\nsigning_key = '/keys/own.pem'\npublic_key = 'own.pub'\n"
    )
    monkeypatch.setenv("GLUEFLOW_CONFIG", "etc/glueflow.toml")
    monkeypatch.delenv("GLUEFLOW_HOME")
    said = found()
    places = (said.home, said.signing_key, said.public_key)
    assert places == (bare / "etc/data", Path("/keys/own.pem"), bare / "etc/own.pub")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("retriez = 3", ["'retriez'", "Did you mean 'retries'?"]),
        ("retries = 30", ["retries", "30", "less than or equal to 10"]),
        ("api_url = 3", ["api_url", "3"]),
        ("[request]\ndata = 'sample:'", ["'request'", "keys are home"]),
        ("retries 3", ["no TOML", "line 1"]),
    ],
)
def test_what_is_off_is_named_with_the_file(bare: Path, said: str, names: list[str]) -> None:
    line = refusal(said)
    for name in names:
        assert name in line


@pytest.mark.parametrize(
    "said",
    [
        "aws_secret_access_key = 'hush'",
        "HF_TOKEN = 'hush'",
        "prefect_api_auth_string = 'hush'",
        "api_url = 'http://me:hush@127.0.0.1/api'",
        "[password]\nstore = 'hush'",
    ],
)
def test_a_secret_is_refused_and_not_repeated(bare: Path, said: str) -> None:
    line = refusal(said)
    assert "environment" in line
    assert "hush" not in line


@pytest.mark.parametrize(
    "line", ["plan mrpc", "run mrpc", "models list", "cache gc", "backfill list", "down", "deploy"]
)
def test_every_command_reads_the_file(
    bare: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bare / "glueflow.toml").write_text("retries = -1")
    settings_module.settings.cache_clear()
    assert typed(line, monkeypatch) == 2
    assert f"{bare / 'glueflow.toml'}: retries" in capsys.readouterr().err


def test_what_the_file_says_is_done(corner: Corner, tmp_path: Path) -> None:
    """A bucket of the file is the one that is asked."""
    file = tmp_path / "own.toml"
    file.write_text("bucket = 's3://no-such-bucket'")
    environment = {name: value for name, value in corner.environment.items() if name != "GLUEFLOW_BUCKET"}
    there = Corner(corner.home, environment | {"GLUEFLOW_CONFIG": str(file)}, "")
    assert "no-such-bucket" in there.glueflow("models", "list", status=2).stderr
