"""What a test begins with that is not about building it: real steps, done once in this process and shared by all tests.

asked = small(tiny, seed=7)
prepared(corner, asked)   # data, tokens, training and evaluation are in the corner's bucket
corner.json(*as_typed(asked))   # finds them and registers
finished(corner, asked)   # and its version is registered there, as a run leaves it but without Prefect
"""

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from tasks.core import runs
from tasks.core.artifact import MANIFEST, get_or_build
from tasks.core.command import command
from tasks.core.manifest import Manifest
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import Request
from tasks.core.registry import Version, load
from tasks.core.settings import Settings
from tasks.core.specs import GlueRun, Training
from tasks.steps.register import run as register
from tests.conftest import Corner
from tests.test_training import STEPS

Folders = Callable[[], Mapping[str, Path]]
SHARED = f"prepared-{os.environ.get('PYTEST_XDIST_TESTRUNUID', uuid4().hex)}/"  # of this test run's processes alone


def small(tiny: Path, epochs: int = 1, **changes: Any) -> GlueRun:
    """The run that is asked for wherever its size does not matter."""
    options = {"data": "sample:32", "checkpoint": f"file:{tiny}", "training": Training(epochs=epochs), **changes}
    return GlueRun.model_validate(options)


def as_typed(asked: GlueRun) -> list[str]:
    """The run as a user types it."""
    return shlex.split(command("run", asked))[1:]


def prepared(corner: Corner, asked: GlueRun) -> dict[str, Manifest]:
    """The manifests of the run's entries, copied from where the first test that asked for them had them built."""
    shared, bucket = replace(corner.store, prefix=SHARED), replace(corner.store, prefix="")
    known = corner.settings.model_copy(update={"home": corner.home.parent / "prepared"})
    found: dict[str, Manifest] = {}
    for step in plan(asked).steps[:-1]:
        inputs = {name: found[name] for name in step.inputs}
        found[step.step] = get_or_build(shared, known, step, inputs, partial(_build, known, step)).manifest
        for key in sorted(shared.sizes(f"{step.folder}/"), key=lambda key: key.endswith(MANIFEST)):
            bucket.copy(shared.prefix + key, corner.store.prefix + key)
    return found


def finished(corner: Corner, asked: GlueRun) -> Version:
    """The version that the run registered; entries that are there are reused."""
    planned = plan(asked)
    runs.begin(corner.store, planned, corner.settings.lease)
    manifests = prepared(corner, asked)
    step = planned.step("register")
    inputs = {name: manifests[name] for name in step.inputs}
    build = partial(register, corner.store, step, inputs)
    facts = get_or_build(corner.store, corner.settings, step, inputs, build).manifest.facts
    return load(corner.store, facts["name"], facts["version"])


def _build(known: Settings, step: PlannedStep, out: Path, folders: Folders) -> Any:
    places = {name: str(folder) for name, folder in folders().items()}
    return STEPS[step.step](
        step.spec, Request(step.step, {}, places, step.sources, str(out), str(known.cache), "cpu", 64)
    )
