"""Where things are on this machine, from the environment and, below it, a file. Nothing here can reach a key.

    GLUEFLOW_HOME=/data/glueflow GLUEFLOW_BUCKET=s3://models/glue glueflow run mrpc

The file is that of tasks/core/config.py. Without GLUEFLOW_BUCKET the embedded store of `infra/stack.py` is used.
Credentials, region and endpoint of a bucket of one's own come from boto3's own variables (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL_S3, ...), never from here.
"""

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError

from tasks.core import config
from tasks.core.errors import WrongRequest

BUCKET_URI = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]+)?$"
TRACKER = "(tensorboard|mlflow|trackio|wandb)"


class Settings(BaseModel):
    """Settings of this machine; each has a safe default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Annotated[Path, Field(description="folder for the cache, scratch files and the embedded stack")] = config.HOME
    cache_size: Annotated[
        ByteSize, Field(ge=1_000_000, description="bytes of copies kept on this disk, such as 500MB; at least 1MB")
    ] = ByteSize(20_000_000_000)
    bucket: Annotated[
        str | None, Field(pattern=BUCKET_URI, description="s3://bucket[/prefix]; embedded store if unset")
    ] = None
    api_url: Annotated[
        str, Field(validation_alias="PREFECT_API_URL", description="Prefect's API; embedded server if unset")
    ] = ""
    retries: Annotated[int, Field(ge=0, le=10, description="tries after the first, for faults that may pass")] = 3
    retry_delay: Annotated[float, Field(gt=0, le=600, description="seconds before the first retry; doubles")] = 5.0
    lease: Annotated[
        float, Field(ge=1, le=3600, description="seconds without a sign of life after which a step is taken over")
    ] = 30.0
    save_every: Annotated[
        float, Field(gt=0, le=86_400, description="seconds between two saved states of a training; more if it is large")
    ] = 60.0
    save_share: Annotated[
        float, Field(gt=0, le=1, description="share of a training's time that saving and uploading its state may take")
    ] = 0.05
    device: Annotated[str, Field(pattern="^(auto|cpu|cuda)$", description="where to train")] = "auto"
    gpus: Annotated[int | None, Field(ge=1, le=64, description="GPUs to use; those that nvidia-smi lists if unset")] = (
        None
    )
    threads: Annotated[int, Field(ge=0, le=1024, description="CPU threads of a step; 0: one a core")] = 0
    eval_batch_size: Annotated[int, Field(ge=1, le=4096, description="rows per batch of evaluation")] = 64

    trackers: Annotated[
        str,
        Field(
            pattern=f"^({TRACKER}(,{TRACKER})*)?$",
            description="any of tensorboard, mlflow, trackio, wandb, with commas between",
        ),
    ] = ""

    signing_key: Annotated[
        Path | None, Field(description="PEM file of the elliptic-curve key that signs what is registered")
    ] = None
    public_key: Annotated[
        Path | None, Field(description="PEM file of its counterpart; then only signed versions are used")
    ] = None

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def scratch(self) -> Path:
        return self.home / "scratch"

    @property
    def stack(self) -> Path:
        return self.home / "stack"


@cache
def settings() -> Settings:
    """This process's settings; raises WrongRequest naming the variable, or the file and its key, that is off."""
    try:
        found = Settings.model_validate({_alias(field): value for field, value in _given().items()})
    except ValidationError as error:
        first = error.errors()[0]
        field = next(name for name in Settings.model_fields if str(first["loc"][0]) in (name, _alias(name)))
        said = f"{first['msg']} ({Settings.model_fields[field].description})"
        raise WrongRequest.of(_origin(field), first["input"], said) from None
    return found.model_copy(update={"home": found.home.expanduser().absolute()})


def _given() -> dict[str, Any]:
    """What the configuration file says, and over it the environment, by field."""
    fields = list(Settings.model_fields)
    there = {name.upper(): value for name, value in os.environ.items()}
    return config.given(fields) | {field: there[variable(field)] for field in fields if variable(field) in there}


def variable(field: str) -> str:
    """The variable of the environment for a setting."""
    alias = _alias(field)
    return f"GLUEFLOW_{field.upper()}" if alias == field else alias


def _origin(field: str) -> str:
    """The variable if it is set, else the file and its key."""
    name = variable(field)
    return name if name in map(str.upper, os.environ) else f"{config.location()}: {field}"


def _alias(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias or field)
