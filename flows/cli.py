"""The `glueflow` command. Exit status: 0 done, 1 the work failed, 2 the request or its data were wrong."""

import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, NoReturn

from cyclopts import App, CycloptsError, Parameter, validators
from cyclopts import ValidationError as CycloptsValidationError
from pydantic import ValidationError

from flows import ask, completion, deploy, examples, findings, report, screen, services
from flows.backfills import app as backfill
from flows.cache import app as cache
from flows.init import init
from flows.models import Json
from flows.models import app as models
from flows.policies import policy
from flows.reports import app as reports
from flows.suite import benchmark
from tasks.core import catalog
from tasks.core.command import command
from tasks.core.errors import GlueflowError, Preempted, WrongRequest
from tasks.core.settings import settings
from tasks.core.specs import GlueRun, RunOptions, Training

app = App(
    name="glueflow",
    help="Fine-tune transformers on GLUE as a pipeline that can be left alone.",
    help_format="markdown",
    default_parameter=Parameter(negative=""),
)
app.command(models)
app.command(backfill)
app.command(cache)
app.command(policy)
app.command(reports)
app.command(benchmark)
app.command(init)
app.command(deploy.deploy)
app.command(ask.predict)
app.command(ask.pipeline)
completion.register(app)

Task = Annotated[catalog.Task, Parameter(help="GLUE configuration, or own for data with columns of your own.")]
Options = Annotated[RunOptions, Parameter(name="*")]
Train = Annotated[Training, Parameter(name="*")]
DEFAULTS, TRAINING = RunOptions(), Training()


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
    with services.prefect(settings()) as ui, screen.progress():
        from flows.glue import glue

        result = glue(request)
    if as_json:
        return screen.print_json(result)
    model = result["model"]
    screen.table(f"{task} from {request.data}", result["steps"], ("name", "key", "state", "seconds"))
    report.of_run(result)
    screen.tell(*result["suspicions"], *findings.lines(result["data_report"]))
    screen.tell(f"registered {model['name']}@{model['version']}  {model['uri']}")
    return screen.say(f'next: glueflow predict {model["name"]}@{model["version"]} "text"  ·  {ui}')


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
    from tasks.core.plan import plan as planned

    request = _request(task, options, training)
    with ThreadPoolExecutor(1) as beside:  # a checkpoint's digest takes as long as to open the store
        steps = beside.submit(planned, request)
        store = services.store(settings())
        result = preview(steps.result(), store)
    if as_json:
        return screen.print_json(result)
    shown = [{**step, "reason": step["reason"].replace("), ", "),\n")} for step in result["steps"]]  # one a line
    screen.table(f"{task} from {request.data}", shown, ("name", "key", "state", "reason"))
    return screen.say(f"next: {command('run', request)}")


@app.command
def up(
    *,
    serve: Annotated[bool, Parameter(help="Then run what schedules and the UI start, here, until Ctrl-C.")] = False,
    options: Annotated[deploy.Options, Parameter(name="*")] = deploy.DEFAULTS,
    as_json: Json = False,
) -> None:
    """Start the local stack (object store and Prefect server, on loopback) and say where it is."""
    from infra import stack

    if options != deploy.DEFAULTS and not serve:
        raise WrongRequest("up: the options of deployments mean something only with --serve")
    if serve:
        return deploy.serve(options)
    running = stack.up(settings().home, screen.say)
    found = {"store": running.endpoint, "bucket": running.bucket, "api": running.api_url, "ui": running.ui_url}
    if as_json:
        return screen.print_json(found)
    return screen.tell(*(f"{name:<8}{value}" for name, value in found.items()))


@app.command
def down(*, as_json: Json = False) -> None:
    """Stop the local stack; its data stays."""
    from infra import stack

    stopped = stack.down(settings().home)
    if as_json:
        return screen.print_json({"stopped": stopped})
    return screen.tell(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


@app.command
def doctor(*, as_json: Json = False) -> None:
    """Check Python, packages, configuration, disk, store, server, hub and device, and say how to mend what is wrong."""
    from flows.doctor import examine

    checks = examine()
    if as_json:
        screen.print_json(checks)
    else:
        screen.table("doctor", checks, ("name", "state", "found", "remedy"))
    if any(check["state"] == "wrong" for check in checks):
        sys.exit(1)


@app.command
def drill(
    *,
    kills: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=1000))] = 3,
    seed: int = 1,
    as_json: Json = False,
) -> None:
    """Kill runs and spoil files on this machine and bucket, below a prefix that is removed again; minutes long.

    Parameters
    ----------
    kills
        How often a whole run is killed at a random moment.
    seed
        Of the random moments.
    """
    from flows.drill import drill as carry_out

    known = settings()
    services.server(known)
    store = services.store(known)
    with screen.progress():
        rows = carry_out(known, store, services.credentials(known), kills, seed)
    if as_json:
        screen.print_json(rows)
    else:
        screen.table("drill", rows, ("injected", "times", "survived", "how"))
    if any(row["survived"] < row["times"] for row in rows):
        sys.exit(1)


examples.attach(app)


def _request(task: catalog.Task, options: RunOptions, training: Training) -> GlueRun:
    return GlueRun(task=task, training=training, **options.model_dump())


def main() -> None:
    """Parse, run, and turn what goes wrong into one line and an exit status."""
    signal.signal(signal.SIGTERM, _told_to_end)
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
        _stop(f"interrupted; {services.LATER}", 130)


def _told_to_end(*_: object) -> NoReturn:
    raise Preempted(f"told to end; {services.LATER}")


def _stop(line: str, status: int) -> None:
    screen.fail(line)
    sys.exit(status)


def _wrong_field(error: ValidationError) -> str:
    """One line for the first field that is off, with the nearest allowed word for a typo."""
    first = error.errors()[0]
    field = ".".join(str(part).rstrip("_") for part in first["loc"])
    why = first["msg"].removeprefix("Value error, ")
    known = re.findall(r"'([^']+)'", first["msg"])
    return str(WrongRequest.of(field, first["input"], why[0].lower() + why[1:], known))


if __name__ == "__main__":
    main()
