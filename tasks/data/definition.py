"""What a step's task is: an entry of the catalog, or for data of one's own what stands in `task.json` beside them.

task_of("own", folder)  ->  GlueTask("own", text=("sentence",), labels=("bad", "good"), …)
"""

from pathlib import Path

from pydantic import TypeAdapter

from tasks.core.catalog import GlueTask, glue_task

FILE = "task.json"
_TASK = TypeAdapter(GlueTask)


def task_of(name: str, folder: Path) -> GlueTask:
    """The task of that name whose tables are in the folder."""
    return _TASK.validate_json((folder / FILE).read_bytes()) if name == "own" else glue_task(name)


def keep(task: GlueTask, folder: Path) -> None:
    """Write down what no catalog says, beside the tables that it describes."""
    if task.name == "own":
        (folder / FILE).write_bytes(_TASK.dump_json(task, indent=1))
