"""The forms of the deployments that come with the package, judged by what Prefect's UI and server judge them by."""

from typing import Any

import pytest
from prefect.utilities.schema_tools import validate
from prefect.utilities.schema_tools.validation import build_error_obj
from pydantic import ValidationError

from flows import deployments
from flows.deployments import Declared
from tasks.core.specs import STEPS, GlueRun

DECLARED = deployments.declared(deployments.FILE, deployments.Choices()).all
Schema = dict[str, Any]


def schema(each: Declared) -> Schema:
    return each.flow.parameters.model_dump()


def fields(whole: Schema) -> dict[str, Schema]:
    """Every field of a form by its name, as the form merges it with the model behind it; those of a model within are
    named model.field."""
    found = dict(whole["properties"])
    for name, model in whole["definitions"].items():
        found |= {f"{name}.{field}": said for field, said in model["properties"].items()}
    models = {f"#/definitions/{name}": model for name, model in whole["definitions"].items()}
    return {name: {**models.get(said.get("$ref", ""), {}), **said} for name, said in found.items()}


@pytest.mark.parametrize("each", DECLARED, ids=lambda each: each.label)
def test_every_field_has_a_title_a_description_and_a_value_to_begin_with(each: Declared) -> None:
    whole = schema(each)
    for name, field in fields(whole).items():
        assert field.get("title"), name
        assert field.get("description"), name
        if "default" not in field and field.get("format") != "date":
            assert name in each.parameters, name
    assert not validate(each.parameters, whole)


def test_the_form_of_a_run_asks_for_the_most_important_first_and_offers_what_there_is() -> None:
    (glue,) = [each for each in DECLARED if each.label == "glue/on-demand"]
    run = schema(glue)["definitions"]["GlueRun"]["properties"]
    order = sorted(run, key=lambda name: run[name]["position"])
    assert order[:5] == ["task", "data", "checkpoint", "seed", "training"]
    assert {"mrpc", "own"} < set(run["task"]["enum"])
    assert run["force"]["items"]["enum"] == list(STEPS)
    assert [kind.get("format") for kind in run["as_of"]["anyOf"]] == ["date", None]


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"task": "mrcp"}, "task", "'mrcp' is not one of"),
        ({"seed": -1}, "seed", "-1 is less than the minimum of 0"),
        ({"seed": 2**32}, "seed", "4294967296 is greater than or equal to the maximum"),
        ({"name": "a b"}, "name", "does not match"),
        ({"as_of": "yesterday"}, "as_of", "is not valid under any of the given schemas"),
        ({"force": ["fly"]}, "force", "'fly' is not one of"),
        ({"transfer": True, "task": "cola"}, "task", "'cola' is not one of ['mrpc', 'stsb', 'rte']"),
        ({"training": {"epochs": 101}}, "training", "101 is greater than the maximum of 100"),
        ({"training": {"epochs": 1.5}}, "training", "1.5 is not of type 'integer'"),
        ({"training": {"strategy": "frozen", "init": "random"}}, "training", "'random' is not one of ['pretrained']"),
    ],
)
def test_what_the_model_refuses_the_form_refuses_beside_the_field(typed: Schema, field: str, said: str) -> None:
    (glue,) = [each for each in DECLARED if each.label == "glue/on-demand"]
    with pytest.raises(ValidationError):
        GlueRun.model_validate(typed)
    (error,) = build_error_obj(validate({"run": typed}, schema(glue)))["errors"]
    (beside,) = error["errors"]
    assert beside["property"] == field
    assert said in str(beside["errors"])


@pytest.mark.parametrize("typed", [{"as_of": None}, {"as_of": "2026-01-31"}, {"transfer": True, "task": "rte"}, {}])
def test_what_the_model_takes_the_form_takes(typed: Schema) -> None:
    (glue,) = [each for each in DECLARED if each.label == "glue/on-demand"]
    GlueRun.model_validate(typed)
    assert validate({"run": typed}, schema(glue)) == []
