"""A batch as it is asked for: the command line's flags, and the form of its flow in Prefect's UI."""

from typing import Annotated

from pydantic import ConfigDict, Field

from tasks.core.form import form
from tasks.core.specs import Frozen


class BatchOptions(Frozen):
    """Where the texts are, and where the answers go."""

    input: Annotated[
        str, Field(title="Input", description="a .csv, .jsonl or .parquet file, on this disk or in the store: s3://…")
    ] = ""
    output: Annotated[
        str,
        Field(title="Output", description="a .csv, .jsonl or .parquet file on this disk; the parts stay in the store"),
    ] = ""
    text: Annotated[str, Field(title="Text column", description="found by its name if left out")] = ""
    second: Annotated[str, Field(title="Second text column", description="of pairs; found with the first")] = ""
    keep: Annotated[tuple[str, ...], Field(title="Keep", description="columns of the input to carry along")] = ()
    part_rows: Annotated[
        int, Field(title="Rows of a part", ge=1, le=1_000_000, description="what is in memory at once")
    ] = 4096


class Batch(BatchOptions):
    """One batch: what a model says of every row of a file."""

    model_config = ConfigDict(json_schema_extra=form("model", "input", "output", "text", "second", "keep", "part_rows"))

    model: Annotated[
        str,
        Field(title="Model", description="NAME, NAME@VERSION, hf://OWNER/NAME[@REVISION], file:FOLDER or packaged:…"),
    ] = "mrpc"
