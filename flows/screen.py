"""What the terminal shows: progress while work is done, a table at its end. Quiet where nobody looks."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from tasks.core import progress as work

Json = Annotated[bool, Parameter(name="--json", help="Print the result as JSON.")]
GOOD = ("built", "reused", "done", "good", "reuse", "there")
BAD = ("failed", "crashed", "cancelled", "not run", "wrong", "damaged")
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


def print_plain(text: str) -> None:
    """A result that is a program's or a file's text: on standard output as it is."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def watched() -> bool:
    """Whether somebody sees standard error move: it is a terminal, and one that can go back a line."""
    return sys.stderr.isatty() and not err.is_dumb_terminal


class Rate(ProgressColumn):
    """Units a second: of the last half minute, or of all when it is done."""

    def render(self, task: Task) -> Text:
        return Text(rate(task.finished_speed or task.speed or 0.0, task.fields["unit"]), style="progress.data.speed")


class Clock(ProgressColumn):
    """The time that remains; that it took, where it is done or its end is unknown."""

    def render(self, task: Task) -> Text:
        if task.time_remaining is not None and not task.finished:
            return Text(f"{timedelta(seconds=task.time_remaining)} left", style="progress.remaining")
        took = task.finished_time if task.finished else task.elapsed
        return Text(str(timedelta(seconds=round(took or 0.0))), style="progress.elapsed")


class Figures(ProgressColumn):
    """The latest figures, cut where there is no room for all."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["figures"], no_wrap=True, overflow="ellipsis")


@contextmanager
def progress() -> Iterator[None]:
    """Bars for all that reports progress within the block, with rate and remaining time; nothing where nobody looks.
    They go when the work is done, and stay as they are when it is cut off."""
    if not watched():
        yield
        return
    wide, line = err.width >= 100, Column(no_wrap=True)
    name, size = (
        TextColumn(f"{{task.{field}}}", markup=False, table_column=line) for field in ("description", "fields[amount]")
    )
    bar = BarColumn(16 if wide else 8, table_column=line)
    columns = [name, bar, size, Rate(line), Clock(line), *([Figures(Column())] if wide else [])]
    with Progress(*columns, console=err, transient=True) as bars, work.listening(partial(_show, bars, {})):
        try:
            yield
        except BaseException:
            bars.live.transient = False
            raise


def _show(bars: Progress, known: dict[str, TaskID], event: work.Progress) -> None:
    """Move the bar of what the event tells of; `known` has that of each name."""
    name = event.run or event.what
    told: dict[str, Any] = {"amount": amount(event), "unit": event.unit, "figures": figures(event.figures)}
    if name not in known:
        for bar in bars.tasks:
            if bar.total is None:  # work without a known end is over when other work begins
                bars.update(bar.id, total=bar.completed)
        known[name] = bars.add_task(name, total=None, **told)
    elif event.done < next(bar.completed for bar in bars.tasks if bar.id == known[name]):
        bars.reset(known[name], total=event.total or None)  # the next of its kind, such as another download
    bars.update(known[name], completed=event.done, total=event.total or None, **told)


def amount(event: work.Progress) -> str:
    """How much of how much, such as `120/690 steps`."""
    if event.unit == "%":
        return f"{event.done} %"
    if event.unit == "bytes":
        return "/".join(decimal(size) for size in (event.done, event.total) if size)
    return f"{event.done:,}/{event.total:,} {event.unit}" if event.total else f"{event.done:,} {event.unit}"


def rate(speed: float, unit: str) -> str:
    """Units a second, such as `31 steps/s`; nothing while it is unknown."""
    if not speed:
        return ""
    if unit == "bytes":
        return f"{decimal(round(speed))}/s"
    return f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{speed:.1f} {unit}/s"


def table(title: str, rows: Sequence[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """One line a row; the named columns in that order."""
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(_cell(row[column]), style(row[column], column)) for column in columns))
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
    return text[:12] if len(text) == 64 and text.isalnum() else text


def style(value: object, column: str = "state") -> str:
    """How a state looks; nothing else has a colour."""
    known = column == "state"
    return "green" if known and value in GOOD else "red" if known and value in BAD else ""
