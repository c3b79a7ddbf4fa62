"""Where things are on this machine, from the environment. Nothing here can reach a key.

    GLUEFLOW_HOME=/data/glueflow GLUEFLOW_BUCKET=s3://models/glue glueflow run mrpc

Without GLUEFLOW_BUCKET the embedded store of `infra/stack.py` is used. Credentials, region and endpoint of a bucket of
one's own come from boto3's own variables (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3, ...), never from here.
"""

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import ByteSize, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.core.errors import WrongRequest

BUCKET_URI = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]+)?$"
TRACKER = "(tensorboard|mlflow|trackio|wandb)"


class Settings(BaseSettings):
    """Settings of this machine; each has a safe default."""

    model_config = SettingsConfigDict(env_prefix="GLUEFLOW_", frozen=True)

    home: Annotated[Path, Field(description="folder for the cache, scratch files and the embedded stack")] = (
        Path.home() / ".glueflow"
    )
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
    """This process's settings; raises WrongRequest naming the variable that is off."""
    try:
        found = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"GLUEFLOW_{'_'.join(map(str, first['loc'])).upper()}"
        about = Settings.model_fields[str(first["loc"][0])].description
        raise WrongRequest.of(name, first["input"], f"{first['msg']} ({about})") from None
    return found.model_copy(update={"home": found.home.expanduser().absolute()})
