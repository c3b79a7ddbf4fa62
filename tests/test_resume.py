"""A training that was cut off goes on where it was, bit for bit; a saved state is whole or it does not count."""

import os
import shutil
import signal
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import Denied, GlueflowError, Preempted, Unavailable
from tasks.core.files import content_digest, entries
from tasks.core.keys import digest
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import Request
from tasks.core.progress import Saved, listening
from tasks.core.resume import Uploads, clear, restore, save
from tasks.core.specs import GlueRun, Training
from tasks.models.metrics import scores
from tasks.steps import encode, fetch, finetune
from tests.conftest import Corner

KEY = digest("a training")


class Workshop:
    """One encoded data set, and as many trainings of it as are asked for."""

    def __init__(self, folder: Path, tiny: Path, **training: Any) -> None:
        self.folder = folder
        options = Training(**{"epochs": 3, "batch_size": 8, "learning_rate": 1e-3, **training})
        asked = plan(GlueRun(data="sample:40", checkpoint=f"file:{tiny}", training=options))
        for step, run in zip(asked.steps, (fetch.run, encode.run), strict=False):
            run(step.spec, self.request(step, self.new(step.step)))
        self.step = asked.steps[2]

    def new(self, name: str) -> Path:
        (self.folder / name).mkdir()
        return self.folder / name

    def request(self, step: PlannedStep, out: Path, resume: str = "", every: float = 1e9) -> Request:
        inputs = {name: str(self.folder / name) for name in step.inputs}
        cache = str(self.folder / "cache")
        return Request(
            step.step, step.spec.model_dump(), inputs, step.sources, str(out), cache, "cpu", 64, every, inf, resume
        )

    def train(
        self, name: str, resume: str = "", every: float = 1e9, keep: Callable[[Saved], None] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Digest of what the training wrote, and its facts but those that may differ."""
        out = self.new(name)
        with listening(lambda _: None, keep):
            facts = finetune.run(self.step.spec, self.request(self.step, out, resume, every))
        assert facts.pop("resumed_from") == (int(Path(resume).name) if resume else 0)
        del facts["samples_per_second"]
        return content_digest(entries(out)), facts


@pytest.mark.parametrize(
    "training",
    [{"precision": "float32"}, {"precision": "bfloat16", "early_stopping": 1, "learning_rate": 1e-2, "epochs": 6}],
    ids=["float32", "bfloat16, stopped early"],
)
def test_continued_from_any_step_it_ends_with_the_same_bytes(
    tmp_path: Path, tiny: Path, training: dict[str, Any]
) -> None:
    """Weights, metrics and every logged loss, from a state of each step, within epochs and between them."""
    workshop = Workshop(tmp_path, tiny, **training)
    saved: list[str] = []

    def keep(state: Saved) -> None:
        saved.append(shutil.move(state.folder, tmp_path / "saved" / str(state.step)))

    (tmp_path / "saved").mkdir()
    undisturbed = workshop.train("undisturbed")
    assert workshop.train("saving", every=1e-9, keep=keep) == undisturbed
    facts = undisturbed[1]
    assert len(saved) == facts["steps"] - 1
    assert (facts["ended"] == "early stop") == ("early_stopping" in training)
    assert (facts["steps"] < facts["planned_steps"]) == ("early_stopping" in training)
    for folder in saved:
        files = {path.name for path in Path(folder).iterdir()}
        assert {Path(name).suffix for name in files} <= {".safetensors", ".json"}, "no pickle leaves the process"
        assert workshop.train(f"from {Path(folder).name}", resume=folder) == undisturbed
    print(f"continued from {len(saved)} of {facts['steps']} steps: the same weights, metrics and losses each time")


def test_told_to_end_in_an_evaluation_it_is_saved_after_it(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = Workshop(tmp_path, tiny)
    undisturbed = workshop.train("undisturbed")
    saved: list[str] = []

    def told(*arguments: Any) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return scores(*arguments)

    def keep(state: Saved) -> None:
        saved.append(shutil.move(state.folder, tmp_path / "saved" / str(state.step)))

    (tmp_path / "saved").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(finetune, "scores", told)
        with pytest.raises(Preempted):
            workshop.train("told", keep=keep)
    assert [Path(folder).name for folder in saved] == [str(undisturbed[1]["steps"] // 3)]
    assert workshop.train("resumed", resume=saved[0]) == undisturbed


def state(folder: Path, step: int, best: bytes = b"best weights") -> Saved:
    """Files as a training hands them over."""
    place = folder / str(step)
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(b"weights after %d" % step)
    (place / "best.safetensors").write_bytes(best)
    (place / "state.json").write_text("{}")
    return Saved(step, str(place))


def test_the_newest_two_are_kept_and_a_file_they_share_is_stored_once(corner: Corner, tmp_path: Path) -> None:
    for step in (10, 20, 30):
        save(corner.store, KEY, state(tmp_path, step))
    keys = corner.keys(f"checkpoints/{KEY}/")
    manifests = {key.rpartition("/")[2] for key in keys if key.count("/") == 2}
    assert manifests == {"00000020.json", "00000030.json"}
    assert len([key for key in keys if key.endswith("best.safetensors")]) == 1
    assert len(keys) == 2 + 1 + 1 + 2  # manifests, best weights, state.json, two different weights
    assert restore(corner.store, KEY, tmp_path / "back") == 30
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == b"weights after 30"
    clear(corner.store, KEY)
    assert corner.keys() == set()
    assert restore(corner.store, KEY, tmp_path / "none") == 0


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "00000030.json"])
def test_a_damaged_state_is_set_aside_and_the_one_before_it_taken(
    corner: Corner, tmp_path: Path, damage: str, name: str
) -> None:
    save(corner.store, KEY, state(tmp_path, 20))
    before = corner.keys()
    (tmp_path / "20").rename(tmp_path / "twenty")
    later = state(tmp_path, 30)
    (Path(later.folder) / "state.json").write_text('{"other": 1}')
    save(corner.store, KEY, later)
    key = next(key for key in corner.keys() - before if key.endswith(name))
    body = corner.store.get(key) or b""
    if damage == "remove":
        corner.store.delete(key)
    else:
        corner.store.put(key, {"flip": bytes([body[0] ^ 1]) + body[1:], "truncate": body[:-1], "empty": b""}[damage])
    assert restore(corner.store, KEY, tmp_path / "back") == 20
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == b"weights after 20"
    if (damage, name) != ("remove", "00000030.json"):  # then it was never visible
        reasons = [key for key in corner.keys("quarantine/") if key.endswith("reason.txt")]
        assert len(reasons) == 1
    shutil.rmtree(tmp_path / "back")
    save(corner.store, KEY, later)  # the training comes by again
    assert restore(corner.store, KEY, tmp_path / "back") == 30


def test_a_state_that_was_cut_off_while_it_was_uploaded_is_invisible(
    corner: Corner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(corner.store, KEY, state(tmp_path, 20))

    def cut(*_: Any) -> None:
        raise Unavailable("store: away")

    monkeypatch.setattr(type(corner.store), "put", cut)  # the files are there, the manifest is not
    with pytest.raises(Unavailable):
        save(corner.store, KEY, state(tmp_path, 30))
    assert restore(corner.store, KEY, tmp_path / "back") == 20


@pytest.mark.parametrize(("error", "fatal"), [(Unavailable("store: away"), False), (Denied("store: denied"), True)])
def test_a_training_outlives_a_store_that_is_away_but_not_one_that_refuses(
    corner: Corner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: GlueflowError, fatal: bool
) -> None:
    def fail(*_: Any) -> None:
        raise error

    uploads = Uploads(corner.store, KEY)
    with monkeypatch.context() as patch:
        patch.setattr(type(corner.store), "upload", fail)
        uploads.offer(state(tmp_path, 10))
        if fatal:
            with pytest.raises(Denied):
                uploads.offer(state(tmp_path, 20))
        else:
            uploads.close()
    if not fatal:
        uploads.offer(state(tmp_path, 30))
        uploads.close()
        assert restore(corner.store, KEY, tmp_path / "back") == 30
    assert not (tmp_path / "10").exists()
