"""Pictures of screens: an SVG holds what a real terminal showed, and those of the README are fit to be published."""

import os
import re
import sys
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT
from tests.pictures import FOLDER, PICTURES, drawn
from tests.terminal import watch

SVG = "{http://www.w3.org/2000/svg}"
KNOWN = {"svg", "style", "defs", "clipPath", "rect", "g", "circle", "text"}  # none of which loads or runs anything


def tree(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314  # of our own making


def lines(picture: str) -> list[str]:
    """What is to be read in the picture, line by line, without its spaces."""
    texts = tree(picture).iter(f"{SVG}text")
    rows = groupby(texts, key=lambda text: float(text.attrib["y"]))
    return [line for _, row in rows if (line := "".join("".join(text.text or "" for text in row).split()))]


def test_a_picture_holds_what_the_terminal_showed() -> None:
    seen = watch([sys.executable, "-m", "flows.cli", "plan", "--help"], {**os.environ}, 100)
    picture = drawn([("glueflow plan --help", seen.screen)])
    shown = ["$ glueflow plan --help", *seen.text.splitlines()]
    assert "--learning-rate" in seen.text
    assert lines(picture) == ["".join(line.split()) for line in shown if line.strip()]
    assert len(set(re.findall(r"fill: (#[0-9a-f]{6})", picture))) > 1


def test_every_picture_of_the_readme_is_there_and_no_other() -> None:
    named = re.findall(r"!\[([^\]]+)\]\(infra/pictures/([^)]+)\)", (ROOT / "README.md").read_text())
    assert sorted(name for _, name in named) == sorted(path.name for path in FOLDER.iterdir())
    assert {f"{name}.svg" for name in PICTURES} <= {name for _, name in named}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_loads_nothing_and_tells_of_no_machine(path: Path) -> None:
    picture = path.read_text()
    assert len(picture) < 60_000
    parts = list(tree(picture).iter())
    assert {part.tag.removeprefix(SVG) for part in parts} <= KNOWN
    assert not [name for part in parts for name in part.attrib if name.endswith("href") or name.startswith("on")]
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", picture))
    assert "@" not in picture.partition("<style>")[2].partition("</style>")[0]  # neither @import nor @font-face
    shown = lines(picture)
    assert shown[0] == "".join(f"$ {PICTURES[path.stem][0].command}".split())
    assert not [line for line in shown if re.search(r"(?<![\w.:/])/\w+/", line)]  # a folder
