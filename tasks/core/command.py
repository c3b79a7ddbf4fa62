"""The command line that asks for a request, so that a report can say how to go on.

command("run", GlueRun(task="rte", seed=1))       ->  "glueflow run rte --seed 1"
command("backfill run", Backfill(from_=…, to=…))  ->  "glueflow backfill run --from 2026-10-01 --to 2026-10-31"
"""

import shlex

from tasks.core.specs import Frozen


def command(name: str, request: Frozen) -> str:
    """What to type for the request; fields with their default values are left out."""
    return shlex.join(["glueflow", *name.split(), *_words(request)])


def _words(request: Frozen) -> list[str]:
    words: list[str] = []
    for field, about in type(request).model_fields.items():
        value = getattr(request, field)
        flag = f"--{field.rstrip('_').replace('_', '-')}"
        if field == "task":
            words.insert(0, value)
        elif isinstance(value, Frozen):
            words += _words(value)
        elif value == about.get_default(call_default_factory=True):
            continue
        elif isinstance(value, bool):
            words.append(flag)
        else:
            words += [part for each in (value if isinstance(value, tuple) else (value,)) for part in (flag, str(each))]
    return words
