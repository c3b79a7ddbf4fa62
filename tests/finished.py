"""A run finished in this process, without Prefect: its entries and its version in the bucket, as a run leaves them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tasks.core import runs
from tasks.core.artifact import get_or_build
from tasks.core.manifest import Manifest
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import Request
from tasks.core.registry import Version, load
from tasks.core.specs import GlueRun
from tasks.steps.register import run as register
from tests.conftest import Corner
from tests.test_training import STEPS

Folders = Callable[[], Mapping[str, Path]]


def finished(corner: Corner, asked: GlueRun) -> Version:
    """The version that the run registered; entries that are there are reused."""
    planned = plan(asked)
    runs.begin(corner.store, planned, corner.settings.lease)
    manifests: dict[str, Manifest] = {}
    for step in planned.steps:
        inputs = {name: manifests[name] for name in step.inputs}
        build = partial(_build, corner, step, inputs)
        manifests[step.step] = get_or_build(corner.store, corner.settings, step, inputs, build).manifest
    facts = manifests["register"].facts
    return load(corner.store, facts["name"], facts["version"])


def _build(corner: Corner, step: PlannedStep, inputs: Mapping[str, Manifest], out: Path, folders: Folders) -> Any:
    if step.step == "register":
        return register(corner.store, step, inputs, out, folders)
    places = {name: str(folder) for name, folder in folders().items()}
    cache = str(corner.settings.cache)
    return STEPS[step.step](step.spec, Request(step.step, {}, places, step.sources, str(out), cache, "cpu", 16))
