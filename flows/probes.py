"""What the doctor asks of the store, of Prefect's server and of the hub."""

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from uuid import uuid4

from flows import services
from infra import stack
from tasks.core.errors import GlueflowError, Unavailable
from tasks.core.s3 import store_time
from tasks.core.settings import Settings
from tasks.core.store import Store, open_store

SKEW = 60  # seconds; S3 refuses requests from a clock that is 15 minutes off
PATIENCE = 5.0  # seconds for the hub's answer
State = Literal["good", "note", "wrong"]
Check = dict[str, Any]


def check(name: str, state: State | bool, found: str, remedy: str = "") -> Check:
    """A row of the doctor's table; True is good and False is wrong."""
    if isinstance(state, bool):
        state = "good" if state else "wrong"
    return {"name": name, "state": state, "found": found, "remedy": "" if state == "good" else remedy}


def store(known: Settings) -> Iterator[Check]:
    """Does it answer, tell the time, and keep what versions and entries rely on?"""
    try:
        found = open_store(known)
        found.check()
    except GlueflowError as error:
        yield check("store", False, str(error), "start it with `glueflow up`, or check GLUEFLOW_BUCKET and AWS_*")
        return
    yield check("store", True, found.uri(""))
    theirs = store_time(found.client.list_objects_v2(Bucket=found.bucket, MaxKeys=1))
    off = (datetime.now(UTC) - theirs).total_seconds()
    yield check("clock", abs(off) < SKEW, f"{abs(off):.0f} s from the store's", "set this machine's clock by NTP")
    key = f"doctor/{uuid4()}"
    try:
        yield _conditional_put(found, key)
        yield _checksum(found, key)
    except GlueflowError as error:
        yield check("rights", False, str(error), "the credentials must be able to write and delete")


def _conditional_put(store: Store, key: str) -> Check:
    """Two writers of one key: the second must be refused, to create, to replace and to delete, or versions and entries
    could be lost on this store."""
    other = '"0123456789abcdef0123456789abcdef"'
    first, second = store.create(key, b"first"), store.create(key, b"second")
    replaced, removed = store.swap(key, b"third", other), store.remove(key, other)
    sound = first and not second and not replaced and not removed and store.get(key) == b"first"
    store.delete(key)
    found = "enforced" if sound else "ignored"
    return check("conditional writes", sound, found, "use a store that honours If-None-Match and If-Match")


def _checksum(store: Store, key: str) -> Check:
    """Bytes that are not those of the SHA-256 sent with them must be refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(b"not these")
        try:
            store.upload(path, key, "0" * 64)
        except Unavailable:
            raise
        except GlueflowError:
            return check("checksums", True, "enforced")
    store.delete(key)
    remedy = "a file that is spoilt on its way is then found when it is read; better use a store that checks SHA-256"
    return check("checksums", "note", "ignored", remedy)


def server(known: Settings) -> Iterator[Check]:
    """Does it answer, with a version that ours can speak to, and does it let us in?"""
    running = stack.current(known.home)
    url = (known.api_url or (running.api_url if running else "")).rstrip("/")
    if not url:
        yield check("prefect server", False, "not running", "start it with `glueflow up`, or set PREFECT_API_URL")
        return
    try:
        services.answers(url)
        theirs = json.loads(_asked(f"{url}/admin/version", _login()))
    except HTTPError as error:
        remedy = "set PREFECT_API_AUTH_STRING" if error.code in (401, 403) else "is PREFECT_API_URL that of an API?"
        yield check("prefect server", False, f"{url} answers with {error.code}", remedy)
        return
    except (GlueflowError, OSError, ValueError) as error:
        yield check("prefect server", False, f"{url}: {error}", "start it, or correct PREFECT_API_URL")
        return
    ours = version("prefect")
    alike = theirs.split(".")[:2] == ours.split(".")[:2]
    yield check("prefect server", True, f"{url}, {'with a login' if _login() else 'without a login'}")
    yield check("prefect version", alike, f"{theirs}, ours is {ours}", "let server and client be of one minor version")


def _login() -> dict[str, str]:
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    key = os.environ.get("PREFECT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


def hub() -> Iterator[Check]:
    """Can hf:// be reached, and may its cache be written? Everything else goes without."""
    from huggingface_hub import constants

    need = "only hf:// needs it: HF_ENDPOINT names a mirror, HF_HUB_OFFLINE=1 keeps to what is here"
    if constants.HF_HUB_OFFLINE:
        yield check("hub", "note", "offline, by HF_HUB_OFFLINE", need)
    else:
        try:
            _asked(constants.ENDPOINT, {}, "HEAD")
            yield check("hub", True, constants.ENDPOINT)
        except OSError as error:
            reason = error.reason if isinstance(error, URLError) else error
            yield check("hub", "note", f"{constants.ENDPOINT} does not answer ({reason})", need)
    folder = Path(constants.HF_HOME)
    there = nearest(folder)
    fit = there.is_dir() and os.access(there, os.W_OK)
    yield check("hub's cache", fit, str(folder), "set HF_HOME to a folder that can be written")


def nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _asked(url: str, headers: dict[str, str], method: str = "GET") -> bytes:
    """The answer; raises OSError, of which HTTPError and URLError are kinds."""
    with urlopen(Request(url, headers=headers, method=method), timeout=PATIENCE) as answer:  # noqa: S310  # as checked
        return bytes(answer.read())
