"""Screens of real commands as pictures: `make pictures` writes those of the README to infra/pictures.

    drawn([("glueflow plan mrpc", seen.screen)])   ->  "<svg …"

A picture is a terminal (tests/terminal.py) as it was at one moment or some, in its colours. It has a ground of its own,
so that it is as legible on a dark page as on a light one; it loads nothing, and needs no font but any monospaced one.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import pyte
from pyte.screens import Char
from rich.console import Console
from rich.style import Style
from rich.text import Text

from infra import stack
from tests.conftest import ROOT
from tests.terminal import Seen, watch

FOLDER = ROOT / "infra" / "pictures"
RUN = "--data sample:200"
END = ""  # the moment at which a command has ended
NAMES = {"brown": "yellow"}  # of pyte's colours that rich calls otherwise
FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


@dataclass(frozen=True)
class Shot:
    """A command, and the moments of it to be shown: of the pictures with a line that matches, the one in the middle."""

    command: str
    columns: int
    moments: tuple[str, ...] = (END,)


PICTURES = {
    "run": [Shot(f"glueflow run mrpc {RUN}", 100, (r"^train .* left", END))],
    "plan": [Shot(f"glueflow plan mrpc {RUN} --learning-rate 3e-5", 100)],
    "suite": [Shot("glueflow benchmark --data sample:200 --tasks mrpc sst2 --seeds 1 2", 116, ("running", END))],
}


def drawn(screens: Sequence[tuple[str, pyte.Screen]]) -> str:
    """One picture of those screens under one another, each below its command; a command that stays is shown once."""
    shown = [Text()]
    for command, parts in groupby(screens, key=lambda each: each[0]):
        shown += [Text(f"$ {command}", "bold"), *(line for _, screen in parts for line in [*_lines(screen), Text()])]
    shown = shown[1:-1]
    console = Console(width=max(line.cell_len for line in shown), record=True, file=StringIO(), force_terminal=True)
    for line in shown:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    return re.sub(r"[ \t]+$", "", console.export_svg(title="", code_format=FRAME), flags=re.MULTILINE)


def _lines(screen: pyte.Screen) -> Iterator[Text]:
    """What stands on the screen, as far down as anything does."""
    rows = [[screen.buffer[row][column] for column in range(screen.columns)] for row in range(screen.lines)]
    while rows and all(cell.data == " " for cell in rows[-1]):
        rows.pop()
    for row in rows:
        line = Text()
        for style, cells in groupby(row, key=_style):
            line.append("".join(cell.data for cell in cells), style)
        line.rstrip()
        yield line


def _style(cell: Char) -> Style:
    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        reverse=cell.reverse,
    )


def _colour(name: str) -> str:
    """Rich's name of one of pyte's colours: `red`, `brightred`, `default`, or six hexadecimal digits."""
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    plain = name.removeprefix("bright")
    return ("bright_" if plain != name else "") + NAMES.get(plain, plain)


def taken(shot: Shot, environment: dict[str, str]) -> Iterator[tuple[str, pyte.Screen]]:
    """The command carried out on a terminal, at the moments that were asked for."""
    seen = watch(
        [sys.executable, "-m", "flows.cli", *shlex.split(shot.command)[1:]], environment, shot.columns, until=1800.0
    )
    assert seen.status == 0, seen.text
    for moment in shot.moments:
        yield shot.command, seen.at(_middle(seen, moment)) if moment else seen.screen


def _middle(seen: Seen, pattern: str) -> int:
    found = [number for number, frame in enumerate(seen.frames) if any(re.search(pattern, line) for line in frame)]
    assert found, f"nothing like {pattern} was ever on the terminal"
    return found[len(found) // 2]


def main() -> None:
    with TemporaryDirectory() as home:
        ours = ("GLUEFLOW_", "PREFECT_", "AWS_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment["GLUEFLOW_HOME"] = home
        stack.up(Path(home))
        try:
            for name, shots in PICTURES.items():
                screens = [screen for shot in shots for screen in taken(shot, environment)]
                (FOLDER / f"{name}.svg").write_text(drawn(screens))
        finally:
            stack.down(Path(home))


if __name__ == "__main__":
    main()
