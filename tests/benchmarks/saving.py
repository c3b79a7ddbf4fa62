"""A training of the packaged MiniLM that keeps its state in the store as it goes on, by default settings, against the
same training that keeps nothing. The seconds are those of the training alone, without the process's start."""

import tempfile
from pathlib import Path
from uuid import uuid4

from infra import stack
from tasks.core.hold import scratch_folder
from tasks.core.plan import PlannedStep, plan
from tasks.core.process import run_step
from tasks.core.settings import Settings
from tasks.core.specs import GlueRun, Training
from tasks.core.store import Store, open_store
from tests.benchmarks.timing import Row

ROWS = 20_000  # nearly five minutes on two cores, with a state each minute after the first two


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        stack.up(home, prefect=False)
        known = Settings(home=home)
        try:
            return [_row(known, open_store(known))]
        finally:
            stack.down(home)


def _row(known: Settings, store: Store) -> Row:
    asked = plan(GlueRun(data=f"sample:{ROWS}", training=Training(epochs=1)))
    folders: dict[str, Path] = {}
    for step in asked.steps[:2]:
        folders[step.step] = known.home / step.step
        folders[step.step].mkdir()
        run_step(known, step, folders[step.step], lambda: folders)
    ours, theirs = (_seconds(known, asked.steps[2], folders, place) for place in (store, None))
    return Row(f"train on {ROWS:,} rows, state kept in the store", "nothing kept", [ours], [theirs])


def _seconds(known: Settings, step: PlannedStep, folders: dict[str, Path], store: Store | None) -> float:
    place = Store(store.client, store.bucket, f"{uuid4().hex}/") if store else None
    with scratch_folder(known.scratch, "out") as out:
        facts = run_step(known, step, out, lambda: folders, saves=place)
    if place and not place.newest("checkpoints/", ".json", 1):
        raise RuntimeError(f"{ROWS} rows trained before a state was due: nothing was measured")
    return ROWS / float(facts["samples_per_second"])
