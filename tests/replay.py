"""A whole run in a fraction of a second: the real five steps' get-or-build and registration, the work replayed.

    replay = Replay(store, home)
    replay.run()          # -> {"fetch": "<digest>", …, "register": "<digest>"}
    audit(store)          # every entry and version that is visible is whole; how many objects were compared

Each step runs on a machine of its own with an empty disk, so that its inputs are downloaded.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tasks.core import registry
from tasks.core.artifact import Folders, Outcome, get_or_build
from tasks.core.manifest import Manifest, parse
from tasks.core.plan import PlannedStep
from tasks.core.registration import lacking
from tasks.core.settings import Settings
from tasks.core.specs import EncodeSpec, EvaluateSpec, FetchSpec, FinetuneSpec, RegisterSpec, Training
from tasks.core.store import Store, object_key
from tasks.steps import register

TRAINING = Training().model_dump(exclude={"max_length", "precision"})
FILES = {
    "fetch": ("train.arrow",),
    "encode": ("train.arrow",),
    "finetune": ("config.json", "model.safetensors"),
    "evaluate": ("metrics.json", "validation.parquet"),
}


def steps(seed: int = 0) -> tuple[PlannedStep, ...]:
    """The five steps of a request, wired as `plan` does it."""
    checkpoint, data = "sha256:aa", "sample:v1:8"
    finetuning = FinetuneSpec(task="mrpc", checkpoint=checkpoint, seed=seed, precision="float32", **TRAINING)
    registering = RegisterSpec(task="mrpc", name="mrpc", data=data, checkpoint=checkpoint)
    fetch = PlannedStep("fetch", FetchSpec(task="mrpc", data=data), {}, {})
    encoding = EncodeSpec(task="mrpc", checkpoint=checkpoint, max_length=8)
    encode = PlannedStep("encode", encoding, {"fetch": fetch.key}, {})
    finetune = PlannedStep("finetune", finetuning, {"encode": encode.key}, {})
    evaluate = PlannedStep(
        "evaluate", EvaluateSpec(task="mrpc", precision="float32"), {"encode": encode.key, "finetune": finetune.key}, {}
    )
    inputs = {"finetune": finetune.key, "evaluate": evaluate.key}
    return fetch, encode, finetune, evaluate, PlannedStep("register", registering, inputs, {})


def last_steps(seed: int) -> tuple[PlannedStep, ...]:
    """Training, evaluation and registration alone; every seed registers under one name."""
    spec = FinetuneSpec(task="mrpc", checkpoint="sha256:aa", seed=seed, precision="float32", **TRAINING)
    finetune = PlannedStep("finetune", spec, {}, {})
    evaluate = PlannedStep("evaluate", EvaluateSpec(task="mrpc", precision="float32"), {"finetune": finetune.key}, {})
    registering = RegisterSpec(task="mrpc", name="mrpc", data="sample:v1:8", checkpoint="sha256:aa")
    inputs = {"finetune": finetune.key, "evaluate": evaluate.key}
    return finetune, evaluate, PlannedStep("register", registering, inputs, {})


@dataclass(frozen=True)
class Replay:
    """One run; `home` holds a folder for each step's machine."""

    store: Store
    home: Path
    lease: float = 30.0
    planned: tuple[PlannedStep, ...] = steps()

    def run(self) -> dict[str, Outcome]:
        """Every step in order, each made from what the ones before it gave. The outcome of each."""
        done: dict[str, Outcome] = {}
        for step in self.planned:
            inputs = {name: done[name].manifest for name in step.inputs}
            check = partial(lacking, self.store) if step.step == "register" else None
            known = Settings(home=self.home / step.step, lease=self.lease)
            build = partial(self.build, step, inputs)
            done[step.step] = get_or_build(self.store, known, step, inputs, build, check=check)
            read = {name: manifest.digest for name, manifest in inputs.items()}
            assert done[step.step].manifest.inputs == read, f"{step.step} was made from other bytes than those before"
        return done

    def build(self, step: PlannedStep, inputs: Mapping[str, Manifest], out: Path, folders: Folders) -> dict[str, Any]:
        """What the step would write, the same each time, made from all bytes that it reads."""
        if step.step == "register":
            return register.run(self.store, step, inputs, out, folders, describe=lambda *_: {})
        read = [path.read_bytes() for one in folders().values() for path in sorted(one.rglob("*")) if path.is_file()]
        for name in FILES[step.step]:
            (out / name).write_text(f"{step.step} {name} " + hashlib.sha256(b"".join(read)).hexdigest())
        return {"metrics": {"f1": 0.5}, "steps": 1, "planned_steps": 1}


@dataclass(frozen=True)
class Unrepeatable(Replay):
    """No two builds give the same bytes, as on a GPU."""

    numbers: Iterator[int] = field(default_factory=count)

    def build(self, step: PlannedStep, inputs: Mapping[str, Manifest], out: Path, folders: Folders) -> dict[str, Any]:
        facts, number = super().build(step, inputs, out, folders), next(self.numbers)
        for path in out.iterdir() if step.step != "register" else ():
            path.write_text(f"{path.read_text()} of build {number}")
        return facts | {"build": number}


def audit(store: Store) -> int:
    """Compare every file of every entry and version that is visible with its digest; their number."""
    compared = 0
    keys = store.sizes("")
    for key in keys:
        if key.startswith("steps/") and key.endswith("/manifest.json"):
            folder = key.removesuffix("/manifest.json")
            found = parse(store.get(key) or b"", *folder.split("/")[1:])
            assert isinstance(found, Manifest), f"{key}: {found}"
            for file in found.files:
                body = store.get(object_key(folder, file))
                assert body is not None, f"{folder} has no {file.path}"
                assert (len(body), hashlib.sha256(body).hexdigest()) == (file.size, file.sha256)
                compared += 1
    for number in registry.versions(store, "mrpc"):
        version = registry.load(store, "mrpc", number)
        assert f"models/mrpc/digests/{version.content}.json" in keys, "a second registration would not find it"
        for file in version.files:
            body = store.get(f"{version.folder}/{file.path}")
            assert body is not None, f"{version.folder} has no {file.path}"
            assert (len(body), hashlib.sha256(body).hexdigest()) == (file.size, file.sha256)
            compared += 1
    return compared
