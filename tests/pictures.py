"""The README's screens: real commands on a real terminal, each kept as SVG. `make pictures` draws them anew.

infra/pictures/run.svg        a run while it trains
infra/pictures/plan.svg       what another learning rate would build
infra/pictures/benchmark.svg  a suite while it runs
infra/pictures/report.svg     what it says at its end
"""

import io
import os
import re
import sys
import tempfile
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from infra import stack
from tests.conftest import ROOT
from tests.terminal import Seen, watch

FOLDER = ROOT / "infra" / "pictures"
COLUMNS = 124
DATA = "--data sample:240"
SUITE = f"benchmark {DATA} --tasks mrpc rte --seeds 1 2 --epochs 1 --max-parallel 2"
FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)  # would be fetched from the network


def svg(screen: pyte.Screen, line: str, name: str) -> str:
    """The terminal as a picture, below the command line that was typed."""
    console = Console(record=True, width=screen.columns, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {line}", style="bold"), soft_wrap=True)
    used = max(number for number, text in enumerate(screen.display) if text.strip())
    for row in range(used + 1):
        cells = (screen.buffer[row][column] for column in range(screen.columns))
        console.print(Text.assemble(*((cell.data, _style(cell)) for cell in cells)), soft_wrap=True)
    return FONT.sub("", console.export_svg(title="glueflow", unique_id=name))


def _style(cell: pyte.screens.Char) -> Style:
    colour = {"default": None, "brown": "yellow"}.get(cell.fg, cell.fg)
    if colour and re.fullmatch(r"[0-9a-f]{6}", colour):
        colour = f"#{colour}"
    elif colour:
        colour = colour.replace("bright", "bright_")
    return Style(color=colour, bold=cell.bold, italic=cell.italics)


def typed(line: str, environment: dict[str, str]) -> Seen:
    seen = watch([sys.executable, "-m", "flows.cli", *line.split()], environment, COLUMNS, until=3600)
    if seen.status:
        raise SystemExit(f"{line}: ended with {seen.status}\n{seen.text}")
    return seen


def middle(seen: Seen, pattern: str) -> pyte.Screen:
    """The picture halfway through those with such a line."""
    found = [number for number, frame in enumerate(seen.frames) if re.search(pattern, "\n".join(frame), re.MULTILINE)]
    return seen.at(found[len(found) // 2])


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "GLUEFLOW_HOME": home, "GLUEFLOW_CONFIG": ""}
        for name in ("GLUEFLOW_BUCKET", "PREFECT_API_URL", "NO_COLOR"):
            environment.pop(name, None)
        try:
            stack.up(Path(home))
            run, plan, suite = f"run mrpc {DATA}", f"plan mrpc {DATA} --learning-rate 3e-5", SUITE
            pictures = {"run": (run, middle(typed(run, environment), r"^train .* left"))}
            pictures["plan"] = plan, typed(plan, environment).screen
            seen = typed(suite, environment)
            pictures |= {"benchmark": (suite, middle(seen, r" train .*\n.* train ")), "report": (suite, seen.screen)}
        finally:
            stack.down(Path(home))
    FOLDER.mkdir(exist_ok=True)
    for name, (line, screen) in pictures.items():
        (FOLDER / f"{name}.svg").write_text(svg(screen, f"glueflow {line}", name))


if __name__ == "__main__":
    main()
