"""`glueflow plan` of a run whose five steps are all there, from process start to exit, against what its process takes
to do nothing but import Prefect."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import stack
from tests.benchmarks.timing import Row, compare

REQUEST = ("mrpc", "--data", "sample:32", "--epochs", "1")


def measure() -> list[Row]:
    with TemporaryDirectory() as folder:
        stack.up(Path(folder))
        environment = {**os.environ, "GLUEFLOW_HOME": folder}

        def run(*arguments: str) -> None:
            subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)

        try:
            run("-m", "flows.cli", "run", *REQUEST)
            work = "plan a run whose steps are all there"
            ours = ("-m", "flows.cli", "plan", *REQUEST)
            return [compare(work, lambda: run(*ours), "import prefect", lambda: run("-c", "import prefect.main"), 5)]
        finally:
            stack.down(Path(folder))
