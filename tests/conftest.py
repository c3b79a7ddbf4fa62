"""What tests share: one stack a session, a corner of its bucket for each test, a tiny checkpoint, real GLUE."""

import gc
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import hypothesis
import pytest
from hypothesis import HealthCheck
from prefect.settings import PREFECT_API_URL, temporary_settings

from infra import servers
from infra import stack as local_stack
from infra.stack import Stack
from tasks.core import settings as settings_module
from tasks.core.plan import Plan, plan
from tasks.core.resolve import packaged_folder
from tasks.core.settings import Settings
from tasks.core.specs import GlueRun
from tasks.core.store import Store, open_store

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = ROOT.parent / "shared" / "data" / "glue"
FULL = bool(os.environ.get("GLUEFLOW_TEST_FULL"))  # as in `make test-all`: every case of long proofs, at full size
full = pytest.mark.skipif(not FULL, reason="a cheaper test shows it, too; `make test-all` runs it")
Case = TypeVar("Case")
LONG = (  # test files, the longest first
    *("backfill_killed", "recipes", "process", "automations", "postgres", "benchmark", "readme", "run", "outage"),
    *("every_deployment", "iam", "terminal", "browser", "faults", "devices", "disk_full", "backfill_runs", "memory"),
    *("versus", "learnable", "drill", "pools", "own", "model", "cache", "local_cache", "models_cli", "damage", "kill"),
)
hypothesis.settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.settings.load_profile("shared")  # the machine may be busy with other tests
os.environ["GLUEFLOW_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # test processes share the cores
os.environ["GLUEFLOW_RETRY_DELAY"] = "0.2"
os.environ["GLUEFLOW_DEVICE"] = "cpu"


def some(cases: Sequence[Case], count: int) -> list[Case]:
    """So many of the cases, the same every time; all of them where everything is asked for."""
    return list(cases) if FULL else random.Random(0).sample(cases, count)


@pytest.fixture(scope="session")
def glue_data() -> Path:
    """Real GLUE in the classic layout, kept beside the checkout; the test is skipped where it is not."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"real GLUE data is not at {REAL_DATA}")
    return REAL_DATA


def stack_home(config: pytest.Config) -> Path:
    """One folder for all processes of the test run; GLUEFLOW_TEST_STACK names one whose stack stays."""
    if kept := os.environ.get("GLUEFLOW_TEST_STACK"):
        return Path(kept)
    base = Path(config._tmp_path_factory.getbasetemp())
    return (base.parent if hasattr(config, "workerinput") else base) / "stack"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files begin first, so that no process is left alone with one at the end."""
    order = {f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_collection_finish() -> None:
    """What the imports left lives to the end: garbage is no longer looked for in it."""
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and not os.environ.get("GLUEFLOW_TEST_STACK"):
        local_stack.down(stack_home(session.config))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Stack:
    """A real SeaweedFS and a real Prefect server, started once."""
    return local_stack.up(stack_home(request.config), prefect=True)


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("own")
    ports = {name: random.SystemRandom().choice(pool) for name, pool in servers.POOL.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "WELL_KNOWN", ports)  # another stack would take those that all prefer while ours is down
        yield home
    local_stack.down(home)


@pytest.fixture
def own(own_home: Path) -> Stack:
    """A stack that these tests may kill; what the test before has stopped runs again."""
    return local_stack.up(own_home)


@dataclass
class Corner:
    """A user's machine: a home folder and a prefix of the shared bucket that nobody else uses."""

    home: Path
    environment: dict[str, str]
    prefix: str
    settings: Settings = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            settings_module.settings.cache_clear()
            self.settings = settings_module.settings()
            self.store = open_store(self.settings)
            settings_module.settings.cache_clear()

    def glueflow(self, *arguments: str, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command as a user would and check its exit status."""
        found = subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=ROOT,
            env={**self.whole_environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == status, f"{arguments} ended with {found.returncode}:\n{found.stdout}\n{found.stderr}"
        return found

    def whole_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def json(self, *arguments: str, **environment: str) -> Any:
        return json.loads(self.glueflow(*arguments, "--json", **environment).stdout)

    def keys(self, below: str = "") -> set[str]:
        return set(self.store.sizes(below))

    def made(self) -> set[str]:
        """All but the records of what runs set out to do."""
        return {key for key in self.keys() if not key.startswith("runs/")}

    def another_machine(self, home: Path) -> "Corner":
        """The same bucket seen from an empty disk."""
        return type(self)(home, {**self.environment, "GLUEFLOW_HOME": str(home)}, self.prefix)


def make_corner(stack: Stack, home: Path, kind: type[Corner] = Corner) -> Corner:
    prefix = f"test-{uuid4().hex[:12]}"
    environment = {
        "GLUEFLOW_HOME": str(home),
        "GLUEFLOW_BUCKET": f"s3://{stack.bucket}/{prefix}",
        "AWS_ENDPOINT_URL_S3": stack.endpoint,
        "AWS_ACCESS_KEY_ID": stack.access_key,
        "AWS_SECRET_ACCESS_KEY": stack.secret_key,
        "AWS_REGION": "us-east-1",
        "PREFECT_API_URL": stack.api_url,
    }
    return kind(home, environment, prefix)


@pytest.fixture
def corner(stack: Stack, tmp_path: Path) -> Corner:
    return make_corner(stack, tmp_path / "home")


@pytest.fixture
def here(stack: Stack, tmp_path: Path) -> Corner:
    """A corner whose commands are carried out in this process."""
    from tests.typed import Here

    return make_corner(stack, tmp_path / "home", Here)


@pytest.fixture
def inside(corner: Corner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corner]:
    """This process as a user of the corner, for what is called rather than run."""
    with entered(corner, monkeypatch):
        yield corner


@contextmanager
def entered(corner: Corner, patch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in corner.environment.items():
        patch.setenv(name, value)
    settings_module.settings.cache_clear()
    with temporary_settings({PREFECT_API_URL: corner.environment["PREFECT_API_URL"]}):
        yield
    settings_module.settings.cache_clear()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


def make_tiny(folder: Path) -> Path:
    """A BERT of 2 layers and width 32 with random weights and MiniLM's tokenizer: trains in seconds."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(packaged_folder() / name, folder)
    return folder


@pytest.fixture(scope="session")
def plans() -> tuple[Plan, Plan]:
    """Two runs that share their data and its tokens, and train from different seeds."""
    return plan(GlueRun(data="sample:8", seed=1)), plan(GlueRun(data="sample:8", seed=2))
