"""Pictures as SVG inside a page: drawn by matplotlib, coloured by the page's style, in daylight and in the dark.

    svg(draw, 5.2, 3.2, name="loss", about="Loss by epoch")  ->  '<svg id="loss" viewBox="0 0 374.4 230.4" role="img" …'

matplotlib is told colours that no picture has otherwise; each of them then becomes a variable of page.css. Hues are
those of Okabe and Ito, which colour-blind readers tell apart; line, marker or a word says the same once more. The same
figures give the same bytes: identifiers come from a fixed salt, and neither date nor version is written.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, GRID = "#0a0b01", "#0a0b02", "#0a0b03"
BLUE, VERMILION, GREEN, PURPLE, ORANGE = "#0a0b04", "#0a0b05", "#0a0b06", "#0a0b07", "#0a0b08"
HUES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
MARKS = "osD^v"
STYLE = {
    INK: "currentColor",
    QUIET: "var(--quiet)",
    GRID: "var(--grid)",
    BLUE: "var(--blue)",
    VERMILION: "var(--vermilion)",
    GREEN: "var(--green)",
    PURPLE: "var(--purple)",
    ORANGE: "var(--orange)",
}
PIXELS = 4 / 3  # of a screen, in a point
Draw = Callable[["Figure"], None]


def svg(draw: Draw, width: float, height: float, name: str, about: str) -> str:
    """What `draw(figure)` draws, so many inches wide and high; a person's own matplotlibrc does not reach it. `name` is
    the picture's own in its page, `about` what a screen reader says."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    everyday: dict[Any, Any] = {key: value for key, value in mpl.rcParamsDefault.items() if key != "backend"}
    with mpl.rc_context(everyday | _settings()):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        draw(figure)
        body = io.BytesIO()
        figure.savefig(body, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _inline(body.getvalue(), name, about, round(width * 72 * PIXELS))


def plain(axes: "Axes") -> None:
    """Axes without a frame, on a quiet grid."""
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _settings() -> dict[Any, Any]:
    coloured = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor", "axes.titlecolor")
    lines = ("axes.edgecolor", "xtick.color", "ytick.color")
    return {
        "svg.fonttype": "none",  # text stays text: small, found by a search, read aloud
        "svg.hashsalt": "glueflow",
        "font.size": 9.5,
        "axes.titlesize": 9.5,
        "legend.frameon": False,
        "text.parse_math": False,  # a label is a label, whatever dollars are in it
        **dict.fromkeys(coloured, INK),
        **dict.fromkeys(lines, QUIET),
    }


def _inline(body: bytes, name: str, about: str, width: int) -> str:
    """The file as an element of a page: no namespace, no style of its own, every identifier beginning with `name`."""
    root = ElementTree.fromstring(body)  # noqa: S314  # matplotlib's own, made above
    for element in root.iter():
        for child in [each for each in element if each.tag.endswith(("}metadata", "}style"))]:
            element.remove(child)
        element.tag = element.tag.rpartition("}")[2]
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            element.attrib[key.rpartition("}")[2]] = _restyled(value, name, key)
    root.attrib = {"id": name, "viewBox": root.attrib["viewBox"], "role": "img", "aria-label": about}
    root.attrib["style"] = f"max-width: {width}px"
    return ElementTree.tostring(root, encoding="unicode")


def _restyled(value: str, name: str, key: str) -> str:
    for colour, variable in STYLE.items():
        value = value.replace(colour, variable)
    if key == "id":
        return f"{name}-{value}"
    return value.replace("#", f"#{name}-") if key.endswith("href") else value.replace("url(#", f"url(#{name}-")
