"""Deployments on a real Prefect server: what is created, that it is created once, and what is refused."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from flows import deployments
from flows.pools import Pool
from infra.stack import Stack
from tasks.core.errors import WrongRequest
from tests.conftest import entered, make_corner
from tests.served import Place, pictured
from tests.typed import refusal, refused

LABELS = {
    "glue/nightly",
    "glue/on-demand",
    "benchmark/weekly",
    "backfill/on-demand",
    "predict/batch",
    "collect-garbage/weekly",
}


@pytest.fixture
def place(stack: Stack, tiny: Path, tmp_path: Path) -> Place:
    return Place(make_corner(stack, tmp_path / "home"), stack, tiny)


def test_deploying_again_changes_nothing(place: Place) -> None:
    (row,) = place.deploy("--timezone", "Europe/Berlin", tags=["training"])
    before = pictured(place)
    assert [before["deployment"]["id"]] == [row["id"]]
    (schedule,) = before["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 2 * * *", "Europe/Berlin")
    assert schedule["active"] is False
    assert before["limit"] == 1
    assert before["deployment"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert before["deployment"]["parameters"] == {"run": place.run}
    assert before["deployment"]["tags"] == ["training"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert commit.startswith(before["deployment"]["version"].removesuffix("+changes"))
    assert len(before["automations"]) == 2
    assert before["pool"][1] == "process"
    place.deploy("--timezone", "Europe/Berlin", tags=["training"])
    assert pictured(place) == before
    place.deploy("--timezone", "Asia/Tokyo", "--active", "--resumptions", "0")
    after = pictured(place)
    assert after["deployment"]["id"] == before["deployment"]["id"]
    assert [(each["schedule"]["timezone"], each["active"]) for each in after["schedules"]] == [("Asia/Tokyo", True)]
    assert [name for name, _ in after["automations"]] == [f"{place.name}: silent runs are crashed"]


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({}, ["--webhook", "nowhere"], "webhook: 'nowhere' is not allowed; there is no such block"),
        ({"parameters": {"run": {"task": "mrcp"}}}, [], "parameters no longer fit flows.glue.glue"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_created(
    place: Place, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], options: list[str], said: str
) -> None:
    file = place.file(place.declared(name=f"{place.name}-good"), place.declared(**changes))
    with entered(place.corner, monkeypatch):
        assert said in refused("deploy", "--file", file, "--pool", place.name, *options)
    with place.asking() as client:
        assert not [each for each in client.read_deployments(limit=200) if each.name.startswith(place.name)]
        assert place.name not in [pool.name for pool in client.read_work_pools(limit=200)]


@pytest.mark.parametrize("command", [["deploy"], ["up", "--serve"]])
def test_it_is_refused_before_a_server_is_started(tmp_path: Path, command: list[str]) -> None:
    file = tmp_path / "deployments.yaml"
    file.write_text(deployments.FILE.read_text().replace("{task: mrpc}", "{task: mrcp}"))
    wrong = {
        ("--timezone", "Europe/Berln"): "timezone: 'Europe/Berln' is not allowed",
        ("--file", str(file)): "nightly: parameters no longer fit flows.glue.glue",
    }
    for options, said in wrong.items():
        assert said in refusal(tmp_path / "home", *command, *options)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": {"run": {"training": {"epochs": 0}}}}, "greater than or equal to 1"),
        ({"parameters": {"runs": {}}}, "runs"),
        ({"schedules": [{"cron": "61 2 * * *"}]}, "61 2 * * *"),
        ({"schedules": [{"cron": "0 2 * * *"}, {"cron": "0 2 * * *"}]}, "at most 1"),
        ({"entrypoint": "flows.glue.glu"}, "glu"),
        ({"entrypoint": "flows.nothing.glue"}, "flows.nothing"),
        ({"entrypoint": "os.system.x"}, "entrypoint"),
        ({"concurrency_limit": {"limit": 1, "collision_strategy": "LATER"}}, "collision_strategy"),
        ({"name": "../x"}, "name"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_declaration_that_is_off_is_refused(place: Place, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongRequest) as refused:
        deployments.declared(
            Path(place.file(place.declared(**changes))), deployments.Choices(where=Pool(pool=place.name))
        )
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_deployments_that_come_with_the_package_are_sound() -> None:
    found = deployments.declared(deployments.FILE, deployments.Choices(where=Pool()))
    assert {each.label for each in found.all} >= LABELS
