"""The `glueflow` command. Exit status: 0 done, 1 the work failed, 2 the request or its data were wrong."""

import difflib
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts import ValidationError as CycloptsValidationError
from pydantic import ValidationError

from flows import screen
from tasks.core.catalog import Trainable
from tasks.core.errors import GlueflowError, WrongRequest
from tasks.core.settings import Settings, settings
from tasks.core.specs import GlueRun, RunOptions, Training

EXAMPLES = """Examples:

- `glueflow run mrpc --data sample:` — the whole pipeline, offline
- `glueflow run rte --data file:glue --seed 1 --learning-rate 3e-5` — real data from a folder
- `glueflow plan mrpc` — what would run, and why
- `glueflow predict mrpc "He ate." "He had a meal."` — ask the newest registered model
"""
app = App(
    name="glueflow",
    help="Fine-tune transformers on GLUE as a pipeline that can be left alone.",
    help_epilogue=EXAMPLES,
    help_format="markdown",
)
models = App(name="models", help="List, show and download the versions in the registry.")
app.command(models)

Task = Annotated[Trainable, Parameter(help="GLUE configuration.")]
Options = Annotated[RunOptions, Parameter(name="*")]
Train = Annotated[Training, Parameter(name="*")]
DEFAULTS, TRAINING = RunOptions(), Training()
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print the result as JSON.")]


@app.command
def run(
    task: Task = "mrpc",
    /,
    *,
    options: Options = DEFAULTS,
    training: Train = TRAINING,
    as_json: Json = False,
) -> None:
    """Fetch, tokenize, fine-tune, evaluate and register; steps that are there already are reused."""
    request = _request(task, options, training)
    known = settings()
    ui = _start_stack(known)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # the log is in the UI
    from flows.glue import glue

    with screen.progress():
        result = glue(request)
    if as_json:
        return screen.print_json(result)
    model = result["model"]
    screen.steps_table(f"{task} from {request.data}", result["steps"], ("name", "key", "state", "seconds"))
    screen.out.print("  ".join(f"{name} {value:.4f}" for name, value in result["metrics"].items()))
    screen.out.print(f"registered {model['name']}@{model['version']}  {model['uri']}", markup=False, soft_wrap=True)
    screen.say(f'next: glueflow predict {model["name"]}@{model["version"]} "text"' + (f"  ·  {ui}" if ui else ""))
    return None


@app.command
def plan(
    task: Task = "mrpc",
    /,
    *,
    options: Options = DEFAULTS,
    training: Train = TRAINING,
    as_json: Json = False,
) -> None:
    """Say which steps a run would reuse and which it would build, and why; nothing is built."""
    from flows.preview import preview
    from tasks.core.store import open_store

    request = _request(task, options, training)
    known = settings()
    _start_stack(known, prefect=False)
    result = preview(request, open_store(known))
    if as_json:
        return screen.print_json(result)
    screen.steps_table(f"{task} from {request.data}", result["steps"], ("name", "key", "state", "reason"))
    return None


@app.command
def predict(model: str, text: str, second: str | None = None, /, *, as_json: Json = False) -> None:
    """Label and score of a text, or a pair of texts, by a registered model: NAME, NAME@latest or NAME@VERSION."""
    from tasks.core import registry
    from tasks.core.store import open_store
    from tasks.steps.predict import classify

    known = settings()
    _start_stack(known, prefect=False)
    store = open_store(known)
    version = registry.find(store, model)
    folder = registry.pull(store, version, known.cache / "models" / version.name / version.content[:16])
    found = classify(folder, [(text,) if second is None else (text, second)])[0]
    if as_json:
        return screen.print_json({"model": f"{version.name}@{version.version}", **found})
    screen.out.print(f"{found['label']}  {found['score']:.4f}", markup=False)
    return None


@app.command
def up(*, as_json: Json = False) -> None:
    """Start the local stack (object store and Prefect server, on loopback) and say where it is."""
    from infra import stack

    running = stack.up(settings().home, screen.say)
    found = {"store": running.endpoint, "bucket": running.bucket, "api": running.api_url, "ui": running.ui_url}
    if as_json:
        return screen.print_json(found)
    for name, value in found.items():
        screen.out.print(f"{name:<8}{value}", markup=False)
    return None


