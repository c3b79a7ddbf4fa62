"""Prefect's UI in a real browser, as a person uses it: a deployment's form, its runs, what they show.

Needs chromium from Debian's packages; GLUEFLOW_PICTURES names a folder for what the browser saw.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Error, Locator, Page, expect, sync_playwright
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.exceptions import ObjectNotFound

from infra.stack import Stack
from tasks.core.specs import GlueRun, Training
from tests.conftest import make_corner, stack_home
from tests.served import Place
from tests.test_process import until

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; apt-get install chromium brings it"),
    pytest.mark.timeout(600),
]
STEPS = ("fetch", "tokenize", "fine-tune", "evaluate", "register")
PATIENCE = 400_000  # milliseconds that a run may take
PICTURES = os.environ.get("GLUEFLOW_PICTURES")
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def place(
    stack: Stack, tiny: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Place]:
    """Two served deployments: the form as it comes, and what the first custom run asks for, under another name."""
    place = Place(make_corner(stack, tmp_path_factory.mktemp("browser") / "home"), stack, tiny)
    again = {"run": {**asked(place).model_dump(mode="json"), "name": "again"}}
    common = {"schedules": [], "tags": ["tested"]}
    file = place.file(
        place.declared(parameters={}, **common), place.declared(name=f"{place.name}-again", parameters=again, **common)
    )
    with place.working("flows.cli", "up", "--serve", "--file", file, GLUEFLOW_HOME=str(stack_home(request.config))):
        until(lambda: deployment(place, f"{place.name}-again"))
        yield place


def asked(place: Place) -> GlueRun:
    """What is typed into the form."""
    training = Training(epochs=2, learning_rate=1e-3, strategy="frozen")
    return GlueRun(task="rte", data="sample:32", checkpoint=place.run["checkpoint"], seed=7, training=training)


def deployment(place: Place, name: str) -> str | None:
    with place.asking() as client:
        try:
            return str(client.read_deployment_by_name(f"glue/{name}").id)
        except ObjectNotFound:
            return None


@pytest.fixture(scope="module")
def page(stack: Stack) -> Iterator[Page]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        size = {"width": 1200, "height": 900}
        page = browser.new_page(viewport=size, base_url=stack.ui_url, reduced_motion="reduce")  # else lists slide away
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def see(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def start(page: Page, place: Place, name: str, kind: str) -> None:
    page.goto(f"/v2/deployments/deployment/{deployment(place, name)}")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name=kind).click()


def field(page: Page, title: str) -> Locator:
    return page.get_by_label(f"{title} (Optional)", exact=True)


def choose(page: Page, title: str, option: str) -> None:
    page.get_by_label(f"Select {title}", exact=True).click()
    page.get_by_role("option", name=option, exact=True).dispatch_event("click")  # wherever it is sliding


@dataclass(frozen=True)
class Seen:
    """A run that was watched to its end: what Prefect's API says of it, and the text of the page that it left."""

    run: FlowRun
    steps: dict[str, TaskRun]
    page: str
    address: str


def watch(page: Page, place: Place) -> Seen:
    """From the message that a run was made, by way of its artifacts, to its page."""
    try:
        page.get_by_role("link", name="View run").click(timeout=20_000)
    except Error:  # the message goes by itself; the run is in the deployment's list
        page.locator("a[href*='flow-run/']").first.click()
    expect(page.get_by_text("Completed", exact=True).first).to_be_visible(timeout=PATIENCE)
    with place.asking() as client:
        run = client.read_flow_run(UUID(page.url.rpartition("/")[2].partition("?")[0]))
        steps = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    page.get_by_role("tab", name="Artifacts").click()
    page.locator("a[href*='artifacts/key/glue-']").click()
    page.locator("a[href*='artifacts/artifact/']").first.click()
    expect(page.get_by_role("link", name="this run with its log")).to_be_visible()
    expect(page.locator("svg[id^=mermaid]")).to_be_visible()
    return Seen(run, {step.name: step for step in steps}, page.inner_text("body"), page.url)


@pytest.fixture(scope="module")
def custom(page: Page, place: Place) -> Seen:
    """A custom run, its form filled in by hand."""
    start(page, place, place.name, "Custom run")
    request = asked(place)
    choose(page, "Task", request.task)
    choose(page, "Strategy", request.training.strategy)
    for title, value in {
        "Data": request.data,
        "Checkpoint": request.checkpoint,
        "Seed": request.seed,
        "Epochs": request.training.epochs,
        "Learning rate": request.training.learning_rate,
    }.items():
        field(page, title).fill(str(value))
    see(page, "form")
    page.get_by_role("button", name="Submit").click()
    seen = watch(page, place)
    see(page, "page")
    return seen


def test_the_form_refuses_what_is_out_of_bounds_and_no_run_is_made(page: Page, place: Place) -> None:
    start(page, place, place.name, "Custom run")
    page.get_by_role("tab", name="date").click()
    page.get_by_role("button", name="Pick a date").click()
    page.get_by_label("Date (yyyy-MM-dd)").fill("2026-01-31")
    expect(page.get_by_role("button", name="January 31st, 2026")).to_be_visible()
    page.keyboard.press("Escape")
    choose(page, "Strategy", "frozen")
    choose(page, "Start", "random")
    field(page, "Epochs").fill("0")
    page.get_by_role("button", name="Submit").click()
    assert field(page, "Epochs").evaluate("epochs => epochs.validity.rangeUnderflow")
    field(page, "Epochs").fill("3")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("'random' is not one of ['pretrained']").first).to_be_visible()
    assert place.runs() == []


def test_a_custom_run_does_what_was_typed(custom: Seen, place: Place) -> None:
    request = asked(place)
    assert custom.run.state_name == "Completed"
    assert GlueRun.model_validate(custom.run.parameters["run"]) == request
    assert {"tested", "task:rte", "data:sample", "checkpoint:tiny0"} == set(custom.run.tags)
    assert {name: step.state_name for name, step in custom.steps.items()} == dict.fromkeys(STEPS, "Completed")
    assert {tag for step in custom.steps.values() for tag in step.tags} == set()
    assert "models/rte/versions/1/manifest.json" in place.corner.keys("models/")


def test_its_page_shows_scores_steps_and_where_all_of_it_is(custom: Seen, place: Place, page: Page) -> None:
    for text in ("rte, seed 7: rte@1", "The data are made up", "accuracy", "never built", "models/rte/versions/1"):
        assert text in custom.page
    page.goto(custom.address)
    page.get_by_role("link", name="this run with its log").click()
    expect(page).to_have_url(re.compile(rf"/runs/flow-run/{custom.run.id}\?tab=Logs$"))
    expect(page.get_by_text(re.compile("^fetch [0-9a-f]{12} is built: never built$"))).to_be_visible()


def test_a_quick_run_shows_what_it_reused_and_why_it_built_the_rest(custom: Seen, page: Page, place: Place) -> None:
    start(page, place, f"{place.name}-again", "Quick run")
    again = watch(page, place)
    states = {name: step.state_name for name, step in again.steps.items()}
    assert states == {**dict.fromkeys(STEPS, "Cached"), "register": "Completed"}
    expect(page.get_by_text("never built with name again (there is rte)").first).to_be_visible(timeout=30_000)
    page.goto(f"/v2/runs/flow-run/{again.run.id}?tab=TaskRuns")
    expect(page.get_by_text("Cached", exact=True)).to_have_count(4)
    see(page, "steps")
