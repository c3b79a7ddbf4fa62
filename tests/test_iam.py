"""Each role's policy on a real SeaweedFS with one identity a role: it does its whole job, and is refused at others'.

The store enforces the very documents of infra/iam: they stand in its configuration unchanged but for bucket and prefix.
"""

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import get_args

import pytest

from infra import servers
from infra.policies import Role, policy
from infra.stack import Stack
from tasks.core.errors import Denied
from tests.conftest import Corner
from tests.test_process import until
from tests.test_registry import register

PLACE = "s3://glueflow/team"
KEY = "ab" * 32
OBJECTS = (
    f"steps/fetch/{KEY}/manifest.json",
    f"steps/fetch/{KEY}/0123456789abcdef/train.parquet",
    f"checkpoints/{KEY}/00000010.json",
    f"leases/{KEY}.json",
    "runs/20261123T150000.123456Z-3f9c1a.json",
    f"quarantine/steps/fetch/{KEY}/reason.txt",
    f"predictions/{KEY}/part-00000-0123456789abcdef.parquet",
    "reports/mrpc@1/0123456789abcdef.html",
    f"pins/{KEY}.json",
    "models/other/claims/1.json",
    f"models/other/digests/{KEY}.json",
    "models/other/versions/1/manifest.json",
    "models/other/aliases/champion.json",
    "models/other/history/1.json",
    f"models/other/attached/{KEY}",
    "models/other/evidence/1/validation.parquet",
    "models/other/verdicts/1/20261123T150000.000000Z-3f9c1a.json",
    "models/other/aliases/versions/1",  # in IAM `*` stands for slashes, too
)
BUILT = {"steps", "checkpoints", "leases", "runs", "quarantine"}
VERSIONED = {"attached", "claims", "digests", "evidence", "versions"}
MOVED = {"aliases", "history", "verdicts"}
EVERYTHING = {*BUILT, *VERSIONED, *MOVED, "predictions", "reports", "pins"}
MAY: dict[Role, dict[str, set[str]]] = {
    "worker": {
        "get": EVERYTHING,
        "put": BUILT | VERSIONED | {"predictions", "reports"},
        "delete": {"manifest", "checkpoints", "leases", "predictions"},
    },
    "promoter": {"get": {"steps", *VERSIONED, *MOVED}, "put": MOVED, "delete": VERSIONED - {"attached"}},
    "reader": {"get": VERSIONED | MOVED, "put": set(), "delete": set()},
    "collector": {"get": EVERYTHING, "put": {"leases"}, "delete": BUILT | {"reports"} | VERSIONED - {"digests"}},
}
ROLES: tuple[Role, ...] = get_args(Role)


@pytest.fixture(scope="module")
def users(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Corner]]:
    """One user a role, and `owner`, who may do all, of one bucket in a store of their own."""
    home = tmp_path_factory.mktemp("iam")
    secrets = {name: servers.Keys(name, token_hex(20)) for name in (*ROLES, "owner")}
    identities = [
        {
            "name": name,
            "credentials": [{"accessKey": keys.access, "secretKey": keys.secret}],
            **({"actions": ["Admin"]} if name == "owner" else {"policyNames": [name]}),
        }
        for name, keys in secrets.items()
    ]
    policies = [{"name": role, "content": json.dumps(policy(role, PLACE))} for role in ROLES]
    (home / "s3.json").write_text(json.dumps({"identities": identities, "policies": policies}))
    port = random.SystemRandom().choice([port for port in servers.POOL["store"] if servers.is_free("store", port)])
    command, environment = servers.start_line("store", home, port, secrets["owner"])
    with (home / "log").open("wb") as log:
        weed = subprocess.Popen([*command, "-s3.config=s3.json"], cwd=home, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: servers.answers("store", port, secrets["owner"]) or None)
        yield {name: corner(stack, port, keys, home / name) for name, keys in secrets.items()}
    finally:
        weed.terminate()
        weed.wait()


def corner(stack: Stack, port: int, keys: servers.Keys, home: Path) -> Corner:
    environment = {
        "GLUEFLOW_HOME": str(home),
        "GLUEFLOW_BUCKET": PLACE,
        "AWS_ENDPOINT_URL_S3": servers.url(port),
        "AWS_ACCESS_KEY_ID": keys.access,
        "AWS_SECRET_ACCESS_KEY": keys.secret,
        "AWS_REGION": "us-east-1",
        "PREFECT_API_URL": stack.api_url,
    }
    return Corner(home, environment, "team")


@pytest.fixture(scope="module")
def built(users: dict[str, Corner], tiny: Path) -> Corner:
    """The worker, after a whole run."""
    small = ("--data", "sample:16", "--checkpoint", f"file:{tiny}", "--epochs", "1")
    found = users["worker"].json("run", "mrpc", *small)
    assert [step["state"] for step in found["steps"]] == ["built"] * 5
    assert found["model"]["version"] == 1
    return users["worker"]


def kind(key: str) -> set[str]:
    """What a right may be given on: the folder of the object; of models, the one below the name."""
    first, *_ = parts = key.split("/")
    return {parts[2]} if first == "models" else {first, "manifest"} if key.endswith("/manifest.json") else {first}


def refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Denied:
        return True
    return False


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_it_is_for_and_nothing_else(users: dict[str, Corner], role: Role) -> None:
    owner, user = users["owner"].store, users[role].store
    for key in OBJECTS:
        owner.put(key, b"as it was")
        assert refused(lambda: user.get(key)) == (not kind(key) & MAY[role]["get"]), key  # noqa: B023  # called at once
        assert refused(lambda: user.put(key, b"changed")) == (not kind(key) & MAY[role]["put"]), key  # noqa: B023  # called at once
        assert (owner.get(key) == b"changed") == bool(kind(key) & MAY[role]["put"]), key
        assert refused(lambda: user.delete(key)) == (not kind(key) & MAY[role]["delete"]), key  # noqa: B023  # called at once
        assert (owner.get(key) is None) == bool(kind(key) & MAY[role]["delete"]), key
        owner.delete(key)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_reaches_what_lies_beside_the_prefix(users: dict[str, Corner], role: Role) -> None:
    owner, user = (replace(users[name].store, prefix="teams/") for name in ("owner", role))
    owner.put("steps/a", b"another's")
    for attempt in (lambda: user.get("steps/a"), lambda: user.put("steps/a", b""), lambda: user.delete("steps/a")):
        assert refused(attempt)
    assert owner.get("steps/a") == b"another's"


def test_the_reader_predicts_and_pulls_and_cannot_run(built: Corner, users: dict[str, Corner], tmp_path: Path) -> None:
    reader, before = users["reader"], built.store.sizes("")
    assert reader.json("predict", "mrpc", "He ate.", "He had a meal.")["model"] == "mrpc@1"
    reader.glueflow("models", "pull", "mrpc@1", str(tmp_path / "pulled"))
    assert (tmp_path / "pulled" / "model.safetensors").is_file()
    said = reader.glueflow("run", "mrpc", "--data", "sample:16", status=1).stderr.splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: store: cannot write runs/")
    assert "AccessDenied" in said[0]
    assert built.store.sizes("") == before


def test_the_collector_removes_garbage_and_nothing_of_models(built: Corner, users: dict[str, Corner]) -> None:
    owner, collector = users["owner"].store, users["collector"]
    garbage = {f"steps/fetch/{KEY}/0123456789abcdef/x", f"checkpoints/{KEY}/00000010.json", "quarantine/x/reason.txt"}
    for key in garbage:
        owner.put(key, b"left over")
    place = {"Bucket": "glueflow", "Key": "team/models/mrpc/versions/9/model.safetensors"}
    owner.client.create_multipart_upload(**place)
    before = owner.sizes("")
    found = collector.json("cache", "gc", "--delete", "--grace", "0s", "--keep", "0s")
    runs = {key for key in before if key.startswith("runs/")}
    assert {each["name"] for each in found["objects"]} == garbage | runs | {place["Key"].removeprefix("team/")}
    assert owner.sizes("").keys() == before.keys() - garbage - runs
    assert owner.uploads() == []
    said = collector.glueflow("run", "mrpc", "--data", "sample:16", status=1).stderr.splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: store: cannot write runs/")


@pytest.mark.parametrize("role", ["worker", "promoter", "reader"])
def test_nobody_but_the_collector_collects(built: Corner, users: dict[str, Corner], role: Role) -> None:
    users["owner"].store.put("quarantine/y/reason.txt", b"left over")
    said = users[role].glueflow("cache", "gc", "--delete", "--grace", "0s", status=1).stderr.splitlines()
    assert len(said) == 1
    assert "AccessDenied" in said[0]
    assert built.store.get("quarantine/y/reason.txt") == b"left over"


def test_the_promoter_moves_an_alias_by_compare_and_swap_and_the_worker_does_not(users: dict[str, Corner]) -> None:
    alias = "models/mrpc/aliases/champion.json"
    promoter, worker = users["promoter"].store, users["worker"].store
    tag = promoter.created(alias, b'{"version": 1}')
    assert tag
    assert refused(lambda: worker.swap(alias, b'{"version": 2}', tag))
    assert promoter.swap(alias, b'{"version": 3}', tag)
    assert promoter.swap(alias, b'{"version": 4}', tag) is None
    assert worker.get(alias) == b'{"version": 3}'


def test_the_promoter_promotes_rolls_back_and_deletes_and_the_worker_does_not(
    built: Corner, users: dict[str, Corner], tmp_path: Path
) -> None:
    promoter, worker = users["promoter"], users["worker"]
    assert register(built, tmp_path, "another") == 2
    forced = ("models", "promote", "mrpc@1", "--force", "--reason", "the first")
    said = worker.glueflow(*forced, status=1).stderr
    assert "cannot write models/mrpc/verdicts/" in said
    assert promoter.json(*forced)["moved"]
    assert "AccessDenied" in worker.glueflow("models", "delete", "mrpc@2", "--reason", "x", status=1).stderr
    promoter.glueflow("models", "delete", "mrpc@2", "--reason", "x")
    assert promoter.store.sizes("models/mrpc/versions/2/") == {}


def test_a_policy_names_the_bucket_and_needs_one(users: dict[str, Corner]) -> None:
    for role in ROLES:
        assert users["reader"].json("policy", role) == policy(role, PLACE)
    whole = json.dumps(policy("reader", "s3://glueflow"))
    assert "arn:aws:s3:::glueflow/models/*" in whole
    assert "$" not in whole
    said = users["reader"].glueflow("policy", "owner", status=2).stderr
    assert "promoter" in said
