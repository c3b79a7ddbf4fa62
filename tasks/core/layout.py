"""Which files of a folder hold a GLUE task: the classic layout, or Parquet as on the hub.

MRPC/train.tsv  MRPC/dev.tsv  MRPC/test.tsv
mrpc/train-00000-of-00001.parquet  mrpc/validation-00000-of-00001.parquet  mrpc/test.parquet
"""

import re
from collections.abc import Iterable

from tasks.core.catalog import GlueTask
from tasks.core.errors import WrongRequest
from tasks.core.places import Place

SHARD = re.compile(r"(?P<split>\w+?)(-\d{5}-of-(?P<parts>\d{5})(-[0-9a-f]+)?)?\.parquet")


def files(task: GlueTask, place: Place) -> dict[str, list[str]]:
    """The files of each split in order, by the split's name; raises WrongRequest if one is not there."""
    classic = place.names(f"{task.folder}/")
    parquet = shards(place.names(f"{task.name}/"))
    if parquet and not any(f"{task.folder}/{split.file}" in classic for split in task.splits):
        for split in task.splits:
            if split.name not in parquet:
                wanted = f"{task.name}/{split.name}.parquet"
                raise WrongRequest.of("data", place.uri, f"{split.name} of {task.name} is expected at {wanted} there")
        return {split.name: parquet[split.name] for split in task.splits}
    for split in task.splits:
        if f"{task.folder}/{split.file}" not in classic:
            raise WrongRequest.of(
                "data", place.uri, f"{split.file} of {task.name} is expected at {task.folder}/{split.file} there"
            )
    return {split.name: [f"{task.folder}/{split.file}"] for split in task.splits}


def shards(names: Iterable[str]) -> dict[str, list[str]]:
    """Parquet files by split, in order; raises WrongRequest for a split of which a part is missing."""
    splits: dict[str, list[str]] = {}
    parts: dict[str, int] = {}
    for name in sorted(names):
        if shard := SHARD.fullmatch(name.rpartition("/")[2]):
            splits.setdefault(shard["split"], []).append(name)
            parts[shard["split"]] = int(shard["parts"] or 1)
    for split, found in splits.items():
        if len(found) != parts[split]:
            raise WrongRequest(f"data: there are {len(found)} part(s) of {split}, not all that {found[0]} names")
    return splits