@app.command
def down(*, as_json: Json = False) -> None:
    """Stop the local stack; its data stays."""
    from infra import stack

    stopped = stack.down(settings().home)
    if as_json:
        return screen.print_json({"stopped": stopped})
    screen.out.print(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
    return None


@app.command
def doctor(*, as_json: Json = False) -> None:
    """Check Python, packages, disk, store, server and device, and say how to mend what is wrong."""
    from flows.doctor import examine

    checks = examine(settings())
    if as_json:
        screen.print_json(checks)
    else:
        screen.steps_table("doctor", checks, ("name", "state", "found", "remedy"))
    if any(check["state"] == "wrong" for check in checks):
        sys.exit(1)


@models.command(name="list")
def list_models(name: str | None = None, /, *, as_json: Json = False) -> None:
    """Every version, or those of one model."""
    from tasks.core import registry

    store = _store()
    chosen = [name] if name else registry.names(store)
    found = [registry.load(store, each, number) for each in chosen for number in registry.versions(store, each)]
    rows = [{"name": v.name, "version": v.version, "created": v.created, "metrics": v.record["metrics"]} for v in found]
    if name and not rows:
        registry.find(store, name)  # says which models there are
    if as_json:
        return screen.print_json(rows)
    for row in rows:
        row["metrics"] = "  ".join(f"{metric} {value:.4f}" for metric, value in row["metrics"].items())
    screen.steps_table("models", rows, ("name", "version", "created", "metrics"))
    return None


@models.command
def show(model: str, /, *, as_json: Json = False) -> None:
    """What a version is and what it was made from: NAME, NAME@latest or NAME@VERSION."""
    from tasks.core import registry

    version = registry.find(_store(), model)
    if as_json:
        return screen.print_json(version.model_dump(exclude={"sources"}))
    screen.out.print_json(data={"created": version.created, **version.record})
    screen.steps_table("files", [file.model_dump() for file in version.files], ("path", "size", "sha256"))
    return None


@models.command
def pull(model: str, folder: Path, /, *, as_json: Json = False) -> None:
    """Download a version as a plain `from_pretrained` folder, every file checked against its SHA-256."""
    from tasks.core import registry

    store = _store()
    version = registry.find(store, model)
    registry.pull(store, version, folder)
    if as_json:
        return screen.print_json({"model": f"{version.name}@{version.version}", "folder": str(folder)})
    screen.out.print(f"{version.name}@{version.version} is in {folder}", markup=False)
    return None


def _store() -> Any:
    from tasks.core.store import open_store

    _start_stack(settings(), prefect=False)
    return open_store(settings())


def _request(task: Trainable, options: RunOptions, training: Training) -> GlueRun:
    return GlueRun(task=task, training=training, **options.model_dump())


def _start_stack(known: Settings, prefect: bool = True) -> str:
    """Start what the settings leave to us and is not running yet; returns the address of the UI, if it is ours."""
    if known.bucket and (known.api_url or not prefect):
        return ""
    from infra import stack

    running = stack.up(known.home, screen.say, prefect=prefect)
    if known.api_url or not prefect:
        return ""
    os.environ["PREFECT_API_URL"] = running.api_url
    return running.ui_url


def main() -> None:
    """Parse, run, and turn what goes wrong into one line and an exit status."""
    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsValidationError as error:
        _stop(_wrong_field(error.__cause__) if isinstance(error.__cause__, ValidationError) else str(error), 2)
    except CycloptsError as error:
        _stop(" ".join(str(error).split()), 2)
    except ValidationError as error:
        _stop(_wrong_field(error), 2)
    except GlueflowError as error:
        _stop(str(error), error.exit_status)
    except KeyboardInterrupt:
        _stop("interrupted", 130)


def _stop(line: str, status: int) -> None:
    screen.fail(line)
    sys.exit(status)


def _wrong_field(error: ValidationError) -> str:
    """One line for the first field that is off, with the nearest allowed word for a typo."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    line = str(WrongRequest.of(field, first["input"], first["msg"][0].lower() + first["msg"][1:]))
    near = difflib.get_close_matches(str(first["input"]), re.findall(r"'([^']+)'", first["msg"]), n=1)
    return f"{line}. Did you mean {near[0]!r}?" if near else line


if __name__ == "__main__":
    main()
