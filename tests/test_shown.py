"""What a run shows in the UI, read from Prefect's API: a page when something was built, a meter while it is long."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, FlowRunFilter, FlowRunFilterId
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows import shown
from infra.stack import Stack
from tasks.core.progress import Progress, listening, report
from tasks.core.specs import GlueRun
from tests.conftest import Corner, make_corner
from tests.finished import as_typed, prepared, small
from tests.test_process import until

SEED = str(uuid4().int % 2**32)  # a page of its own, also where the stack is kept


@pytest.fixture(scope="module")
def user(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Corner:
    return make_corner(stack, tmp_path_factory.mktemp("shown") / "home")


@pytest.fixture(scope="module")
def result(user: Corner, tiny: Path) -> Any:
    """Of a run that registered what was there already."""
    prepared(user, asked := small(tiny, seed=SEED))
    return user.json(*as_typed(asked))


def pages(stack: Stack, key: str) -> list[Artifact]:
    with temporary_settings({PREFECT_API_URL: stack.api_url}), get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))


def test_the_page_holds_scores_steps_and_lineage(stack: Stack, result: Any) -> None:
    (page,) = pages(stack, f"glue-mrpc-seed{SEED}")
    text = str(page.data)
    assert page.type == "markdown"
    for name, score in result["metrics"].items():
        assert f"| {name} | {score:.4f} |" in text
    for step in result["steps"]:
        assert f"| {step['name']} | {step['state']} |" in text
        assert f'{step["name"]}["{step["name"]} {step["key"][:12]}"]' in text
    for arrow in ("fetch --> encode", "encode --> finetune", "finetune --> evaluate", "evaluate --> register"):
        assert arrow in text
    assert "The data are made up" in text
    assert f"glueflow models show mrpc@{result['model']['version']}" in text
    assert text.count("```mermaid") == 1
    assert f"`{result['model']['uri']}/README.md`" in text
    assert f"](../../runs/flow-run/{page.flow_run_id}?tab=Logs)" in text


def test_a_run_can_be_found_by_its_tags_and_its_steps_have_none(stack: Stack, result: Any, tiny: Path) -> None:
    (page,) = pages(stack, f"glue-mrpc-seed{SEED}")
    with temporary_settings({PREFECT_API_URL: stack.api_url}), get_client(sync_client=True) as client:
        run = client.read_flow_run(page.flow_run_id)
        steps = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    assert set(run.tags) == {"task:mrpc", "data:sample", f"checkpoint:{tiny.name}"}
    assert [step.tags for step in steps] == [[]] * 5


@pytest.mark.parametrize(
    ("request_", "tagged"),
    [
        (GlueRun(), ("task:mrpc", "data:hf", "checkpoint:all-MiniLM-L6-v2")),
        (GlueRun(checkpoint="hf://a/b@0123", data="s3://c/d"), ("task:mrpc", "data:s3", "checkpoint:a/b")),
        (GlueRun(task="rte", checkpoint="file:/x/y/", data="sample:8"), ("task:rte", "data:sample", "checkpoint:y")),
    ],
)
def test_tags_name_task_source_and_checkpoint(request_: GlueRun, tagged: tuple[str, ...]) -> None:
    assert shown.tags(request_) == tagged


def test_a_run_that_reused_everything_writes_no_page(user: Corner, stack: Stack, result: Any, tiny: Path) -> None:
    again = user.json(*as_typed(small(tiny, seed=SEED)))
    assert {step["state"] for step in again["steps"]} == {"reused"}
    assert len(pages(stack, f"glue-mrpc-seed{SEED}")) == 1


def test_names_cannot_break_out_of_the_page() -> None:
    hostile = 'hf://a/b"]|<script>`x`\n| y ' + "0123456789abcdef" * 4
    assert not re.search(r'[|<>"\]`\n]', shown.plain(hostile))
    assert shown.plain("never built with name again (there is rte)") == "never built with name again (there is rte)"
    assert "0123456789ab" in shown.plain(hostile)
    assert "0123456789abc" not in shown.plain(hostile)


def test_a_meter_moves_with_long_work_and_whoever_listened_still_hears(
    inside: Corner, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "EVERY", 0.05)
    name, heard = f"t{uuid4().hex[:8]}", []

    def stands_at(share: float) -> bool | None:
        found = pages(stack, f"progress-{name}")
        return True if [page.data for page in found] == [share] else None

    with listening(heard.append), shown.metered(name):
        for done in (1, 3):
            report(Progress("train", done, 4, "steps"))
            until(lambda: stands_at(25.0 * done))  # noqa: B023  # called at once
    assert [event.done for event in heard] == [1, 3]


def test_a_meter_whose_server_is_away_delays_nothing_and_fails_nothing(
    inside: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "EVERY", 0.01)
    away = {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    heard: list[Progress] = []
    with temporary_settings(away), listening(heard.append), shown.metered("away"):
        report(Progress("train", 1, 4, "steps"))
    assert [event.done for event in heard] == [1]
