"""`glueflow run` and `glueflow plan`: one request carried out, or looked at without building anything."""

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from cyclopts import Parameter

from flows import findings, report, screen, services
from flows.preview import preview
from flows.screen import Json
from tasks.core import catalog, trackers
from tasks.core.command import command
from tasks.core.errors import GlueflowError, Preempted
from tasks.core.plan import plan as planned
from tasks.core.settings import settings
from tasks.core.specs import GlueRun, RunOptions, Training
from tasks.core.store import open_store

Task = Annotated[catalog.Task, Parameter(help="GLUE configuration, or own for data with columns of your own.")]
Options = Annotated[RunOptions, Parameter(name="*")]
Train = Annotated[Training, Parameter(name="*")]
DEFAULTS, TRAINING = RunOptions(), Training()


def run(
    task: Task = "mrpc", /, *, options: Options = DEFAULTS, training: Train = TRAINING, as_json: Json = False
) -> None:
    """Fetch, tokenize, fine-tune, evaluate and register; steps that are there already are reused."""
    request = _request(task, options, training)
    ui = services.server(settings())
    with screen.progress():
        result = _reused(request) or _carried_out(request)
    if as_json:
        return screen.print_json(result)
    model = result["model"]
    screen.table(f"{task} from {request.data}", result["steps"], ("name", "key", "state", "seconds"))
    report.of_run(result)
    screen.tell(*result["suspicions"], *findings.lines(result["data_report"]))
    screen.tell(f"registered {model['name']}@{model['version']}  {model['uri']}")
    return screen.say(f'next: glueflow predict {model["name"]}@{model["version"]} "text"  ·  {ui}')


def plan(
    task: Task = "mrpc", /, *, options: Options = DEFAULTS, training: Train = TRAINING, as_json: Json = False
) -> None:
    """Say which steps a run would reuse and which it would build, and why; nothing is built."""
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


def _reused(request: GlueRun) -> dict[str, Any] | None:
    """The run if every step of it is there, shown in the UI; what is wrong with it is said by the flow, where it is
    seen there too."""
    from flows.recorded import recorded
    from flows.reused import reused

    known = settings()
    try:
        trackers.named(known)
        result = reused(open_store(known), request)
    except Preempted:
        raise
    except GlueflowError:
        return None
    return result if result and recorded(services.api(known), request, result) else None


def _carried_out(request: GlueRun) -> dict[str, Any]:
    with services.prefect(settings()):
        from flows.glue import glue

        return glue(request)


def _request(task: catalog.Task, options: RunOptions, training: Training) -> GlueRun:
    return GlueRun(task=task, training=training, **options.model_dump())
