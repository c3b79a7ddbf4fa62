"""A run whose five steps are all there, from process start to exit, against five tasks of plain Prefect with INPUTS
caching and eager imports, on the same live server."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from infra import stack
from tests.benchmarks.timing import Row, compare

PEER = """
import boto3, datasets, evaluate, torch, transformers
from prefect import flow, task
from prefect.cache_policies import INPUTS

def step(name):
    return task(name=name, cache_policy=INPUTS, persist_result=True)(lambda before: {"step": name, "before": before})

@flow(persist_result=True)
def glue(seed: int = 1):
    value = {"seed": seed}
    for name in ("fetch", "tokenize", "fine-tune", "evaluate", "register"):
        value = step(name)(value)
    return value

glue()
"""


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        running = stack.up(Path(folder))
        environment = {**os.environ, "GLUEFLOW_HOME": folder, "PREFECT_HOME": f"{folder}/peer"}

        def ours() -> None:
            command = [sys.executable, "-m", "flows.cli", "run", "mrpc", "--data", "sample:32", "--epochs", "1"]
            subprocess.run(command, env=environment, check=True, capture_output=True)

        def peer() -> None:
            environment["PREFECT_API_URL"] = running.api_url
            subprocess.run([sys.executable, "-c", PEER], env=environment, check=True, capture_output=True)
            del environment["PREFECT_API_URL"]

        try:
            return [compare("a run with every step cached", ours, "plain Prefect, INPUTS, eager imports", peer)]
        finally:
            stack.down(Path(folder))
