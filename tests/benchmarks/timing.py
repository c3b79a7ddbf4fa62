"""Two pieces of work timed in turn (A B A B …), so that a drift of the machine's speed hits both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of each run of ours and of the peer's."""

    work: str
    peer: str
    ours: list[float]
    theirs: list[float]

    def line(self) -> str:
        ratios = [their / our for our, their in zip(self.ours, self.theirs, strict=True)]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        return f"| {self.work} | {_seconds(self.ours)} | {self.peer}: {_seconds(self.theirs)} | {spread} |"


def compare(
    work: str,
    ours: Callable[[], object],
    peer: str,
    theirs: Callable[[], object],
    runs: int = 3,
    warm: bool = True,
) -> Row:
    """Time both `runs` times in turn; if `warm`, after one run of each that does not count."""
    if warm:
        ours()
        theirs()
    pairs = [(_time(ours), _time(theirs)) for _ in range(runs)]
    return Row(work, peer, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _seconds(values: list[float]) -> str:
    return f"{median(values):.2f} s ({min(values):.2f}–{max(values):.2f})"
