"""`glueflow cache` as a user types it, after one real run: list, explain, verify, gc, pin."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.stack import Stack
from tasks.core import runs
from tasks.core.artifact import Folders, get_or_build
from tasks.core.plan import plan
from tasks.core.specs import GlueRun, Training
from tests.conftest import Corner, make_corner
from tests.finished import as_typed, prepared, small
from tests.typed import Here, refused

STEPS = ["fetch", "encode", "finetune", "evaluate", "register"]


@pytest.fixture(scope="module")
def user(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    return make_corner(stack, tmp_path_factory.mktemp("user") / "home", Here)


@pytest.fixture(scope="module")
def arguments(tiny: Path) -> list[str]:
    return as_typed(small(tiny, seed=7))


@pytest.fixture(scope="module")
def keys(user: Corner, arguments: list[str], tiny: Path) -> dict[str, str]:
    """The key of every step of a run that was made as a user makes it."""
    prepared(user, small(tiny, seed=7))
    return {step["name"]: step["key"] for step in user.json(*arguments)["steps"]}


def test_a_run_leaves_a_record_of_what_it_set_out_to_do(user: Corner, keys: dict[str, str], tiny: Path) -> None:
    (name,) = user.keys("runs/")
    body = user.store.get(name) or b""
    record = json.loads(body)
    assert {step["step"]: step["key"] for step in record["steps"]} == keys
    assert (record["task"], record["seed"]) == ("mrpc", 7)
    assert user.environment["AWS_SECRET_ACCESS_KEY"].encode() not in body
    assert str(tiny).encode() not in body
    assert str(user.home).encode() not in body


def test_list_says_what_keeps_each_entry(user: Corner, keys: dict[str, str]) -> None:
    found = user.json("cache", "list")
    assert {entry["step"]: entry["key"] for entry in found} == keys
    for entry in found:
        size = sum(user.store.sizes(f"steps/{entry['step']}/{entry['key']}/").values())
        manifest = len(user.store.get(f"steps/{entry['step']}/{entry['key']}/manifest.json") or b"")
        assert entry["size"] == size - manifest
        assert entry["seconds"] > 0
        assert entry["wrong"] == ""
        assert "mrpc@1" in entry["users"]
        assert any(user.startswith("runs/") for user in entry["users"])
    assert [entry["step"] for entry in user.json("cache", "list", "--step", "encode")] == ["encode"]
    assert keys["encode"][:12] in user.glueflow("cache", "list").stdout


def test_explain_an_entry(user: Corner, keys: dict[str, str]) -> None:
    found = user.json("cache", "explain", keys["finetune"][:8])
    assert (found["step"], found["key"], found["state"]) == ("finetune", keys["finetune"], "there")
    assert found["identity"]["spec"]["seed"] == 7
    assert found["nearest"] is None
    shown = user.glueflow("cache", "explain", keys["finetune"][:8]).stdout
    assert keys["encode"][:12] in shown
    assert "no earlier entry of finetune" in shown


def test_explain_a_step_that_was_planned_and_is_not_there(user: Corner, keys: dict[str, str], tiny: Path) -> None:
    """As a run leaves it that was killed before its training was finished: two fields differ, in a table."""
    run = small(tiny, seed=8, training=Training(epochs=1, learning_rate=1e-4))
    step = next(step for step in plan(run).steps if step.step == "finetune")
    record = runs.begin(user.store, plan(run), 30)
    found = user.json("cache", "explain", step.key[:8])
    assert (found["step"], found["key"], found["state"]) == ("finetune", step.key, "absent")
    assert found["nearest"]["key"] == keys["finetune"]
    assert found["differences"] == [
        {"field": "seed", "there": "7", "asked": "8"},
        {"field": "learning_rate", "there": "5e-05", "asked": "0.0001"},
    ]
    shown = user.glueflow("cache", "explain", step.key[:8]).stdout
    header = next(
        number for number, line in enumerate(shown.splitlines()) if line.split() == ["field", "there", "asked"]
    )
    rows = [line.split() for line in shown.splitlines()[header + 1 :]]
    assert rows == [["seed", "7", "8"], ["learning_rate", "5e-05", "0.0001"]]
    user.store.delete(record)


def test_an_entry_is_compared_with_the_one_before(user: Corner, keys: dict[str, str]) -> None:
    def write(out: Path, _folders: Folders) -> dict[str, Any]:
        (out / "train.parquet").write_text("rows")
        return {}

    step = plan(GlueRun(data="sample:40")).steps[0]
    get_or_build(user.store, user.settings, step, {}, write)
    found = user.json("cache", "explain", step.key)
    assert found["differences"] == [{"field": "data", "there": "sample:v2:32", "asked": "sample:v2:40"}]
    assert found["nearest"]["key"] == keys["fetch"]
    user.store.delete(f"{step.folder}/manifest.json")


def test_verify_finds_a_flipped_byte_and_repairs_only_when_told(
    user: Corner, keys: dict[str, str], arguments: list[str]
) -> None:
    assert user.json("cache", "verify")["damaged"] == []
    name = next(name for name in user.keys(f"steps/encode/{keys['encode']}/") if name.endswith(".arrow"))
    body = bytearray(user.store.get(name) or b"")
    body[len(body) // 2] ^= 1
    user.store.put(name, bytes(body))
    folder = f"steps/encode/{keys['encode']}"
    reason = f"{Path(name).name} has another SHA-256 than recorded"
    before = user.keys()
    for chosen in ([], [keys["encode"][:6], keys["fetch"][:6]]):
        found = json.loads(user.glueflow("cache", "verify", *chosen, "--json", status=1).stdout)
        assert found["damaged"] == [{"name": folder, "reason": reason, "state": "damaged"}]
    assert user.keys() == before
    assert user.json("cache", "verify", keys["fetch"][:6])["damaged"] == []
    assert "set aside" in user.glueflow("cache", "verify", "--repair", status=1).stdout
    assert user.store.get(f"{folder}/manifest.json") is None
    assert any(key.startswith(f"quarantine/{folder}/") for key in user.keys("quarantine/"))
    again = {step["name"]: step["state"] for step in user.json(*arguments)["steps"]}
    assert again == dict.fromkeys(STEPS, "reused") | {"encode": "built"}
    assert user.json("cache", "verify")["damaged"] == []


def test_verify_finds_a_damaged_version_and_the_next_run_mends_it(
    user: Corner, keys: dict[str, str], arguments: list[str]
) -> None:
    name = "models/mrpc/versions/1/metrics.json"
    body = user.store.get(name) or b""
    user.store.put(name, body.replace(b"0", b"1"))
    found = json.loads(user.glueflow("cache", "verify", "--repair", "--json", status=1).stdout)
    reason = "metrics.json has another SHA-256 than recorded"
    assert found["damaged"] == [{"name": "models/mrpc/versions/1", "reason": reason, "state": "set aside"}]
    again = {step["name"]: step["state"] for step in user.json(*arguments)["steps"]}
    assert again == dict.fromkeys(STEPS, "reused") | {"register": "built"}
    assert user.store.get(name) == body


def test_gc_removes_only_when_told_and_only_what_nobody_needs(
    user: Corner, keys: dict[str, str], arguments: list[str], tiny: Path
) -> None:
    stray = f"steps/encode/{'a' * 64}/{'b' * 16}/train.arrow"
    user.store.put(stray, b"killed")
    before = user.keys()
    assert user.json("cache", "gc")["objects"] == []
    found = user.json("cache", "gc", "--grace", "0s")
    assert stray in [item["name"] for item in found["objects"]]
    kinds = {row["kind"]: row for row in found["kinds"]}
    strays = [item for item in found["objects"] if item["kind"] == "stray"]
    assert (kinds["stray"]["objects"], kinds["stray"]["size"]) == (len(strays), sum(item["size"] for item in strays))
    assert found["deleted"] is False
    assert "nothing was removed" in user.glueflow("cache", "gc", "--grace", "0s").stdout
    assert user.keys() == before
    assert stray in [item["name"] for item in user.json("cache", "gc", "--delete", "--grace", "0s")["objects"]]
    user.glueflow("cache", "gc", "--delete", "--grace", "0s", "--keep", "0s")
    assert user.keys("runs/") == user.keys("quarantine/") == user.keys("leases/") == set()
    again = user.json(*arguments)
    assert {step["state"] for step in again["steps"]} == {"reused"}
    assert user.json("cache", "gc", "--grace", "0s")["objects"] == []


def test_pin_and_unpin(user: Corner, keys: dict[str, str]) -> None:
    key = keys["encode"]
    user.glueflow("cache", "pin", key[:6], "--reason", "figures of the paper")
    assert json.loads(user.store.get(f"pins/{key}.json") or b"")["reason"] == "figures of the paper"
    users = {entry["key"]: entry["users"] for entry in user.json("cache", "list")}
    assert f"pin {key[:12]}" in users[key]
    assert f"pin {key[:12]}" in users[keys["fetch"]]
    assert user.json("cache", "unpin", key[:6]) == {"key": key}
    assert user.keys("pins/") == set()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["explain", "abc"], ["key", "'abc'", "6 to 64"]),
        (["explain", "abcdef0123"], ["key", "'abcdef0123'", "glueflow cache list"]),
        (["verify", "abcdef0123"], ["key", "'abcdef0123'", "glueflow cache list"]),
        (["gc", "--grace", "1 day"], ["grace", "'1 day'", "36h"]),
        (["gc", "--keep", "1w"], ["keep", "'1w'"]),
        (["pin", "abcdef0123", "--reason", "x"], ["key", "'abcdef0123'"]),
        (["pin", "abcdef0123"], ["--reason"]),
        (["unpin", "abcdef0123"], ["key", "'abcdef0123'", "none"]),
        (["list", "--step", "train"], ["--step", "train", "finetune"]),
    ],
)
def test_wrong_requests(inside: Corner, arguments: list[str], names: list[str]) -> None:
    line = refused("cache", *arguments)
    for name in names:
        assert name in line
    assert inside.keys() == set()


def test_a_fitting_beginning_of_two_keys_is_no_answer(inside: Corner) -> None:
    for end in "ab":
        inside.store.put(f"steps/fetch/abcdef{end * 58}/manifest.json", b"{}")
    assert "give more digits" in refused("cache", "explain", "abcdef")
