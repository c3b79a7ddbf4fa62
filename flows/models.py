"""`glueflow models`: list, show, compare, check and download the versions in the registry.

What moves aliases and deletes versions is in flows/promotion.py.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from flows import examples, promotion, screen, services
from flows.screen import Json
from tasks.core import history, registry, signing, verdicts
from tasks.core import verify as sound
from tasks.core.errors import BadData
from tasks.core.explain import differences, fields, short
from tasks.core.registry import Version
from tasks.core.settings import settings
from tasks.core.store import Store
from tasks.core.weights import check_weights

app = App(
    name="models",
    help="List, show, compare, check, promote and download the versions in the registry.",
    help_format="markdown",
)
for command in (promotion.promote, promotion.rollback, promotion.whois, promotion.delete):
    app.command(command)
Model = Annotated[str, Parameter(help="NAME, NAME@latest, NAME@VERSION or NAME@ALIAS.")]


@app.command(name="list")
def list_models(name: str | None = None, /, *, as_json: Json = False) -> None:
    """Every version, or those of one model, and the aliases that point to it."""
    store = services.store(settings())
    chosen = [registry.find(store, name).name] if name else registry.names(store)
    rows = [row for each in chosen for row in _rows(store, each)]
    if as_json:
        return screen.print_json(rows)
    shown = [{**row, "metrics": screen.figures(row["metrics"]), "aliases": ", ".join(row["aliases"])} for row in rows]
    return screen.table("models", shown, ("name", "version", "aliases", "created", "metrics"))


def _rows(store: Store, name: str) -> list[dict[str, Any]]:
    now = history.state(store, name)
    return [
        {
            "name": name,
            "version": version.version,
            "aliases": _aliases(now, version.version),
            "created": version.created,
            "metrics": version.record["metrics"],
        }
        for version in (registry.load(store, name, number) for number in registry.versions(store, name))
    ]


def _aliases(now: history.State, number: int) -> list[str]:
    return sorted(alias for alias, version in now.aliases.items() if version == number)


@app.command
def show(model: Model, /, *, as_json: Json = False) -> None:
    """What a version is, what it was made from, which aliases point to it, and what was judged of it."""
    store = services.store(settings())
    version = registry.find(store, model)
    aliases = _aliases(history.state(store, version.name), version.version)
    judged = verdicts.kept(store, version.name, version.version)
    if as_json:
        said = [verdict.model_dump() for verdict in judged]
        return screen.print_json({**version.model_dump(exclude={"sources"}), "aliases": aliases, "verdicts": said})
    screen.out.print_json(data={"created": version.created, "aliases": aliases, **version.record})
    files = [file.model_dump() for file in version.files]
    screen.table(version.label, files, ("path", "size", "sha256"))
    for verdict in judged:
        screen.tell("", f"{verdict.at} {verdict.decision} as {verdict.alias}: {verdict.reason}")
    return None


@app.command
def diff(one: Model, other: Model, /, *, as_json: Json = False) -> None:
    """Where two versions differ: request, data, training, libraries, metrics, files."""
    store = services.store(settings())
    pair = [registry.find(store, each) for each in (one, other)]
    left, right = (_described(version) for version in pair)
    found = differences(left, right)
    rows = [{"field": name, pair[0].label: there, pair[1].label: here} for name, (there, here) in found.items()]
    if as_json:
        return screen.print_json(
            {
                "models": [version.label for version in pair],
                "differences": {name: list(two) for name, two in found.items()},
            }
        )
    if not rows:
        return screen.tell(f"{pair[0].label} and {pair[1].label} differ in nothing that is recorded")
    shown = [{name: short(value) for name, value in row.items()} for row in rows]
    return screen.table("", shown, ("field", pair[0].label, pair[1].label))


def _described(version: Version) -> dict[str, str]:
    said = {name: value for name, value in version.record.items() if name != "steps"}
    return fields(said) | {file.path: file.sha256 for file in version.files if file.path not in version.attached}


@app.command
def verify(*models: Model, as_json: Json = False) -> None:
    """Read every file of the versions again, and check manifests, signatures, history and aliases; of all by default.

    Signatures are checked, and required, if GLUEFLOW_PUBLIC_KEY is set.
    """
    store = services.store(settings())
    chosen = [registry.find(store, model) for model in models]
    holdings = [sound.version(store, each.name, each.version) for each in chosen] or sound.versions(store)
    holdings = [signing.signed(store, holding, settings().public_key) for holding in holdings]
    with screen.progress():
        found = sound.verify(store, holdings)
    rows = [{"name": damage.folder, "reason": damage.reason} for damage in found]
    if as_json:
        screen.print_json({"folders": len(holdings), "damaged": rows})
    else:
        if rows:
            screen.table("damaged", rows, ("name", "reason"))
        screen.tell(f"{len(holdings) - len(rows)} of {len(holdings)} versions and histories are sound")
    if rows:
        sys.exit(1)


@app.command
def pull(model: Model, folder: Path, /, *, as_json: Json = False) -> None:
    """Download a version as a plain `from_pretrained` folder, every file checked against its SHA-256."""
    store = services.store(settings())
    version = registry.find(store, model)
    signing.require(store, version, settings())
    with screen.progress():
        registry.pull(store, version, folder)
        signing.pull(store, version, folder)
        try:
            check_weights(folder)
        except BadData:
            for file in version.files:
                (folder / file.path).unlink()
            raise
    if as_json:
        return screen.print_json({"model": version.label, "folder": str(folder)})
    return screen.tell(f"{version.label} is in {folder}")


examples.attach(app)
