"""Keys: the same identity has the same key everywhere and for ever; any other identity has another."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.keys import canonical, digest, identity, step_key
from tasks.core.plan import RECIPES, PlannedStep, plan
from tasks.core.settings import Settings
from tasks.core.specs import (
    AnswerSpec,
    EncodeSpec,
    EvaluateSpec,
    FetchSpec,
    FinetuneSpec,
    GlueRun,
    OwnData,
    RegisterSpec,
    Spec,
    StepName,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
FETCH = FetchSpec(task="mrpc", data="sample:v1:800")
FINETUNE = FinetuneSpec(
    task="mrpc",
    checkpoint="sha256:aa",
    seed=42,
    init="pretrained",
    strategy="full",
    epochs=3,
    batch_size=16,
    devices=1,
    learning_rate=5e-5,
    lr_scheduler="linear",
    warmup=0.0,
    weight_decay=0.0,
    early_stopping=0,
    max_train_rows=0,
    precision="float32",
)
SPECS: dict[StepName, Spec] = {
    "fetch": FETCH,
    "encode": EncodeSpec(task="mrpc", checkpoint="sha256:aa", max_length=128),
    "finetune": FINETUNE,
    "evaluate": EvaluateSpec(task="mrpc", precision="float32"),
    "register": RegisterSpec(task="mrpc", name="mrpc", data="sample:v1:800", checkpoint="sha256:aa"),
    "answer": AnswerSpec(task="mrpc"),
}
GOLDEN = {  # changed on purpose only: what a step writes for the same spec has changed, so raise its VERSION
    "fetch": "0da67a435b01d1d5d3d28afe086db1953f1be314ce7d006a63f2970236f2948b",
    "encode": "0441a5e6f87edff6699606267976b99ac72f55069301ba088e953835e13e6fdc",
    "finetune": "5eaff465be3d92e9c30ed01203e09befc03493880aeb4932ca59c7fd3c8c9638",
    "evaluate": "9e7f7598e5ab8db8922150ec913b37908f40c5066658e9c7276eb2b17d98b450",
    "register": "9447a016c9b13107ca9bfe1d0034929e430df34135168278d0761ad19c01c469",
    "answer": "364a117c5bbf0392573ecedd177a37702ab7ea94484cfc4d8242f67167057a7d",
}


@pytest.mark.parametrize("name", list(SPECS))
def test_golden_keys(name: StepName) -> None:
    libraries = dict.fromkeys(RECIPES[name].libraries, "1.0")
    found = step_key(name, RECIPES[name].version, SPECS[name].model_dump(), {"upstream": "0" * 64}, libraries)
    assert found == GOLDEN[name]


@given(VALUES)
def test_canonical_json_is_json_and_survives_a_round_trip(value: Any) -> None:
    encoded = canonical(value)
    assert canonical(json.loads(encoded)) == encoded


@given(st.dictionaries(st.text(), SCALARS, min_size=2))
def test_the_order_of_fields_does_not_count(value: dict[str, Any]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


@given(VALUES, VALUES)
def test_different_values_have_different_keys(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) == same or one == other  # -0.0 and 0.0 are one number


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "\ud800", b"x", {1}, date(2026, 1, 1), Path("x"), object(), {1: 2}, {"a": {2, 3}}],
)
def test_what_is_outside_the_closed_set_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical(value)


def test_minus_zero_is_zero_and_an_integer_is_no_float() -> None:
    assert digest(-0.0) == digest(0.0)
    assert digest(1) != digest(1.0) != digest(True)


FIELDS = [(step, field) for step, spec in SPECS.items() for field in type(spec).model_fields]


@pytest.mark.parametrize(("step", "field"), FIELDS)
def test_each_field_of_a_spec_changes_its_key(step: StepName, field: str) -> None:
    spec = SPECS[step]
    value = getattr(spec, field)
    other = value + "x" if isinstance(value, str) else OwnData(text=("a",), label="b") if value is None else value + 1
    assert _key(step, spec.model_copy(update={field: other})) != _key(step, spec)


def _key(step: StepName, spec: Spec, **sources: str) -> str:
    return PlannedStep(step, spec, {"upstream": "0" * 64}, sources).key


def test_step_version_inputs_and_libraries_change_the_key() -> None:
    spec = FETCH.model_dump()
    keys = {
        step_key("fetch", 1, spec, {}, {}),
        step_key("fetch", 2, spec, {}, {}),
        step_key("encode", 1, spec, {}, {}),
        step_key("fetch", 1, spec, {"a": "b"}, {}),
        step_key("fetch", 1, spec, {"a": "c"}, {}),
        step_key("fetch", 1, spec, {}, {"torch": "1"}),
        step_key("fetch", 1, spec, {}, {"torch": "2"}),
    }
    assert len(keys) == 7


def test_execution_cannot_reach_a_key() -> None:
    """Neither where things lie nor any setting of the machine is among what is hashed."""
    assert _key("finetune", FINETUNE, checkpoint="file:/1") == _key("finetune", FINETUNE, checkpoint="file:/2")
    named = identity("finetune", 1, FINETUNE.model_dump(), {}, {})
    assert not set(Settings.model_fields) & set(named["spec"])


PROGRAM = """
import json
from tasks.core.plan import plan
from tasks.core.specs import GlueRun
print(json.dumps([step.key for step in plan(GlueRun(data="sample:8")).steps]))
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"},
        {"PYTHONHASHSEED": "3", "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"PYTHONHASHSEED": "4", "LC_ALL": "C", "GLUEFLOW_DEVICE": "cuda", "GLUEFLOW_EVAL_BATCH_SIZE": "7"},
        {"GLUEFLOW_HOME": "/elsewhere", "GLUEFLOW_BUCKET": "s3://other/prefix", "GLUEFLOW_THREADS": "3"},
    ],
)
def test_another_process_place_and_locale_give_the_same_keys(tmp_path: Path, environment: dict[str, str]) -> None:
    here = [step.key for step in plan(GlueRun(data="sample:8")).steps]
    root = Path(__file__).resolve().parents[1]
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, **environment, "PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(found.stdout) == here
