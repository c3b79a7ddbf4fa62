"""The gate: who may become champion, why not, and that it is judged anew after a lost race."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core import aliases, deletion, history, registry, verdicts
from tasks.core.errors import BadData, Damaged, WrongRequest
from tasks.core.files import entry
from tasks.core.history import Wish
from tasks.core.registration import Candidate, register
from tasks.core.registry import Version
from tasks.steps import promote
from tasks.steps.promote import Outcome, Request
from tests.conftest import Corner

BY = "ada@lab"
LABELS = np.arange(400) % 2


def version(corner: Corner, folder: Path, wrong: int, start: int = 0, **record: Any) -> Version:
    """A registered version that answers the examples `start` to `start + wrong` wrongly."""
    name = f"{wrong}-{start}-{len(record)}"
    (folder / name).mkdir()
    predicted = LABELS.copy()
    predicted[start : start + wrong] ^= 1
    table = pa.table({"idx": np.arange(400), "label": record.pop("labels", LABELS), "prediction": predicted})
    pq.write_table(table, folder / name / "validation.parquet")
    (folder / name / "model.safetensors").write_text(f"{name} {record}")
    files = {path: entry(folder / name, path) for path in ("model.safetensors", "validation.parquet")}
    for path, file in files.items():
        corner.store.upload(folder / name / path, f"steps/{name}/{path}", file.sha256)
    sources = {"model.safetensors": f"steps/{name}/model.safetensors"}
    proofs = {"validation.parquet": files.pop("validation.parquet")}
    if record.pop("bare", False):
        proofs = {}
    told = {"task": "rte", "data": "sample:v1:400", "metrics": {}, **record}
    sources |= {f"evidence/{path}": f"steps/{name}/{path}" for path in proofs}
    return register(corner.store, "rte", Candidate(files, sources, told, proofs), "2026-11-23T00:00:00+00:00")


def ask(corner: Corner, *versions: Version, **options: Any) -> Outcome:
    return promote.run(corner.store, corner.settings, Request(versions, "champion", BY, **options))


def champion(corner: Corner) -> int | None:
    return history.state(corner.store, "rte").aliases.get("champion")


def test_the_first_champion_beats_the_best_constant_answer(corner: Corner, tmp_path: Path) -> None:
    poor, good = version(corner, tmp_path, 195), version(corner, tmp_path, 100)
    refused = ask(corner, poor)
    assert refused.move is None
    assert refused.verdict
    assert "not shown to be better" in refused.verdict.reason
    assert champion(corner) is None
    done = ask(corner, good)
    assert done.move
    assert champion(corner) == 2
    assert ask(corner, good) == Outcome(None, None)
    assert [len(verdicts.kept(corner.store, "rte", number)) for number in (1, 2)] == [1, 1]


def test_a_challenger_is_promoted_unless_it_may_be_worse_than_the_margin(corner: Corner, tmp_path: Path) -> None:
    """Accuracy 0.90; one 5 points better, one the same but for 4 examples, one 5 points worse."""
    holder, better, same, worse = (
        version(corner, tmp_path, wrong, start) for wrong, start in ((40, 0), (20, 0), (40, 2), (60, 0))
    )
    ask(corner, holder)
    done = ask(corner, worse)
    assert done.verdict
    assert done.verdict.numbers
    assert (done.move, done.verdict.decision) == (None, "refuse")
    assert (done.verdict.numbers.worse, done.verdict.numbers.better, done.verdict.champion) == (20, 0, 1)
    assert "may be worse by more than the margin of 0.02" in done.verdict.reason
    assert ask(corner, same).move
    assert ask(corner, better).move
    assert champion(corner) == better.version
    (kept,) = verdicts.kept(corner.store, "rte", better.version)
    assert kept.numbers
    assert kept.numbers.p < 0.001
    assert kept.numbers.low > 0
    made = history.moves(corner.store, "rte")[-1]
    assert corner.store.get(made.verdict) == kept.encoded()
    wide = ask(corner, worse, margin=0.2)
    assert wide.move


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (
            {"data": "sample:v1:800"},
            "different data revisions: rte@2 is from sample:v1:800, rte@1 is from sample:v1:400",
        ),
        ({"task": "qnli"}, "different tasks"),
        ({"labels": 1 - LABELS}, "evaluated on different examples"),
        ({"bare": True}, r"registered without validation\.parquet"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(
    corner: Corner, tmp_path: Path, record: dict[str, Any], why: str
) -> None:
    ask(corner, version(corner, tmp_path, 40))
    other = version(corner, tmp_path, 10, **record)
    done = ask(corner, other)
    assert done.verdict
    assert done.move is None
    assert done.verdict.numbers is None
    assert re.search(why, done.verdict.reason)
    assert champion(corner) == 1


@pytest.fixture
def better(corner: Corner, tmp_path: Path) -> Version:
    """Version 2, which is better than version 1, the champion."""
    first, second = version(corner, tmp_path, 80), version(corner, tmp_path, 10)
    ask(corner, first)
    return second


def test_force_needs_a_reason_which_is_recorded(corner: Corner, tmp_path: Path) -> None:
    poor = version(corner, tmp_path, 195)
    with pytest.raises(WrongRequest, match="reason: "):
        ask(corner, poor, force=True, reason=" ")
    done = ask(corner, poor, force=True, reason="the only one there is")
    assert done.verdict
    assert done.verdict.decision == "refuse"
    (made,) = history.moves(corner.store, "rte")
    assert (made.forced, made.reason, made.version) == (True, "the only one there is", 1)


def test_a_lost_race_is_judged_anew(corner: Corner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While version 3 is judged against 1, somebody promotes 2, which is better than both."""
    old, best, late = (version(corner, tmp_path, wrong) for wrong in (80, 10, 40))
    ask(corner, old)
    judge = promote.judge

    def slow(*given: Any) -> Any:
        verdict = judge(*given)
        if champion(corner) == old.version:
            monkeypatch.setattr(promote, "judge", judge)
            assert ask(corner, best).move
        return verdict

    monkeypatch.setattr(promote, "judge", slow)
    done = ask(corner, late)
    assert done.move is None
    assert done.verdict
    assert done.verdict.champion == best.version
    assert champion(corner) == best.version
    assert [verdict.decision for verdict in verdicts.kept(corner.store, "rte", late.version)] == ["promote", "refuse"]


