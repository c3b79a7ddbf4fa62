"""Lengths of time as a person types them.

seconds("valid", "12h", most="7d")  ->  43200
"""

import re

from tasks.core.errors import WrongRequest

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # seconds


def seconds(field: str, text: str, most: str = "") -> int:
    """Seconds of `45s`, `30m`, `12h` or `7d`; raises WrongRequest for anything else. With `most` at least one second
    and at most that."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    found = int(match[1]) * UNITS[match[2]] if match else -1
    if found < bool(most) or (most and found > seconds(field, most)):
        allowed = "write a whole number and s, m, h or d, as in 36h"
        raise WrongRequest.of(field, text, f"{allowed}; at most {most}" if most else allowed)
    return found
