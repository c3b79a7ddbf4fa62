"""Whether the packed path trains as well as `Trainer` does: best epoch's headline metric over seeds, on real GLUE.

    python -m tests.benchmarks.quality                            MRPC, RTE and CoLA, 5 seeds: hours on 2 cores
    python -m tests.benchmarks.quality --kept scores.json         the same; goes on where it was cut off
    python -m tests.benchmarks.quality --tasks rte --epochs 1     a cut version: minutes

| task | metric | packed: mean (each) | Trainer: mean (each) | standard deviation | packed is off by |

Both run the fine-tune step with the defaults (bfloat16 where the machine has it); the second has Trainer's own
collator, forward, dropout and clip. Exit status 1 unless, on every task, the means differ by at most one standard
deviation of Trainer's.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from unittest import mock

from tasks.core.catalog import glue_task
from tasks.core.plan import plan
from tasks.core.process import Request
from tasks.core.specs import GlueRun, Training
from tasks.steps import encode, fetch, finetune
from tests.conftest import REAL_DATA

WORK = {"fetch": fetch.run, "encode": encode.run, "finetune": finetune.run}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["mrpc", "rte", "cola"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--kept", type=Path, help="a file of what is trained already, and from now on")
    asked = parser.parse_args()
    found = [equal(task, asked.seeds, asked.epochs, asked.kept) for task in asked.tasks]
    return 0 if all(found) else 1


def equal(task: str, seeds: Sequence[int], epochs: int, kept: Path | None) -> bool:
    """Train what is not kept, print the task's line, and say whether the paths are as good as each other."""
    packed, plain = [], []
    for seed in seeds:
        for found, why_plain in ((packed, ""), (plain, "compared with")):
            name = f"{task}, {epochs} epochs, seed {seed}, {'Trainer' if why_plain else 'packed'}"
            known = json.loads(kept.read_text()) if kept and kept.exists() else {}
            if name not in known:
                known[name] = best(task, seed, epochs, why_plain)
                print(f"{name}: {known[name]:.4f}", file=sys.stderr, flush=True)
                if kept:
                    kept.write_text(json.dumps(known, indent=1))
            found.append(known[name])
    off, spread = mean(packed) - mean(plain), stdev(plain)
    figures = [f"{mean(found):.4f} ({', '.join(f'{each:.4f}' for each in found)})" for found in (packed, plain)]
    print(f"| {task} | {glue_task(task).headline} | {' | '.join(figures)} | {spread:.4f} | {off:+.4f} |", flush=True)
    return abs(off) <= spread


def best(task: str, seed: int, epochs: int, why_plain: str) -> float:
    """The headline metric of one training's best epoch; on Trainer's path if `why_plain` says so."""
    asked = plan(GlueRun(task=task, data=f"file:{REAL_DATA}", seed=seed, training=Training(epochs=epochs)))
    with tempfile.TemporaryDirectory() as name, mock.patch.object(finetune, "why_plain", return_value=why_plain):
        folder = Path(name)
        for step in asked.steps[:3]:
            (folder / step.step).mkdir()
            inputs = {each: str(folder / each) for each in step.inputs}
            request = Request(step.step, {}, inputs, step.sources, str(folder / step.step), name, "auto", 64, 1e9)
            facts = WORK[step.step](step.spec, request)
    assert facts["why_plain"] == why_plain
    return float(facts["best"][glue_task(task).headline])


if __name__ == "__main__":
    sys.exit(main())
