"""Peak memory of each step's process on MRPC: fetch, tokenize, one epoch of training, evaluate."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.core.plan import plan
from tasks.core.process import run_step
from tasks.core.settings import Settings
from tasks.core.specs import GlueRun, Training
from tests.benchmarks.mrpc import DATA


def measure() -> list[str]:
    """Lines of a table: step, MB of 10^6 bytes."""
    with TemporaryDirectory() as name:
        folders: dict[str, Path] = {}
        lines = []
        for step in plan(GlueRun(data=DATA, training=Training(epochs=1))).steps[:4]:
            out = Path(name) / step.step
            out.mkdir()
            facts = run_step(Settings(home=Path(name)), step, out, lambda: folders)
            folders[step.step] = out
            lines.append(f"| {step.step} | {facts['peak_memory'] / 1e6:,.0f} MB |")
    return lines
