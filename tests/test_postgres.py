"""Prefect's server on Postgres, for more than one user: the password stays secret, and many runs at once end well."""

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra import database, stack
from infra.stack import Stack
from tasks.core.errors import Unavailable, WrongRequest
from tests.benchmarks.load import through
from tests.conftest import FULL, make_corner
from tests.postgres import Postgres, postgres
from tests.served import Place


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as found:
        yield found


@pytest.fixture
def running(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Stack]]:
    """A stack whose Prefect keeps its data in Postgres, and its home."""
    monkeypatch.setenv(database.VARIABLE, server.url())
    home = tmp_path / "home"
    yield home, stack.up(home)
    stack.down(home)


@pytest.mark.slow
def test_the_server_uses_it_and_the_password_stays_secret(
    running: tuple[Path, Stack], server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, where = running
    assert server.ask("select to_regclass('flow_run') is not null") == "t"
    assert "pg_trgm" in server.ask("select extname from pg_extension")
    assert not list((home / "stack" / "prefect").glob("prefect.db"))
    assert where.database == server.url("***")
    family = [psutil.Process(process.pid) for process in where.processes.values()]
    lines = [each.cmdline() for one in family for each in (one, *one.children(recursive=True))]
    assert server.password not in json.dumps(lines)
    written = [path for path in (home / "stack").rglob("*") if path.is_file() and path.suffix in (".json", ".log", "")]
    assert {"stack.json", "prefect.log"} <= {path.name for path in written}
    assert not [path for path in written if server.password.encode() in path.read_bytes()]
    assert stack.up(home) == where  # the same again
    monkeypatch.setenv(database.VARIABLE, "")
    with pytest.raises(WrongRequest, match="glueflow down"):
        stack.up(home)
    monkeypatch.delenv(database.VARIABLE)
    assert stack.up(home) == where  # whoever says nothing takes what runs
    stack.down(home)
    with pytest.raises(WrongRequest, match="is not set, but the server was on") as refused:
        stack.up(home)
    assert server.password not in str(refused.value)
    monkeypatch.setenv(database.VARIABLE, server.url("not-the-password"))
    with pytest.raises(Unavailable, match="password authentication failed") as failed:
        stack.up(home)
    assert "not-the-password" not in str(failed.value)
    assert "not-the-password" not in (home / "stack" / "prefect.log").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_runs_through_four_slots(running: tuple[Path, Stack], tiny: Path, server: Postgres) -> None:
    """Four trainings and the runs that find their steps there, four at once, on one real worker."""
    slots = 100 if FULL else 16
    home, where = running
    found = through(Place(make_corner(where, home / "user"), where, tiny), slots, 4)
    print(f"Postgres: {found}")
    assert found.problems(slots) == []
    counted = "select state_name, count(*) from flow_run where deployment_id is not null group by 1"
    assert server.ask(counted) == f"Completed|{slots}"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://prefect:s3cret@db/prefect", "postgresql://prefect:***@db/prefect' is not allowed"),
        ("postgresql+asyncpg://prefect:s3cret@/prefect", "give postgresql+asyncpg://USER"),
        ("s3cret", "it is no address"),
        ("postgresql+asyncpg://prefect@db/prefect?password=s3cret", "nothing may come after the database"),
        ("mysql://prefect:s3cret@db/prefect", "give postgresql+asyncpg://USER"),
    ],
)
def test_another_address_is_refused_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    monkeypatch.setenv(database.VARIABLE, address)
    with pytest.raises(WrongRequest) as refused:
        stack.up(tmp_path)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert not stack.current(tmp_path)
    assert not list((tmp_path / "stack").glob("*.log"))
