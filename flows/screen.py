"""What the terminal shows: progress while work is done, a table at its end. Quiet where nobody looks."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from tasks.core import progress as work

Json = Annotated[bool, Parameter(name="--json", help="Print the result as JSON.")]
NUMBERS = ("seconds", "size", "survived", "times", "version")
out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)  # a file has no edge to fold at
err = Console(stderr=True, highlight=False)


def say(line: str) -> None:
    """A remark to the person, beside the result: it goes to standard error."""
    err.print(line, style="dim", markup=False, soft_wrap=True)


def fail(line: str) -> None:
    err.print(f"error: {line}", style="bold red", markup=False, soft_wrap=True)


def print_json(value: object) -> None:
    """The result for a program: JSON on standard output and nothing else there."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def progress() -> Iterator[None]:
    """Bars for all that reports progress within the block; nothing if standard error is no terminal."""
    if not err.is_terminal:
        yield
        return
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=err) as bars:
        known: dict[str, TaskID] = {}

        def show(event: work.Progress) -> None:
            latest = figures(event.figures)
            if event.what not in known:
                known[event.what] = bars.add_task(event.what, amount="", figures="", total=None)
            bars.update(
                known[event.what],
                completed=event.done,
                total=event.total or None,
                amount=_amount(event),
                figures=latest,
            )

        with work.listening(show):
            yield


def _amount(event: work.Progress) -> str:
    if event.unit == "bytes":
        return "/".join(decimal(size) for size in (event.done, event.total) if size)
    return f"{event.done:,}/{event.total:,} {event.unit}" if event.total else f"{event.done:,} {event.unit}"


def table(title: str, rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """One line a row; the named columns in that order."""
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(row[column]) for column in columns))
    out.print(shown)


def figures(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())


def tell(*lines: str) -> None:
    """The result for a person, on standard output."""
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    text = str(value)
    return escape(text[:12] if len(text) == 64 and text.isalnum() else text)
