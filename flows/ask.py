"""`glueflow predict` and `glueflow pipeline`: what a model says of texts."""

from typing import Annotated, Any

from cyclopts import Parameter

from flows import screen, services
from flows.screen import Json
from tasks.core.batch import Batch, BatchOptions
from tasks.core.errors import WrongRequest
from tasks.core.settings import settings
from tasks.models.pipelines import NAMES, Options, kind_of

Model = Annotated[str, Parameter(help="NAME, NAME@VERSION, hf://OWNER/NAME[@REVISION], file:FOLDER or packaged:…")]
NONE, NO_BATCH = Options(), BatchOptions()


def predict(
    model: Model,
    text: str | None = None,
    second: str | None = None,
    /,
    *,
    batch: Annotated[BatchOptions, Parameter(name="*")] = NO_BATCH,
    explain: Annotated[bool, Parameter(help="Show tokens, logits and probabilities, too.")] = False,
    as_json: Json = False,
) -> None:
    """Label and score of a text, a pair of texts, or every row of --input, by a registered model or a checkpoint.

    A file's answers go to the store as Parquet, part by part, and into --output; a batch that was cut off goes on.
    In CSV a text that a spreadsheet would run as a formula is written with an apostrophe before it.
    """
    if batch != NO_BATCH:
        if text is not None or explain:
            raise WrongRequest("input: a file is asked about as a whole, without a text and without --explain")
        return _batch(Batch(model=model, **batch.model_dump()), as_json)
    if text is None:
        raise WrongRequest("text: is missing; give a text, or a file with --input")
    from tasks.models import classifier
    from tasks.models.device import device
    from tasks.models.opened import opened

    known = settings()
    example = (text,) if second is None else (text, second)
    with screen.progress(), opened(model, known, lambda: services.store(known)) as here:
        if explain:
            found = classifier.explain(here.folder, example, device(known.device))
        else:
            found = classifier.classify(here.folder, [example], device(known.device))[0]
    if as_json:
        return screen.print_json({"model": here.name, **found})
    if explain:
        screen.table("tokens", found["tokens"], ("token", "id", "segment"))
        screen.table("labels", [_rounded(row) for row in found["labels"]], tuple(found["labels"][0]))
    return screen.tell(f"{found['label']}  {found['score']:.4f}")


def _batch(batch: Batch, as_json: bool) -> None:
    with services.prefect(settings()), screen.progress():
        from flows.predict import predict as flow

        said = flow(batch)
    if as_json:
        return screen.print_json(said)
    where = f"{said['output']} and {said['uri']}" if said["output"] else said["uri"]
    return screen.tell(f"{said['rows']} rows by {said['model']}, {said['state']}: {where}")


def pipeline(
    task: Annotated[str, Parameter(help=f"One of {', '.join(NAMES)}.")],
    model: Model,
    text: str,
    /,
    *more: str,
    options: Annotated[Options, Parameter(name="*")] = NONE,
    as_json: Json = False,
) -> None:
    """What one of transformers' text pipelines finds in each text, with a checkpoint or a registered model."""
    kind_of(task, options)
    from tasks.models.device import device
    from tasks.models.opened import opened
    from tasks.models.pipelines import ask

    known = settings()
    texts = (text, *more)
    with screen.progress(), opened(model, known, lambda: services.store(known)) as here:
        found = ask(task, here.folder, texts, options, device(known.device))
    if as_json:
        return screen.print_json({"model": here.name, "task": task, "found": found})
    for one, findings in zip(texts, found, strict=True):
        rows = [_rounded(row) for finding in findings for row in _flat(finding)]
        screen.table(one, rows, tuple(rows[0]) if rows else ())
    return None


def _flat(finding: Any) -> list[dict[str, Any]]:
    """A finding as rows of plain values: parallel lists become rows, and so do the findings of several masks."""
    if isinstance(finding, list) and isinstance(finding[0], float):  # a token's vector; --json prints all of it
        return [{"numbers": len(finding), "the first": "  ".join(f"{number:.4f}" for number in finding[:4])}]
    if isinstance(finding, list):
        return finding
    if "labels" in finding:
        pairs = zip(finding["labels"], finding["scores"], strict=True)
        return [{"label": label, "score": score} for label, score in pairs]
    return [finding]


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Four places where the terminal's table would show two."""
    return {name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()}
