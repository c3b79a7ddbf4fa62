"""infra/compose.yaml: valid by Compose's own schema and program, closed to the outside, and slow enough to end well."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import servers
from infra.servers import Keys
from tasks.core.process import PATIENCE

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "infra" / "compose.yaml"
SECRETS = {"DATABASE_PASSWORD", "PREFECT_LOGIN", "STORE_ACCESS_KEY", "STORE_SECRET_KEY"}
OURS = {"server", "store", "deploy", "worker", "gpu"}


def program() -> list[str]:
    """Docker's Compose, in its newer form as docker's plug-in or its older one."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return [docker, "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("docker compose is not installed; apt-get install docker-compose brings it")


def compose(text: str, folder: Path, **values: str) -> "subprocess.CompletedProcess[str]":
    """`compose config` of that file, with those values and nothing else of the environment."""
    (folder / "compose.yaml").write_text(text)
    command = [*program(), "--profile", "gpu", "--file", str(folder / "compose.yaml"), "config"]
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "COMPOSE_PROJECT_NAME": "test",
        **values,
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def schema(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """What the schema of the Compose specification says."""
    (folder / "compose.yaml").write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*command, folder / "compose.yaml"], capture_output=True, text=True, check=False)


@pytest.fixture
def filled() -> dict[str, str]:
    return {name: f"a-{name.lower()}" for name in SECRETS}


@pytest.fixture
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text())["services"])


def test_compose_itself_reads_the_file(tmp_path: Path, filled: dict[str, str]) -> None:
    found = compose(FILE.read_text(), tmp_path, **filled)
    assert found.returncode == 0, found.stderr
    services = yaml.safe_load(found.stdout)["services"]
    assert set(services) == OURS | {"database"}
    assert services["worker"]["environment"]["PREFECT_API_AUTH_STRING"] == filled["PREFECT_LOGIN"]
    assert services["server"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"] == filled["PREFECT_LOGIN"]


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_without_a_secret_nothing_starts(tmp_path: Path, filled: dict[str, str], name: str) -> None:
    for values in ({**filled, name: ""}, {other: filled[other] for other in SECRETS - {name}}):
        found = compose(FILE.read_text(), tmp_path, **values)
        assert found.returncode != 0
        assert "fill in infra/.env" in found.stderr


def test_compose_refuses_what_cannot_be(tmp_path: Path, filled: dict[str, str]) -> None:
    text = FILE.read_text()
    spoilt = text.replace("depends_on: {server:", "depends_on: {nowhere:")
    assert spoilt != text
    assert compose(spoilt, tmp_path, **filled).returncode != 0


def test_the_file_fits_the_schema(tmp_path: Path) -> None:
    found = schema(FILE.read_text(), tmp_path)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("stop_grace_period:", "stop_grace:"),
        ("condition: service_healthy", "condition: [x]"),
        ("init: true", "init: 7"),
    ],
)
def test_what_does_not_fit_the_schema_is_found(tmp_path: Path, old: str, new: str) -> None:
    text = FILE.read_text()
    assert old in text
    assert schema(text.replace(old, new), tmp_path).returncode == 1


def test_the_example_names_every_secret_and_gives_none() -> None:
    lines = (ROOT / "infra" / "example.env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert {name for name, value in values.items() if not value} == SECRETS
    asked = set(re.findall(r"\$\{(\w+)", FILE.read_text()))
    assert asked <= set(values)


def test_only_loopback_is_published_and_nothing_is_privileged(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == ("no" if name == "deploy" else "unless-stopped"), name
        assert ("healthcheck" in service) == (name != "deploy"), name
    assert "ports" not in services["database"]
    assert services["database"]["networks"] == ["database"]


def test_a_worker_has_the_time_to_save(services: dict[str, Any]) -> None:
    for name in ("worker", "gpu"):
        assert int(services[name]["stop_grace_period"].removesuffix("s")) >= 2 * PATIENCE


def test_the_store_is_as_closed_as_the_local_one(services: dict[str, Any], tmp_path: Path) -> None:
    """Each flag that closes something in the local stack is there, too; where it listens and keeps files differs."""
    local, _ = servers.start_line("store", tmp_path, 8333, Keys("a", "b"))
    own = ("-dir", "-ip", "-bucket", "-volume.preStop", "-master.volumeSize", "-master.port", "-volume.port")
    own += ("-filer.port", "-admin.port", "-s3.localSocket", "-filer.localSocket")
    assert {flag for flag in local[1:] if not flag.startswith(own)} <= set(services["store"]["command"])
