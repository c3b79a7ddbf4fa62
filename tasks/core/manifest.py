"""The record of one finished step, written last: while it is not there, nothing is.

steps/encode/9b1d…/manifest.json
{"step": "encode", "key": "9b1d…", "identity": {…}, "inputs": {"fetch": "<digest>"}, "files": [{"path", "size",
 "sha256"}], "facts": {"rows": {"train": 3668}}, "seconds": 1.9, "created": "2026-11-23T15:00:00+00:00"}
"""

from typing import Annotated, Any

from pydantic import Field, ValidationError

from tasks.core.files import SHA256, FileEntry, content_digest
from tasks.core.keys import digest
from tasks.core.sealed import Sealed
from tasks.core.specs import StepName


class Manifest(Sealed):
    """What a step wrote, from what, and the few figures that later readers want without opening a file."""

    step: StepName
    key: Annotated[str, Field(pattern=SHA256)]
    identity: dict[str, Any]
    inputs: dict[str, str]
    files: tuple[FileEntry, ...]
    facts: dict[str, Any]
    seconds: float
    created: str

    @property
    def folder(self) -> str:
        """Where the entry lies in the store."""
        return f"steps/{self.step}/{self.key}"

    @property
    def digest(self) -> str:
        """Digest of the content; what is built from this entry records it."""
        return content_digest(self.files)


def parse(body: bytes, step: str, key: str) -> Manifest | str:
    """The manifest if it is well formed and is the one of that key; else what is wrong with it, in words."""
    try:
        found = Manifest.model_validate_json(body)
        if (found.step, found.key) != (step, key) or digest(found.identity) != key:
            return "its manifest names another entry"
        if step == "finetune" and not _finished(found.facts):
            return "its training did not reach its planned end"
    except ValidationError as error:
        return f"its manifest is damaged: {error.errors()[0]['msg']}"
    except (TypeError, ValueError) as error:
        return f"its manifest is damaged: {error}"
    return found


def _finished(facts: dict[str, Any]) -> bool:
    """Whether a training reached its planned last step, or the early stop that was declared for it."""
    steps = facts.get("steps")
    return isinstance(steps, int) and (steps == facts.get("planned_steps") or facts.get("ended") == "early stop")
