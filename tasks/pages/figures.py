"""Numbers as a report writes them.

score(0.8967) -> "0.897"   between([0.87, 0.92]) -> "0.870 to 0.920"   size(9e7) -> "90.0 MB"   took(123) -> "2 m 3 s"
"""

from collections.abc import Sequence

NONE = "–"


def score(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def between(ends: Sequence[float] | None) -> str:
    return NONE if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"


def size(count: float) -> str:
    from rich.filesize import decimal

    return decimal(round(count))


def took(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours else f"{minutes} m {rest} s"
