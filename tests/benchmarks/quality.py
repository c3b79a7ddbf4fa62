"""Whether the packed path trains as well as `Trainer` does: best epoch's headline metric over seeds, on real GLUE.

    python -m tests.benchmarks.quality                                     MRPC, RTE and CoLA, 5 seeds: hours on 2 cores
    python -m tests.benchmarks.quality --tasks rte --seeds 3 --epochs 1    a cut version: minutes

| task | metric | packed: mean (each) | Trainer: mean (each) | standard deviation | packed is off by |

Both run the fine-tune step with the defaults (bfloat16 where the machine has it); the second has Trainer's own
collator, forward, dropout and clip. Exit status 1 unless, on every task, the means
differ by at most one standard deviation of Trainer's.
"""

import argparse
import sys
import tempfile
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
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    asked = parser.parse_args()
    equal = True
    for task in asked.tasks:
        packed, plain = [], []
        for seed in range(1, asked.seeds + 1):
            packed.append(best(task, seed, asked.epochs, ""))
            plain.append(best(task, seed, asked.epochs, "compared with"))
            print(f"{task} seed {seed}: packed {packed[-1]:.4f}, Trainer {plain[-1]:.4f}", file=sys.stderr, flush=True)
        off, spread = mean(packed) - mean(plain), stdev(plain)
        figures = [f"{mean(found):.4f} ({', '.join(f'{each:.4f}' for each in found)})" for found in (packed, plain)]
        print(
            f"| {task} | {glue_task(task).headline} | {' | '.join(figures)} | {spread:.4f} | {off:+.4f} |", flush=True
        )
        equal = equal and abs(off) <= spread
    return 0 if equal else 1


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
