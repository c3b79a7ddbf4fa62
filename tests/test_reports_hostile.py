"""A report on data of a stranger: what is in the texts is shown and does nothing."""

import json
from pathlib import Path

from tasks.core.specs import GlueRun
from tests.conftest import Corner
from tests.finished import finished
from tests.reported import EVIL, TRAINING, harmless, quiet, report


def test_hostile_data_are_shown_and_do_nothing(corner: Corner, tiny: Path, tmp_path: Path) -> None:
    """Text of a stranger: tags, a turned direction, a megabyte; labels that are tags."""
    texts = [f"{EVIL}{number}" for number in range(8)] + ["long " * 200_000]
    labels = ("<b>no</b>", "$\\frac{")
    rows = [
        {"text": text, "label": label, "split": split}
        for split in ("train", "validation")
        for text in texts
        for label in labels
    ]
    (tmp_path / "evil.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    uri = f"file:{tmp_path}/evil.jsonl?text=text&label=label&split=split"
    quick = TRAINING.model_copy(update={"epochs": 1})
    version = finished(corner, GlueRun(task="own", data=uri, checkpoint=f"file:{tiny}", name="evil", training=quick))
    found, page, body = report(corner, "run", version.label)
    harmless(page, body)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert "⟨U+202E⟩" in body
    assert "\u202e" not in body
    assert "(1,000,000 characters)" in body
    assert found["size"] < 500_000
    assert any(row[0] == "<b>no</b>" for row in page.rows if row)
    quiet(Path(found["file"]), tmp_path)
