"""`glueflow models` as a person uses it: two runs, promoted, compared, rolled back, asked about; provenance."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.stack import Stack
from tasks.core import registry
from tasks.core.registry import Version
from tests.conftest import Corner, entered, make_corner
from tests.finished import as_typed, prepared, small
from tests.typed import Here, refused

ATTACHED = {"provenance.json", "README.md", "training.png", "confusion.png"}


@pytest.fixture(scope="module")
def user(stack: Stack, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    """Two versions of mrpc, from two seeds."""
    found = make_corner(stack, tmp_path_factory.mktemp("models") / "home", Here)
    for seed in (1, 2):
        prepared(found, asked := small(tiny, seed=seed))
        found.glueflow(*as_typed(asked))
    return found


def artifacts(user: Corner, key: str) -> list[dict[str, Any]]:
    query = {"artifacts": {"key": {"any_": [key]}}}
    answer = httpx.post(f"{user.environment['PREFECT_API_URL']}/artifacts/filter", json=query)
    return answer.raise_for_status().json()


def test_a_model_is_promoted_rolled_back_and_asked_about(user: Corner) -> None:
    refused = user.json("models", "promote", "mrpc@1", status=1)
    assert (refused["moved"], refused["verdict"]["decision"]) == (False, "refuse")
    assert "best constant answer" in refused["verdict"]["reason"]
    line = user.glueflow("models", "promote", "mrpc@1", "--force", status=2).stderr
    assert line.count("\n") == 1
    assert "reason" in line
    done = user.json("models", "promote", "mrpc@1", "--force", "--reason", "the first")
    assert (done["moved"], done["forced"]) == (True, True)
    user.glueflow("models", "promote", "mrpc@2", "--margin", "0.9")
    assert [row["aliases"] for row in user.json("models", "list", "mrpc")] == [[], ["champion"]]
    shown = user.json("models", "show", "mrpc@champion")
    assert (shown["version"], shown["aliases"]) == (2, ["champion"])
    assert [verdict["decision"] for verdict in shown["verdicts"]] == ["promote"]
    assert shown["verdicts"][0]["numbers"]["n"] > 0
    assert user.json("models", "rollback", "mrpc@champion", "--reason", "a bad day")["version"] == 1
    now = user.json("models", "whois", "mrpc@champion")
    assert (now["version"], now["before"], now["reason"]) == (1, 2, "a bad day")
    assert "first set at" in user.glueflow("models", "whois", "mrpc@champion", "--at", "2020-01-31", status=2).stderr
    pages = [page["data"] for page in artifacts(user, "verdict-mrpc-2")]
    assert any("95% interval" in page for page in pages)
    assert "points to it" in user.glueflow("models", "delete", "mrpc@1", "--reason", "x", status=2).stderr
    assert user.json("models", "verify")["damaged"] == []


def test_two_versions_are_compared(user: Corner) -> None:
    found = user.json("models", "diff", "mrpc@1", "mrpc@2")["differences"]
    assert found["seed"] == ["1", "2"]
    assert "model.safetensors" in found
    assert "learning_rate" not in found
    assert user.json("models", "diff", "mrpc@1", "mrpc@1")["differences"] == {}


@pytest.mark.parametrize(
    "command",
    [
        ("promote", "mrpc@9"),
        ("promote", "mrpc@1", "--alias", "../x"),
        ("promote", "mrpc@1", "--alias", "latest"),
        ("promote", "mrpc@1", "--margin", "2"),
        ("rollback", "mrpc"),
        ("rollback", "mrpc@nobody"),
        ("whois", "mrpc@3"),
        ("whois", "mrpc@latest"),
        ("whois", "mrpc@champion", "--at", "soon"),
        ("delete", "mrpc@champion", "--reason", "x"),
        ("delete", "../mrpc@1", "--reason", "x"),
        ("delete", "mrpc@1", "--reason", " "),
        ("pull", "mrpc@../1", "somewhere"),
        ("show", "mrpc@" + "x" * 300),
        ("diff", "mrpc@1", "mrpc@ﬁ"),
    ],
)
def test_wrong_requests_end_in_one_line_and_write_nothing(
    user: Corner, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = user.keys("models/")
    with entered(user, monkeypatch):
        assert refused("models", *command).startswith("error: ")
    assert user.keys("models/") == before


def test_where_a_version_came_from(user: Corner, tmp_path: Path) -> None:
    """Its subject is what was registered; data, keys, code, libraries, seed, times and starter are in it."""
    version: Version = registry.find(user.store, "mrpc@1")
    said = json.loads(user.store.get(f"{version.folder}/provenance.json") or b"")
    assert (said["_type"], said["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    files = {file.path: file.sha256 for file in version.files if file.path not in ATTACHED}
    assert {subject["name"]: subject["digest"]["sha256"] for subject in said["subject"]} == files
    build, run = said["predicate"]["buildDefinition"], said["predicate"]["runDetails"]
    assert build["externalParameters"]["data"] == version.record["data"]
    assert build["externalParameters"]["seed"] == 1
    assert {"fetch", "encode", "finetune", "evaluate"} == build["internalParameters"]["steps"].keys()
    for step in build["internalParameters"]["steps"].values():
        assert step["seconds"] > 0
        assert user.store.get(f"steps/{step['identity']['step']}/{step['key']}/manifest.json")
    root = Path(__file__).resolve().parents[1]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert {"gitCommit": commit.strip()} in [each.get("digest") for each in build["resolvedDependencies"]]
    assert {"python", "torch", "transformers"} <= run["builder"]["version"].keys()
    metrics = run["byproducts"][0]["annotations"]
    assert metrics["metrics"] == version.record["metrics"]
    assert metrics["intervals"].keys() == metrics["metrics"].keys()
    started = run["metadata"]["started"]
    assert started["by"] == "command line"
    assert "run mrpc --data sample:32" in started["command"]
    api = user.environment["PREFECT_API_URL"]
    assert httpx.get(f"{api}/flow_runs/{run['metadata']['invocationId']}").raise_for_status()
    assert user.environment["AWS_SECRET_ACCESS_KEY"] not in json.dumps(said)


def test_the_same_checkpoint_from_another_run_is_the_same_version(user: Corner, tiny: Path) -> None:
    """Its provenance is that of the first registration."""
    before = {key: user.store.get(key) for key in user.keys("models/mrpc/versions/")}
    again = user.json(*as_typed(small(tiny, seed=1)), "--force", "register")
    assert again["model"]["version"] == 1
    assert {key: user.store.get(key) for key in user.keys("models/mrpc/versions/")} == before
