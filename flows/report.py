"""Scores as a person reads them: with the interval, the majority class, and what others published."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows import screen
from tasks.core.published import beside

FEWER = "published models were trained on all rows; those here, where it says so, on fewer"
SYNTHETIC = "made-up data: these figures show that a pipeline works and say nothing of a model"

METRICS = {
    "accuracy_mismatched": "accuracy mm",
    "f1": "F1",
    "matthews_correlation": "Matthews",
    "pearson": "Pearson",
    "spearmanr": "Spearman",
}


def of_run(result: Mapping[str, Any]) -> None:
    """A single run's scores."""
    synthetic = result["synthetic"]
    rows = [
        {
            "metric": METRICS.get(name, name),
            "score": share(value),
            "95 % over examples": ends(result["intervals"][name]),
            "majority class": share(result["majority"][name]),
            "published": "" if synthetic else published(beside(result["task"], {name: value}, result["intervals"])),
        }
        for name, value in result["metrics"].items()
    ]
    screen.table("scores", rows, tuple(rows[0]))
    screen.tell(*remarks(result))


def remarks(result: Mapping[str, Any]) -> list[str]:
    """What a reader of the scores has to know."""
    used, of = result["rows"]["used"], result["rows"]["of"]
    return [
        *([f"trained on {used:,} of {of:,} rows"] if used < of else []),
        *(["collapsed: one class alone is predicted"] if result["collapsed"] is True else []),
        *([f"started from the MNLI model {result['transfer'][:12]}"] if result.get("transfer") else []),
    ]


def of_suite(result: Mapping[str, Any]) -> None:
    """A suite's runs, its tasks over seeds and examples, what others published, the score, and what failed."""
    screen.table("runs", [_run(row) for row in result["runs"]], ("task", "seed", "state", "scores", "model"))
    if result["tasks"]:
        rows = [_task(row) for row in result["tasks"]]
        screen.table("tasks", rows, tuple(rows[0]))
        screen.table("what these figures could show", [_resolution(row) for row in result["tasks"]], _COULD)
    if result["published"]:
        rows = [_published(row) for row in result["published"]]
        screen.table("beside published figures (development sets)", rows, tuple(rows[0]))
        if any(row["rows"]["used"] < row["rows"]["of"] for row in result["tasks"]):
            screen.tell(FEWER)
    if any(row["synthetic"] for row in result["tasks"]):
        screen.tell(SYNTHETIC)
    if score := result["score"]:
        missing = f"; partial, for it lacks {', '.join(score['missing'])}" if score["missing"] else ""
        screen.tell(
            f"GLUE score on validation {score['points']:.1f}, the average of {len(score['tasks'])} tasks{missing}"
        )
    if result["comparison"]:
        rows = [_compared(row) for row in result["comparison"]]
        screen.table(f"against {result['against']}, on the same examples", rows, tuple(rows[0]))
    if result["submission"]:
        screen.table("submission", result["submission"], ("file", "rows", "model", "content", "note"))
    for row in result["failed"]:
        screen.tell(f"{row['task']} seed {row['seed']} {row['state']}: {row['message']}", f"  resume: {row['resume']}")
    if result["failed"]:
        screen.tell(f"all that is missing: {result['again']}")


_COULD = ("task", "metric", "examples", "on the examples from", "by the seeds from", "seeds for 1 point")


def _run(row: Mapping[str, Any]) -> dict[str, Any]:
    model = row.get("model")
    scores = screen.figures(row["metrics"]) if "metrics" in row else ""
    return {
        "task": row["task"],
        "seed": row["seed"],
        "state": row["state"],
        "scores": f"{scores}  collapsed" if row.get("collapsed") else scores,
        "model": f"{model['name']}@{model['version']}" if model else "",
    }


def _task(row: Mapping[str, Any]) -> dict[str, Any]:
    without = row["without"]
    rest = f"; without {_spread(without)}" if without else ""
    collapsed = f"{', '.join(map(str, row['collapsed']))}{rest}" if row["collapsed"] else ""
    used, of = row["rows"]["used"], row["rows"]["of"]
    return {
        "task": row["task"],
        "metric": METRICS.get(row["metric"], row["metric"]),
        "mean ± sd": _spread(row),
        "95 % over seeds": ends(row["interval"]),
        "95 % over examples": ends(row["over_examples"]),
        "majority class": share(row["majority"]),
        "rows": f"{used:,}" if used == of else f"{used:,} of {of:,}",
        "collapsed seeds": collapsed,
    }


def _resolution(row: Mapping[str, Any]) -> dict[str, Any]:
    seeds = row["seeds_for_a_point"]
    return {
        "task": row["task"],
        "metric": METRICS.get(row["metric"], row["metric"]),
        "examples": f"{row['examples']:,}",
        "on the examples from": _points(row["visible_on_examples"]),
        "by the seeds from": f"{_points(row['visible_by_seeds'])} ({row['seeds']} seeds)",
        "seeds for 1 point": "" if seeds is None else f"at least {seeds}",
    }


def _published(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task": row["task"],
        "metric": METRICS.get(row["metric"], row["metric"]),
        "here": f"{share(row['score'])} {ends(row['interval'])}",
        "model": row["model"],
        "published": share(row["published"]),
        "": _WITHIN[row["within"]],
    }


def _compared(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task": row["task"],
        "metric": METRICS.get(row["metric"], row["metric"]),
        "seeds": f"{row['seeds']} and {row['their_seeds']}",
        "difference": f"{row['difference']:+.3f}",
        "95 % over examples": ends(row["interval"]),
        "p": share(row["p"]),
        "p (Holm)": share(row["p_holm"]),
        "": "differ" if row["p_holm"] < 0.05 else "not told apart",
    }


_WITHIN = {True: "within the interval", False: "outside", None: ""}


def published(rows: Sequence[Mapping[str, Any]]) -> str:
    return "  ".join(f"{row['model']} {share(row['published'])} {_WITHIN[row['within']]}".strip() for row in rows)


def share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def ends(pair: Sequence[float] | None) -> str:
    return f"{pair[0]:.3f} to {pair[1]:.3f}" if pair else "–"


def _spread(row: Mapping[str, Any]) -> str:
    return share(row["mean"]) + (f" ± {row['sd']:.3f}" if row["sd"] is not None else "")


def _points(difference: float | None) -> str:
    return "–" if difference is None else f"{100 * difference:.1f} points"
