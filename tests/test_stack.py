"""The local stack with real servers: who is answered, on which sockets, what outlives a stop."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.stack import Stack, current, down, up

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("full")
    yield home
    down(home)


@pytest.fixture
def full(full_home: Path) -> Stack:
    """Store and Prefect, started once for this file."""
    return up(full_home)


def client(where: Stack) -> Any:
    config = Config(proxies={}, retries={"total_max_attempts": 3}, request_checksum_calculation="when_required")
    keys = {"aws_access_key_id": where.access_key, "aws_secret_access_key": where.secret_key}
    return boto3.client("s3", endpoint_url=where.endpoint, region_name="us-east-1", config=config, **keys)


def put(where: Stack, key: str, body: bytes) -> None:
    client(where).put_object(Bucket=where.bucket, Key=key, Body=body)


def read(where: Stack, key: str) -> bytes:
    return client(where).get_object(Bucket=where.bucket, Key=key)["Body"].read()


def ask(url: str, body: dict[str, Any] | None = None, method: str | None = None, **headers: str) -> Any:
    """The answer, asked for once: a status of an error raises."""
    data, headers = json.dumps(body).encode() if body else None, {"Content-Type": "application/json", **headers}
    return urlopen(Request(url, data, headers, method=method), timeout=60)  # noqa: S310  # loopback


def processes_in(home: Path) -> list[psutil.Process]:
    """Every process that works below `home`: the servers and whatever they started."""
    found = []
    for process in psutil.process_iter(["cwd", "status"]):
        if (
            process.info["cwd"]
            and Path(process.info["cwd"]).is_relative_to(home)
            and process.info["status"] != "zombie"
        ):
            found.append(process)
    return found


def sockets_of(where: Stack) -> list[Any]:
    family = [psutil.Process(process.pid) for process in where.processes.values()]
    family += [child for process in family for child in process.children(recursive=True)]
    return [held for process in family for held in process.net_connections("inet")]


def test_store_keeps_objects_and_prefect_serves_its_api_and_pages(full: Stack) -> None:
    put(full, "some/key", b"bytes")
    assert read(full, "some/key") == b"bytes"
    assert ask(f"{full.api_url}/health").status == 200
    page = ask(full.ui_url, Accept="text/html")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"<html" in page.read().lower()
    assert json.load(ask(f"{full.ui_url}/ui-settings"))["api_url"] == full.api_url


@pytest.mark.skipif(
    version("sqlalchemy") >= "2.1",
    reason="Prefect 3.8's scheduler fails under SQLAlchemy 2.1: its bulk insert is refused",
)
def test_services_that_deployments_need_run(full: Stack) -> None:
    """A scheduled deployment gets runs from the server alone."""
    flow = json.load(ask(f"{full.api_url}/flows/", {"name": "probe"}))["id"]
    every = {"schedule": {"interval": 3600, "anchor_date": "2024-01-01T00:00:00Z"}, "active": True}
    made = {"name": "probe", "flow_id": flow, "schedules": [every], "enforce_parameter_schema": False}
    deployment = json.load(ask(f"{full.api_url}/deployments/", made))["id"]
    wanted = {"deployments": {"id": {"any_": [deployment]}}}
    deadline = time.monotonic() + 30  # the scheduler looks every 5 s
    while not (runs := json.load(ask(f"{full.api_url}/flow_runs/count", wanted))) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert runs > 0


def test_many_write_at_once_and_each_is_answered(full: Stack) -> None:
    """With SQLite, as runs do that a worker starts: Prefect's server alone turns most of these away as it is busy."""
    flow = json.load(ask(f"{full.api_url}/flows/", {"name": "many"}))["id"]

    def write(worker: int) -> list[dict[str, Any]]:
        runs = [json.load(ask(f"{full.api_url}/flow_runs/", {"flow_id": flow})) for _ in range(5)]
        for run in runs:
            ask(f"{full.api_url}/flow_runs/{run['id']}/labels", {"worker": str(worker)}, "PATCH")
            ask(f"{full.api_url}/flow_runs/{run['id']}/set_state", {"state": {"type": "RUNNING"}}, "POST")
        return [json.load(ask(f"{full.api_url}/flow_runs/{run['id']}")) for run in runs]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(write, range(16)))
    wanted = [[(str(worker), "RUNNING")] * 5 for worker in range(16)]
    assert [[(run["labels"]["worker"], run["state_type"]) for run in runs] for runs in found] == wanted


