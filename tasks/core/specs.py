"""What was asked: the request of a person, and the frozen spec of each step that follows from it.

`GlueRun` is one model for Prefect's form, the flags and a backfill's slot; titles, bounds and choices live on its
fields. A step's spec holds its identity alone: where and how fast it runs is in `Settings` and cannot reach a key.
"""

from datetime import date
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.core.catalog import TRANSFER, Metric, Task
from tasks.core.form import form, only_if

StepName = Literal["fetch", "encode", "finetune", "evaluate", "register", "answer"]
STEPS: tuple[StepName, ...] = get_args(StepName)
LABELS = {"encode": "tokenize", "finetune": "fine-tune"}  # what Prefect's UI calls a step, where it is not its name
Format = Literal["csv", "jsonl", "parquet"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Precision = Literal["auto", "float32", "bfloat16"]
NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
PACKAGED = "packaged:all-MiniLM-L6-v2"


class Frozen(BaseModel):
    """A value object: unknown fields are refused, none can be changed, NaN is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Training(Frozen):
    """How to fine-tune. Names follow transformers.TrainingArguments."""

    model_config = ConfigDict(json_schema_extra=form(rule=only_if("strategy", "frozen", "init", "pretrained")))

    strategy: Annotated[
        Literal["full", "frozen"],
        Field(title="Strategy", description="full fine-tuning, or a frozen encoder with a trained head"),
    ] = "full"
    init: Annotated[
        Literal["pretrained", "random"],
        Field(title="Start", description="the checkpoint's weights, or a random start from its config"),
    ] = "pretrained"
    epochs: Annotated[int, Field(title="Epochs", ge=1, le=100, description="passes over the training set")] = 3
    batch_size: Annotated[int, Field(title="Batch size", ge=1, le=1024, description="examples per step")] = 16
    devices: Annotated[
        int, Field(title="Devices", ge=1, le=64, description="GPUs, or processes on a CPU, that share each batch")
    ] = 1
    learning_rate: Annotated[float, Field(title="Learning rate", gt=0, le=1, description="peak of AdamW")] = 5e-5
    lr_scheduler: Annotated[
        Literal["linear", "cosine", "constant"],
        Field(title="Schedule", description="the learning rate's way down after warm-up"),
    ] = "linear"
    warmup: Annotated[
        float, Field(title="Warm-up", ge=0, lt=1, description="share of all steps with a rising learning rate")
    ] = 0.0
    weight_decay: Annotated[float, Field(title="Weight decay", ge=0, le=1, description="decoupled, as in AdamW")] = 0.0
    early_stopping: Annotated[
        int, Field(title="Early stopping", ge=0, le=100, description="epochs without a better result; 0: never")
    ] = 0
    max_train_rows: Annotated[
        int,
        Field(
            title="Training rows", ge=0, le=10**9, description="a choice of so many, the same for every seed; 0: all"
        ),
    ] = 0
    max_length: Annotated[
        int, Field(title="Longest input", ge=8, le=8192, description="tokens; longer inputs are truncated")
    ] = 128
    precision: Annotated[
        Precision, Field(title="Precision", description="auto: bfloat16 where the machine has it, else float32")
    ] = "auto"

    @model_validator(mode="after")
    def _something_must_learn_on_each_device(self) -> Self:
        if (self.strategy, self.init) == ("frozen", "random"):
            raise ValueError("strategy frozen needs init pretrained: a frozen random encoder learns nothing")
        if self.batch_size % self.devices:
            raise ValueError(f"devices {self.devices} does not divide batch_size {self.batch_size}, which they share")
        return self


class SuiteOptions(Frozen):
    """What the runs of a suite have in common, but for the training."""

    data: Annotated[
        str,
        Field(
            title="Data",
            max_length=1024,
            description="hf://OWNER/NAME[@REVISION], file:FOLDER or s3://BUCKET/PREFIX in the classic layout or as "
            "Parquet, or sample:[ROWS], made up and offline. Task own: file:FILE?text=COLUMN&label=COLUMN, a CSV, JSON "
            "Lines or Parquet file, or a folder or s3://BUCKET/PREFIX of them",
        ),
    ] = "hf://nyu-mll/glue"
    checkpoint: Annotated[
        str,
        Field(
            title="Checkpoint",
            max_length=1024,
            description=f"{PACKAGED}, hf://OWNER/NAME[@REVISION], or file:FOLDER",
        ),
    ] = PACKAGED
    as_of: Annotated[
        date | None, Field(title="As of", description="newest data revision at the end of that day (UTC)")
    ] = None
    force: Annotated[
        tuple[StepName, ...], Field(title="Force", description="steps to build anew although they are there")
    ] = ()
    transfer: Annotated[
        bool,
        Field(title="Transfer", description=f"{', '.join(TRANSFER)} start from the MNLI model of the same seed"),
    ] = False


class RunOptions(SuiteOptions):
    """All of a request but its task and training."""

    seed: Annotated[Seed, Field(title="Seed", description="of the head, the order of examples and dropout")] = 42
    name: Annotated[
        str, Field(title="Model name", pattern=r"^$|" + NAME, description="in the registry; empty: the task's name")
    ] = ""


class GlueRun(RunOptions):
    """One run: fine-tune a checkpoint on a GLUE task and register the result."""

    model_config = ConfigDict(
        json_schema_extra=form(
            *("task", "data", "checkpoint", "seed", "training", "name", "as_of", "transfer", "force"),
            rule=only_if("transfer", True, "task", *TRANSFER),
        )
    )

    task: Annotated[
        Task, Field(title="Task", description="GLUE configuration, or own for data with columns of your own")
    ] = "mrpc"
    training: Annotated[Training, Field(title="Training")] = Training()

    @model_validator(mode="after")
    def _only_some_tasks_transfer(self) -> Self:
        if self.transfer and self.task not in TRANSFER:
            raise ValueError(f"transfer is for {', '.join(TRANSFER)}: {self.task} starts from a checkpoint")
        return self

    @property
    def ancestor(self) -> "GlueRun | None":
        """The MNLI run whose model this one starts from."""
        if not self.transfer:
            return None
        return self.model_copy(update={"task": "mnli", "transfer": False, "name": "", "force": ()})


class OwnData(Frozen):
    """What stands after the `?` of own data: the columns, and how the rows are divided. Files are named within their
    folder; a validation file divides the rows, or else a split column, or else a share by digest of the texts."""

    text: Annotated[tuple[str, ...], Field(min_length=1, max_length=2, description="one or two columns of text")]
    label: Annotated[str, Field(min_length=1, description="column of labels or scores")]
    kind: Literal["classification", "regression"] = "classification"
    split: Annotated[str, Field(description="column that says train, validation or test")] = ""
    labels: Annotated[tuple[str, ...], Field(description="their order; empty: sorted")] = ()
    metric: Metric | None = None  # the headline
    share: Annotated[float, Field(gt=0, lt=1, description="of the rows for validation")] = 0.1
    split_seed: Annotated[Seed, Field(description="of that share")] = 0
    train: str = ""
    validation: str = ""
    test: str = ""


class FetchSpec(Frozen):
    """One task's data at one revision, as typed tables."""

    task: str
    data: str
    own: OwnData | None = None


class EncodeSpec(Frozen):
    """Every split as token ids of the checkpoint's tokenizer."""

    task: str
    checkpoint: str
    max_length: int


class FinetuneSpec(Frozen):
    """One training, from a checkpoint to the best epoch's weights."""

    task: str
    checkpoint: str
    seed: int
    init: Literal["pretrained", "random"]
    strategy: Literal["full", "frozen"]
    epochs: int
    batch_size: int
    devices: int
    learning_rate: float
    lr_scheduler: Literal["linear", "cosine", "constant"]
    warmup: float
    weight_decay: float
    early_stopping: int
    max_train_rows: int
    precision: Literal["float32", "bfloat16"]


class EvaluateSpec(Frozen):
    """Predictions, logits and official metrics on the validation splits, in the precision of the training."""

    task: str
    precision: Literal["float32", "bfloat16"]


class AnswerSpec(Frozen):
    """Predictions on the test splits, for the leaderboard; AX is answered by a model of MNLI."""

    task: str


class RegisterSpec(Frozen):
    """The checkpoint as a version of a named model; `data` and `checkpoint` are recorded with it."""

    task: str
    name: str
    data: str
    checkpoint: str


class PredictSpec(Frozen):
    """Label and score of every row of a file, by one model; `model` and `input` are digests of their content."""

    model: str
    input: str
    format: Format
    text: str
    second: str
    keep: tuple[str, ...]
    part_rows: int


Spec = FetchSpec | EncodeSpec | FinetuneSpec | EvaluateSpec | RegisterSpec | AnswerSpec
SPECS: dict[str, type[Spec] | type[PredictSpec]] = {  # by the name of the step's process
    "fetch": FetchSpec,
    "encode": EncodeSpec,
    "finetune": FinetuneSpec,
    "evaluate": EvaluateSpec,
    "register": RegisterSpec,
    "answer": AnswerSpec,
    "predict": PredictSpec,
}