def test_another_alias_that_moves_meanwhile_changes_no_verdict(
    corner: Corner, better: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = promote.judge

    def slow(*given: Any) -> Any:
        aliases.move(corner.store, "rte", lambda now: Wish("promote", 1, BY, f"other{now.entry}"))
        return judge(*given)

    monkeypatch.setattr(promote, "judge", slow)
    assert ask(corner, better).move
    assert len(verdicts.kept(corner.store, "rte", 2)) == 1
    assert [move.alias for move in history.moves(corner.store, "rte")] == ["champion", "other1", "champion"]


def test_a_version_that_is_deleted_while_it_is_judged_is_not_promoted(
    corner: Corner, better: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = promote.judge

    def slow(*given: Any) -> Any:
        verdict = judge(*given)
        deletion.delete(corner.store, "rte", better.version, BY, "to see")
        return verdict

    monkeypatch.setattr(promote, "judge", slow)
    with pytest.raises(WrongRequest, match=r"rte@2.*it was deleted"):
        ask(corner, better)
    assert champion(corner) == 1


def test_several_seeds_are_judged_together(corner: Corner, tmp_path: Path) -> None:
    holder, lucky, unlucky = (version(corner, tmp_path, wrong) for wrong in (40, 20, 120))
    ask(corner, holder)
    done = ask(corner, lucky, unlucky)
    assert done.move is None
    assert done.verdict
    assert done.verdict.numbers
    assert (done.verdict.versions, done.verdict.numbers.each) == ((2, 3), (0.95, 0.7))
    with pytest.raises(WrongRequest, match="trained from other seeds"):
        ask(corner, lucky, lucky)


def test_damaged_predictions_are_not_judged(corner: Corner, tmp_path: Path) -> None:
    first = version(corner, tmp_path, 40)
    key = f"models/rte/evidence/{first.version}/validation.parquet"
    body = corner.store.get(key)
    assert body
    corner.store.put(key, body[:-1] + b"x")
    with pytest.raises(Damaged, match=r"validation\.parquet of rte@1 is damaged"):
        ask(corner, first)
    assert registry.missing(corner.store, "rte", 1)
    assert register(corner.store, "rte", candidate(first), "now").version == 1
    assert corner.store.get(key) == body


def candidate(version: Version) -> Candidate:
    files = {file.path: file for file in version.files}
    return Candidate(files, version.sources, version.record, {file.path: file for file in version.evidence})


@pytest.mark.parametrize("changed", [{"decision": "promote"}, {"reason": "fine"}])
def test_a_verdict_that_was_changed_is_not_believed(corner: Corner, tmp_path: Path, changed: dict[str, str]) -> None:
    ask(corner, version(corner, tmp_path, 195))
    (key,) = corner.keys("models/rte/verdicts/")
    (found,) = verdicts.kept(corner.store, "rte", 1)
    body = corner.store.get(key) or b""
    for name, value in changed.items():
        body = body.replace(str(getattr(found, name)).encode(), value.encode())
    corner.store.put(key, body)
    with pytest.raises(BadData, match="its seal is broken"):
        verdicts.kept(corner.store, "rte", 1)


@pytest.mark.parametrize("margin", [-0.1, 1.0, float("nan")])
def test_margins_that_mean_nothing(corner: Corner, tmp_path: Path, margin: float) -> None:
    with pytest.raises(WrongRequest, match="margin: "):
        ask(corner, nothing(), margin=margin)


def nothing() -> Version:
    return Version(name="rte", version=1, content="0" * 64, created="", record={}, files=(), sources={})
