"""Where drills take place: a prefix of the bucket and a folder, both removed at the end, and a small pipeline to run.

with open_ground(settings, store, environment) as ground:
    ground.site().run()       # in an empty corner of it, compared with the undisturbed run
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tasks.core import verify
from tasks.core.errors import GlueflowError
from tasks.core.manifest import Manifest
from tasks.core.resolve import packaged_folder
from tasks.core.settings import Settings
from tasks.core.store import Store

RUN = ["run", "mrpc", "--data", "sample:400", "--init", "random", "--epochs", "12", "--precision", "float32", "--json"]
MODEL = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": 30_522} | {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 128,
}  # fmt: skip
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")
OFTEN = {  # much happens in little time
    "GLUEFLOW_SAVE_EVERY": "0.01",
    "GLUEFLOW_SAVE_SHARE": "1",
    "GLUEFLOW_LEASE": "2",
    "GLUEFLOW_RETRY_DELAY": "0.5",
}


class NotSurvived(GlueflowError):
    """What was found instead of what should have been; one line."""


@dataclass
class Ground:
    """Where drills take place: a part of the bucket, a folder, a model."""

    store: Store
    home: Path
    environment: dict[str, str]
    digests: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def site(self) -> "Site":
        """A fresh corner of it."""
        name = uuid4().hex[:8]
        store = Store(self.store.client, self.store.bucket, f"{self.store.prefix}{name}/")
        return Site(self, store, self.home / name)


@dataclass
class Site:
    """One empty bucket and disk on which a pipeline is run, again and again."""

    ground: Ground
    store: Store
    home: Path

    def start(self, *before: str) -> "subprocess.Popen[str]":
        command = [
            sys.executable,
            "-m",
            *(before or ("flows.cli",)),
            *RUN,
            "--checkpoint",
            f"file:{self.ground.home}/model",
        ]
        own = {"GLUEFLOW_HOME": str(self.home), "GLUEFLOW_BUCKET": self.store.uri("").rstrip("/")}
        return subprocess.Popen(
            command,
            env={**os.environ, **self.ground.environment, **OFTEN, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *before: str) -> dict[str, Any]:
        """Run to the end and compare what came out with the undisturbed run."""
        return self.ended(self.start(*before))

    def ended(self, run: "subprocess.Popen[str]") -> dict[str, Any]:
        out, errors = run.communicate()
        if run.returncode:
            raise NotSurvived(f"the run ended with status {run.returncode}: {errors.strip()[-300:]}")
        self.check()
        found = self.digests()
        if self.ground.digests and found != self.ground.digests:
            raise NotSurvived(f"other bytes than undisturbed: {sorted(found.items() ^ self.ground.digests.items())}")
        return dict(json.loads(out))

    def manifests(self) -> dict[str, Manifest]:
        """The entries that can be seen, by step."""
        names = [name for name in self.store.sizes("steps/") if name.endswith("/manifest.json")]
        return {name.split("/")[1]: Manifest.model_validate_json(self.store.get(name) or b"") for name in names}

    def digests(self) -> dict[str, str]:
        """Of each entry, and of each version of the model, which stands for its registration."""
        folder = "models/mrpc/versions/"
        versions = {name for name in self.store.sizes(folder) if name.endswith("/manifest.json")}
        content = {name: json.loads(self.store.get(name) or b"")["content"] for name in versions}
        entries = {step: manifest.digest for step, manifest in self.manifests().items() if step != "register"}
        return entries | content

    def check(self) -> None:
        """Every byte of what can be seen."""
        if wrong := verify.verify(self.store, [*verify.entries(self.store), *verify.versions(self.store)]):
            raise NotSurvived(f"{wrong[0].folder} can be seen and is damaged: {wrong[0].reason}")

    def built_once(self, before: dict[str, Manifest]) -> None:
        """None of the entries of `before` was built again."""
        after = self.manifests()
        if again := [step for step, manifest in before.items() if after.get(step) != manifest]:
            raise NotSurvived(f"{', '.join(again)}: finished before, and built again")

    def training(self, run: "subprocess.Popen[str]") -> None:
        """Wait until the training has saved its state."""
        while not any(name.count("/") == 2 for name in self.store.sizes("checkpoints/")):
            if run.poll() is not None:
                raise NotSurvived(f"the run ended before it saved anything: {run.communicate()[1].strip()[-300:]}")
            time.sleep(0.05)


@contextmanager
def open_ground(known: Settings, store: Store, environment: dict[str, str]) -> Iterator[Ground]:
    """A prefix and a folder for drills, removed at the end."""
    name = f"drill-{uuid4().hex[:8]}"
    place = Ground(Store(store.client, store.bucket, f"{store.prefix}{name}/"), known.home / name, environment)
    model = place.home / "model"
    model.mkdir(parents=True)
    try:
        (model / "config.json").write_text(json.dumps(MODEL))
        for file in TOKENIZER:
            shutil.copy(packaged_folder() / file, model)
        yield place
    finally:
        shutil.rmtree(place.home)
        for key in place.store.sizes(""):
            place.store.delete(key)
