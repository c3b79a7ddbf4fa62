"""What a step's task is: an entry of the catalog, or for data of one's own what stands in `task.json` beside them.

task_of("own", folder)  ->  GlueTask("own", text=("sentence",), labels=("bad", "good"), …)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tasks.core.catalog import GlueTask, glue_task
from tasks.core.manifest import Manifest
from tasks.core.store import Store, object_key

FILE = "task.json"
_TASK = TypeAdapter(GlueTask)


def task_of(name: str, folder: Path) -> GlueTask:
    """The task of that name whose tables are in the folder."""
    return _TASK.validate_json((folder / FILE).read_bytes()) if name == "own" else glue_task(name)


def task_in(store: Store, name: str, fetch: Manifest) -> GlueTask:
    """The same from the store: the task whose tables are in that entry."""
    if name != "own":
        return glue_task(name)
    file = next(file for file in fetch.files if file.path == FILE)
    return _TASK.validate_json(store.get(object_key(fetch.folder, file)) or b"")


def recorded(record: Mapping[str, Any]) -> GlueTask:
    """The task of a version, by its record."""
    return _TASK.validate_python(record["own"]) if record["task"] == "own" else glue_task(record["task"])


def to_record(task: GlueTask) -> dict[str, Any]:
    """What a version's record says of a task that is in no catalog."""
    return {"own": _TASK.dump_python(task, mode="json")} if task.name == "own" else {}


def keep(task: GlueTask, folder: Path) -> None:
    """Write down what no catalog says, beside the tables that it describes."""
    if task.name == "own":
        (folder / FILE).write_bytes(_TASK.dump_json(task, indent=1))
