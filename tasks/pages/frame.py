"""A report as one HTML file: sections of pictures and tables, with no script and nothing to load from anywhere.

render(Page("mrpc@3", sections=(Section("Scores", tables=(Table(("metric", "score"), (("f1", "0.897"),)),)),)))
  ->  b'<!doctype html>…'

Every value is escaped by the template, whatever it holds. Only the SVG of tasks/pages/ink.py goes in as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files


@dataclass(frozen=True)
class Table:
    """Rows of text; columns named in `numbers` stand to the right."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A picture, what it shows, and the figures that it was drawn from."""

    svg: str
    caption: str
    figures: Table


@dataclass(frozen=True)
class Section:
    """Pictures side by side where there is room, then tables."""

    title: str
    note: str = ""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Page:
    """A whole report. `facts` are names and values, `warnings` what a reader has to know before any figure."""

    title: str
    lead: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    sections: Sequence[Section] = ()


def render(page: Page) -> bytes:
    """The file's bytes, the same for the same page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    folder = files("tasks.pages")
    template = environment.from_string(folder.joinpath("page.html.jinja").read_text(encoding="utf-8"))
    return template.render(page=page, style=folder.joinpath("page.css").read_text(encoding="utf-8")).encode()
