"""`glueflow report`: a run, two runs, a suite or a backfill as one HTML file, with pictures and no script.

Reports are made when they are asked for and not by the runs: they tell of things that change after a run (the champion,
who else reused a step), and a run imports nothing for them.
"""

import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from pydantic import Field

from flows import examples, screen, services
from flows.screen import Json
from tasks.core import registry, reports
from tasks.core.command import command
from tasks.core.duration import seconds
from tasks.core.errors import disk_error
from tasks.core.ledger import find_ledger
from tasks.core.settings import settings
from tasks.core.specs import Frozen, SuiteOptions, Training
from tasks.core.store import Store
from tasks.core.suite import Suite, cells

if TYPE_CHECKING:
    from tasks.core.manifest import Manifest
    from tasks.pages.frame import Page

app = App(
    name="report",
    help="A run, two runs, a suite or a backfill as one HTML file that needs no network.",
    help_format="markdown",
    default_parameter=Parameter(negative=""),
)


class Where(Frozen):
    """What becomes of a report."""

    output: Annotated[Path | None, Field(description="file to write; without it one below GLUEFLOW_HOME/reports")] = (
        None
    )
    open: Annotated[bool, Field(description="show it in this machine's browser")] = False
    link: Annotated[bool, Field(description="put it into the bucket too, and print a link that needs no key")] = False
    valid: Annotated[str, Field(description="how long the link is good, as 30m, 12h or 7d at most")] = "1h"


Options = Annotated[Where, Parameter(name="*")]
Model = Annotated[str, Parameter(help="NAME, NAME@latest, NAME@VERSION or NAME@ALIAS.")]
Suites = Annotated[SuiteOptions, Parameter(name="*")]
Train = Annotated[Training, Parameter(name="*")]
HERE, SUITE, TRAINING = Where(), SuiteOptions(), Training()


@app.command
def run(model: Model, /, *, where: Options = HERE, as_json: Json = False) -> None:
    """One run by the version that it registered: how it was trained, how good it is, where it errs, what it took."""

    def page(store: Store) -> "tuple[str, Page]":
        from tasks.pages.run import page as of

        version = registry.find(store, model)
        return version.label, of(store, version)

    _report(page, where, as_json)


@app.command
def compare(one: Model, other: Model, /, *, where: Options = HERE, as_json: Json = False) -> None:
    """Two versions that were judged on the same examples: is one better, and where do they disagree."""

    def page(store: Store) -> "tuple[str, Page]":
        from tasks.pages.comparison import page as of

        pair = [registry.find(store, each) for each in (one, other)]
        return f"{pair[0].label}-against-{pair[1].label}", of(store, *pair)

    _report(page, where, as_json)


@app.command
def backfill(name: str, /, *, where: Options = HERE, as_json: Json = False) -> None:
    """A backfill: what came of each slot, the scores by date, what slots shared."""

    def page(store: Store) -> "tuple[str, Page]":
        from tasks.pages.backfill import page as of

        return f"backfill-{name}", of(store, find_ledger(store, name))

    _report(page, where, as_json)


@app.command
def suite(
    *,
    tasks: Annotated[tuple[str, ...], Parameter(consume_multiple=True, help="GLUE configurations.")] = (),
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True, help="One run a task and seed.")] = (1, 2, 3),
    against: Annotated[str | None, Parameter(help="Another checkpoint, whose suite is compared.")] = None,
    options: Suites = SUITE,
    training: Train = TRAINING,
    where: Options = HERE,
    as_json: Json = False,
) -> None:
    """What `glueflow benchmark` with the same words has run so far; nothing is run."""
    chosen: dict[str, Any] = {"tasks": tasks} if tasks else {}
    asked = Suite(**chosen, seeds=seeds, training=training, **options.model_dump())

    def page(store: Store) -> "tuple[str, Page]":
        from flows.suite import figures
        from flows.versus import versus
        from tasks.core.keys import digest
        from tasks.pages.suite import page as of

        rows, entries = _rows(store, asked)
        compared: list[dict[str, Any]] = []
        if against:
            other = asked.model_copy(update={"checkpoint": against})
            compared = versus((asked, rows), (other, _rows(store, other)[0]))
        result = figures(asked, rows) | {"comparison": compared}
        name = f"suite-{digest(asked.model_dump(mode='json'))[:12]}"
        return name, of(store, result, entries, against or "")

    _report(page, where, as_json)


def _rows(store: Store, asked: Suite) -> "tuple[list[dict[str, Any]], list[Mapping[str, Manifest]]]":
    """What is there of each run of the suite, and the entries of those that are whole."""
    from flows.reused import summary, there
    from tasks.core.plan import plan

    rows: list[dict[str, Any]] = []
    found: list[Mapping[str, Manifest]] = []
    for request in cells(asked):
        planned = plan(request)
        manifests = there(store, planned)
        if manifests:
            rows.append({**summary(planned, manifests), "state": "there"})
            found.append(manifests)
        else:
            row = {"task": request.task, "seed": request.seed, "state": "not there", "message": "it has not run"}
            rows.append({**row, "resume": command("run", request)})
    return rows, found


def _report(make: "Callable[[Store], tuple[str, Page]]", where: Where, as_json: bool) -> None:
    """Make the page, write it, and say where it is."""
    valid = seconds("valid", where.valid, reports.LONGEST)
    known = settings()
    store = services.store(known)
    name, page = make(store)
    from tasks.pages.frame import render

    body = render(page)
    path = _written(where.output or known.home / "reports" / f"{name}.html", body)
    found = {"name": name, "file": str(path), "size": len(body)}
    if where.link:
        place = reports.keep(store, name, body)
        found |= {"uri": store.uri(place), "link": reports.link(store, place, valid), "seconds": valid}
    if where.open:
        webbrowser.open(path.as_uri())
    if as_json:
        return screen.print_json(found)
    screen.tell(str(path))
    if where.link:
        screen.tell(f"{found['link']}")
        screen.say(f"whoever has this link can read the report, texts included, for {where.valid}")
    return None


def _written(path: Path, body: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as error:
        raise disk_error(error, path.parent) from error
    return path.absolute()


examples.attach(app)
