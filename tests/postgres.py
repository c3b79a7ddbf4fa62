"""A Postgres of a test's own, from Debian's package, on loopback and behind a password.

with postgres() as server:
    server.url    # postgresql+asyncpg://prefect:…@127.0.0.1:41235/postgres
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import pytest

PATIENCE = 60.0  # seconds to start


@dataclass(frozen=True)
class Postgres:
    """Where it is; any user of it is `prefect`."""

    port: int
    password: str

    def url(self, password: str = "") -> str:
        return f"postgresql+asyncpg://prefect:{password or self.password}@127.0.0.1:{self.port}/postgres"

    def ask(self, statement: str) -> str:
        """What psql prints for it."""
        where = ["--host=127.0.0.1", f"--port={self.port}", "--username=prefect", "--dbname=postgres"]
        found = subprocess.run(
            [program("psql"), *where, "--no-align", "--tuples-only", f"--command={statement}"],
            env={**os.environ, "PGPASSWORD": self.password},
            capture_output=True,
            text=True,
            check=True,
        )
        return found.stdout.strip()


def program(name: str) -> str:
    """Where it is: Debian keeps the server's programs out of PATH. The test is skipped where there is none."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if found := shutil.which(name) or (str(installed[-1]) if installed else None):
        return found
    pytest.skip(f"no `{name}` on this machine: apt-get install postgresql")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A new server in a folder of its own; root starts it as the user `postgres`, for as root it refuses to run."""
    user = "postgres" if os.geteuid() == 0 else None
    initialise, serve = program("initdb"), program("postgres")
    password, port = token_hex(16), free_port()
    with TemporaryDirectory() as name:  # not of pytest's, which only their owner may enter
        secret, data, log = Path(name, "password"), Path(name, "data"), Path(name, "log")
        secret.touch(mode=0o600)
        secret.write_text(password)
        data.mkdir(mode=0o700)
        if user:
            for each in (name, secret, data):
                shutil.chown(each, user)
        made = [f"--pgdata={data}", "--username=prefect", f"--pwfile={secret}", "--auth=scram-sha-256", "--no-sync"]
        subprocess.run([initialise, *made], cwd="/", user=user, check=True, capture_output=True)
        options = ["-c", "fsync=off", "-c", "unix_socket_directories="]  # its data need not outlive the machine
        with log.open("wb") as out:
            command = [serve, "-D", str(data), "-h", "127.0.0.1", "-p", str(port), *options]
            server = subprocess.Popen(command, cwd="/", user=user, stdout=out, stderr=out)
        try:
            wait(server, port, log)
            yield Postgres(port, password)
        finally:
            server.terminate()
            server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    ready = [program("pg_isready"), "--host=127.0.0.1", f"--port={port}"]
    while subprocess.run(ready, capture_output=True, check=False).returncode:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
