"""Run every benchmark, print each row as it is measured, and write the table: `python -m tests.benchmarks`."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import cached, encode, memory, planning, registering, saving, training, validation, whole
from tests.benchmarks.timing import Row

RESULTS = Path(__file__).with_name("RESULTS.md")
WORK = (encode, validation, training, registering, planning, cached, whole, saving)
LIBRARIES = ("datasets", "prefect", "tokenizers", "torch", "transformers")


def main() -> None:
    rows: list[Row] = []
    for work in WORK:
        for row in work.measure():
            print(row.line(), flush=True)
            rows.append(row)
    RESULTS.write_text(text(rows, memory.measure()))


def text(rows: list[Row], peaks: list[str]) -> str:
    """The file that README quotes."""
    here = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    used = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {here}; {used}. Runs in turn; median (minimum–maximum).",
        *("", "| work | glueflow | peer | peer's time / ours |", "|---|---|---|---|"),
        *map(Row.line, rows),
        *("", "| step on MRPC | peak memory of its process |", "|---|---|"),
        *peaks,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
