"""What a person should know of a run beside its figures: whether its data are made up, and what is odd about them."""

from collections.abc import Mapping
from typing import Any


def lines(report: Mapping[str, Any]) -> list[str]:
    """The facts of a fetch in words, a finding a line: `data: validation: 3 × empty text (idx 4; 17; 20)`."""
    found = []
    if report["synthetic"]:
        found.append("data: synthetic; scores on them say nothing of a model")
    elif report["official_rows"] is False:
        rows = ", ".join(f"{split} {count:,}" for split, count in report["rows"].items())
        found.append(f"data: not the rows of official GLUE: {rows}")
    if report["divided"].startswith("by us"):
        found.append(f"data: divided {report['divided']}")
    return found + [_odd(odd) for odd in report["odd"]]


def _odd(odd: Mapping[str, Any]) -> str:
    line = f"data: {' and '.join(odd['splits'])}: {odd['count']:,} × {odd['what']}"
    if other := odd.get("with_another_label"):
        line += f", {other:,} with another label"
    rows = "; ".join(" and ".join(map(str, rows)) for rows in odd["examples"])
    more = "; …" if odd["count"] > len(odd["examples"]) else ""
    return f"{line} (idx {rows}{more})" if rows else line
