"""What GLUE is: ten configurations, their columns, labels, metrics and official sizes.

Sources: Wang et al. 2018 (arXiv:1804.07461), the loader `nyu-mll/glue`, and the leaderboard's file names.
The first metric of a task is its headline: the one by which the best checkpoint is chosen.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from tasks.core.errors import WrongRequest

Trainable = Literal["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]
Task = Literal[Trainable, "own"]  # own: columns and labels are the data's (tasks/core/own.py)
Metric = Literal["matthews_correlation", "accuracy", "f1", "pearson", "spearmanr"]
UNLABELLED = -1
TRANSFER: tuple[Trainable, ...] = ("mrpc", "stsb", "rte")  # start from MNLI in Liu et al. 2019 (RoBERTa), section 5.1


@dataclass(frozen=True)
class Split:
    """One split: its name in the hub's data set, its file in the classic layout, its official number of rows."""

    name: str
    file: str
    rows: int
    labelled: bool = True


@dataclass(frozen=True)
class GlueTask:
    """One configuration. `labels` is empty for a regression; then the label is a score in `score_range`."""

    name: str
    folder: str
    text: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[Metric, ...]
    splits: tuple[Split, ...]
    score_range: tuple[float, float] = (0.0, 0.0)
    submission: tuple[str, ...] = ()

    @property
    def headline(self) -> Metric:
        return self.metrics[0]

    @property
    def is_regression(self) -> bool:
        return not self.labels

    @property
    def num_labels(self) -> int:
        """Width of the classification head; 1 for a regression, as transformers counts it."""
        return len(self.labels) or 1

    @property
    def validation(self) -> tuple[Split, ...]:
        """The splits that are scored; the first decides the best checkpoint. MNLI has two."""
        return tuple(split for split in self.splits if split.name.startswith("validation"))

    @property
    def test(self) -> tuple[Split, ...]:
        """The splits that the leaderboard scores, in the order of `submission`."""
        return tuple(split for split in self.splits if not split.labelled)


def _splits(train: int, validation: int, test: int) -> tuple[Split, ...]:
    return (
        Split("train", "train.tsv", train),
        Split("validation", "dev.tsv", validation),
        Split("test", "test.tsv", test, labelled=False),
    )


_MNLI = (
    Split("train", "train.tsv", 392_702),
    Split("validation_matched", "dev_matched.tsv", 9_815),
    Split("validation_mismatched", "dev_mismatched.tsv", 9_832),
    Split("test_matched", "test_matched.tsv", 9_796, labelled=False),
    Split("test_mismatched", "test_mismatched.tsv", 9_847, labelled=False),
)
_AX = (Split("test", "diagnostic.tsv", 1_104, labelled=False),)
_PAIR = ("sentence1", "sentence2")
_NLI = ("entailment", "neutral", "contradiction")
_QNLI = ("entailment", "not_entailment")
_TASKS = (
    GlueTask("cola", "CoLA", ("sentence",), ("unacceptable", "acceptable"), ("matthews_correlation",),
             _splits(8_551, 1_043, 1_063), submission=("CoLA.tsv",)),
    GlueTask("sst2", "SST-2", ("sentence",), ("negative", "positive"), ("accuracy",),
             _splits(67_349, 872, 1_821), submission=("SST-2.tsv",)),
    GlueTask("mrpc", "MRPC", _PAIR, ("not_equivalent", "equivalent"), ("f1", "accuracy"),
             _splits(3_668, 408, 1_725), submission=("MRPC.tsv",)),
    GlueTask("stsb", "STS-B", _PAIR, (), ("pearson", "spearmanr"),
             _splits(5_749, 1_500, 1_379), score_range=(0.0, 5.0), submission=("STS-B.tsv",)),
    GlueTask("qqp", "QQP", ("question1", "question2"), ("not_duplicate", "duplicate"), ("f1", "accuracy"),
             _splits(363_846, 40_430, 390_965), submission=("QQP.tsv",)),
    GlueTask("mnli", "MNLI", ("premise", "hypothesis"), _NLI, ("accuracy",),
             _MNLI, submission=("MNLI-m.tsv", "MNLI-mm.tsv")),
    GlueTask("qnli", "QNLI", ("question", "sentence"), _QNLI, ("accuracy",),
             _splits(104_743, 5_463, 5_463), submission=("QNLI.tsv",)),
    GlueTask("rte", "RTE", _PAIR, _QNLI, ("accuracy",),
             _splits(2_490, 277, 3_000), submission=("RTE.tsv",)),
    GlueTask("wnli", "WNLI", _PAIR, ("not_entailment", "entailment"), ("accuracy",),
             _splits(635, 71, 146), submission=("WNLI.tsv",)),
    GlueTask("ax", "diagnostic", ("premise", "hypothesis"), _NLI, ("matthews_correlation",),
             _AX, submission=("AX.tsv",)),
)  # fmt: skip
GLUE: dict[str, GlueTask] = {task.name: task for task in _TASKS}
TRAINABLE: tuple[Trainable, ...] = get_args(Trainable)


def glue_task(name: str) -> GlueTask:
    """The configuration of that name; raises WrongRequest for any other."""
    if name not in GLUE:
        raise WrongRequest.of("task", name, f"choose one of {', '.join(GLUE)}")
    return GLUE[name]
