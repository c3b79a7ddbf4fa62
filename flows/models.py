"""`glueflow models`: list, show and download the versions in the registry."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flows import screen, services
from tasks.core import registry
from tasks.core.errors import BadData
from tasks.core.settings import settings
from tasks.core.weights import check_weights

app = App(name="models", help="List, show and download the versions in the registry.")
Json = Annotated[bool, Parameter(name="--json", help="Print the result as JSON.")]


@app.command(name="list")
def list_models(name: str | None = None, /, *, as_json: Json = False) -> None:
    """Every version, or those of one model."""
    store = services.store(settings())
    chosen = [registry.find(store, name).name] if name else registry.names(store)
    found = [registry.load(store, each, number) for each in chosen for number in registry.versions(store, each)]
    rows = [{"name": v.name, "version": v.version, "created": v.created, "metrics": v.record["metrics"]} for v in found]
    if as_json:
        return screen.print_json(rows)
    shown = [{**row, "metrics": screen.figures(row["metrics"])} for row in rows]
    return screen.table("models", shown, ("name", "version", "created", "metrics"))


@app.command
def show(model: str, /, *, as_json: Json = False) -> None:
    """What a version is and what it was made from: NAME, NAME@latest or NAME@VERSION."""
    version = registry.find(services.store(settings()), model)
    if as_json:
        return screen.print_json(version.model_dump(exclude={"sources"}))
    screen.out.print_json(data={"created": version.created, **version.record})
    files = [file.model_dump() for file in version.files]
    return screen.table(f"{version.name}@{version.version}", files, ("path", "size", "sha256"))


@app.command
def pull(model: str, folder: Path, /, *, as_json: Json = False) -> None:
    """Download a version as a plain `from_pretrained` folder, every file checked against its SHA-256."""
    store = services.store(settings())
    version = registry.find(store, model)
    with screen.progress():
        registry.pull(store, version, folder)
        try:
            check_weights(folder)
        except BadData:
            for file in version.files:
                (folder / file.path).unlink()
            raise
    if as_json:
        return screen.print_json({"model": f"{version.name}@{version.version}", "folder": str(folder)})
    return screen.tell(f"{version.name}@{version.version} is in {folder}")