def test_second_up_starts_nothing(full: Stack, full_home: Path) -> None:
    said: list[str] = []
    assert up(full_home, said.append) == full == current(full_home)
    assert said == []


def test_wrong_credentials_are_refused(full: Stack) -> None:
    for wrong in (replace(full, secret_key="0" * 40), replace(full, access_key="0" * 20)):
        with pytest.raises(ClientError) as refused:
            client(wrong).head_bucket(Bucket=full.bucket)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_nobody_reads_or_deletes_unsigned(full: Stack) -> None:
    """SeaweedFS's other ports, open as they come, hand out objects and delete a bucket's data on a GET."""
    put(full, "kept", b"a secret of ours")
    ports = {held.laddr.port for held in sockets_of(full) if held.status == psutil.CONN_LISTEN}
    ways = ["/glueflow/kept", "/buckets/glueflow/kept", "/col/delete?collection=glueflow"]
    for port in ports - {full.ports["prefect"]}:
        for way in ways:
            line = HTTPConnection("127.0.0.1", port, timeout=5)
            try:
                line.request("GET", way)
                answer = line.getresponse()
                assert b"a secret of ours" not in answer.read()
            except (OSError, HTTPException):
                continue  # gRPC speaks no HTTP/1
            finally:
                line.close()
    assert read(full, "kept") == b"a secret of ours"


def test_listens_on_loopback_only(full: Stack) -> None:
    held = sockets_of(full)
    assert {full.ports["store"], full.ports["prefect"]} <= {one.laddr.port for one in held}
    assert {one.laddr.ip for one in held} == {"127.0.0.1"}


def test_pages_of_other_sites_may_not_call_the_api(full: Stack) -> None:
    def allowed(origin: str) -> str | None:
        return ask(f"{full.api_url}/health", Origin=origin).headers["Access-Control-Allow-Origin"]

    assert allowed(full.ui_url) == full.ui_url
    assert allowed("http://elsewhere.example") is None


def test_keys_are_for_the_owner_alone(full: Stack, full_home: Path) -> None:
    folder = full_home / "stack"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "stack.json").stat().st_mode & 0o777 == 0o600
    assert full.secret_key not in repr(full)
    for process in full.processes.values():
        assert full.secret_key not in " ".join(psutil.Process(process.pid).cmdline())


def test_data_and_keys_outlive_a_stop(full: Stack, full_home: Path) -> None:
    put(full, "outlives", b"the stop")
    ask(f"{full.api_url}/variables/", {"name": "outlives", "value": "the stop"})
    assert sorted(down(full_home)) == ["prefect", "store"]
    assert processes_in(full_home) == []
    assert current(full_home) is None
    assert down(full_home) == []
    again = up(full_home)
    assert (again.access_key, again.secret_key) == (full.access_key, full.secret_key)
    assert read(again, "outlives") == b"the stop"
    assert json.load(ask(f"{again.api_url}/variables/name/outlives"))["value"] == "the stop"


def test_two_homes_are_two_stores(tmp_path: Path) -> None:
    homes = tmp_path / "one", tmp_path / "two"
    try:
        one, two = (up(home, prefect=False) for home in homes)
        put(one, "mine", b"one")
        put(two, "mine", b"two")
        assert (read(one, "mine"), read(two, "mine")) == (b"one", b"two")
        with pytest.raises(ClientError):
            client(replace(one, endpoint=two.endpoint)).head_bucket(Bucket=two.bucket)
        assert (one.api_url, one.ui_url, list(one.processes)) == ("", "", ["store"])
        assert current(homes[0]) == one
    finally:
        with ThreadPoolExecutor() as pool:
            assert list(pool.map(down, homes)) == [["store"], ["store"]]
