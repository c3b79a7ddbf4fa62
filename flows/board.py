"""Many runs at once, as a table on the terminal that moves while they do: a row for each run or slot.

    report(Progress("train", 120, 690, "steps", {"loss": 0.412}, run="rte seed 1", state="running"))
      ->  rte seed 1   running   train   ━━━━╸━━━━━━━  120/690 steps   31 steps/s   0:00:18   loss 0.4120

It goes when the work is done, and the command prints what came of each run as a plain table; when the work is cut off,
its last state stays. Where standard error is no terminal there is none.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flows import screen
from tasks.core import progress as work
from tasks.core.progress import Progress

WIDE = 120  # columns, from which bars, amounts and rates have room
AROUND = 6  # lines of the terminal that the table leaves alone
WAITING = ("waiting", "submitted", "scheduled", "pending", "late")


@dataclass
class Row:
    """The latest of one run, and since when it is at its step."""

    latest: Progress
    since: float = field(default_factory=time.monotonic)
    first: int = 0  # units that were done when it was first heard of at this step

    def hear(self, event: Progress) -> None:
        if event.what != self.latest.what or event.done < self.latest.done:
            self.since, self.first = time.monotonic(), event.done
        self.latest = event

    @property
    def rate(self) -> float:
        """Units a second since it was first heard of at this step; 0 while that is unknown."""
        took = time.monotonic() - self.since
        return (self.latest.done - self.first) / took if took > 1 else 0.0

    @property
    def remaining(self) -> str:
        left = self.latest.total - self.latest.done
        return str(timedelta(seconds=round(left / self.rate))) if self.rate and left > 0 else ""

    @property
    def place(self) -> int:
        """Runs under way come first, then those that went wrong, that are done, that wait."""
        state = self.latest.state
        return 0 if state == "running" else 3 if state in WAITING else 1 if state in screen.BAD else 2


class Board:
    """All rows by the name of their run, in the order in which they were first heard of."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rows: dict[str, Row] = {}

    def hear(self, event: Progress) -> None:
        if event.what == work.BESIDE:
            return
        if event.run in self.rows:
            self.rows[event.run].hear(event)
        elif event.run:
            self.rows[event.run] = Row(event)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = dict(self.rows)  # it grows meanwhile, in other threads
        counts = Counter(row.latest.state for row in rows.values())
        said = ", ".join(f"{count} {state}" for state, count in counts.items())
        yield Text(f"{self.title}: {said}", "bold", no_wrap=True, overflow="ellipsis")
        yield _table(rows, console.height - AROUND, options.max_width >= WIDE)


def _table(rows: dict[str, Row], most: int, wide: bool) -> Table:
    """At most so many rows, those under way first; the shown ones in their own order."""
    shown = dict(sorted(rows.items(), key=lambda item: item[1].place)[: max(most, 1)])
    table = Table(box=None, pad_edge=False, show_header=False)
    for least in (max(map(len, shown), default=0), len("submitted"), *[0] * (6 if wide else 4)):
        table.add_column(no_wrap=True, overflow="ellipsis", min_width=least)
    for name, row in rows.items():
        if name in shown:
            table.add_row(*_cells(name, row, wide))
    if len(shown) < len(rows):
        table.add_row(f"… and {len(rows) - len(shown)} more")
    return table


def _cells(name: str, row: Row, wide: bool) -> list[Text | ProgressBar]:
    event = row.latest
    under_way = event.state == "running"
    look = "cyan" if under_way else screen.style(event.state) or "dim"
    moving: list[Text | ProgressBar] = [Text()] * (5 if wide else 3)
    if under_way and wide:
        bar = ProgressBar(event.total, event.done, width=16) if event.total else Text()
        amounts = Text(screen.amount(event)), Text(screen.rate(row.rate, event.unit))
        moving = [Text(event.what), bar, *amounts, Text(row.remaining)]
    elif under_way:
        share = f"{event.done / event.total:.0%}" if event.total else ""
        moving = [Text(event.what), Text(share), Text(row.remaining)]
    return [Text(name), Text(event.state, look), *moving, Text(screen.figures(event.figures))]


@contextmanager
def board(title: str) -> Iterator[None]:
    """A row for each run that is heard of within the block."""
    if not screen.watched():
        yield
        return
    shown = Board(title)
    with Live(shown, console=screen.err, transient=True) as live, work.listening(shown.hear):
        try:
            yield
        except BaseException:
            live.transient = False
            raise
