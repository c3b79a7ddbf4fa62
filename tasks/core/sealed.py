"""Records kept as JSON with the digest of what they say, so that no flipped bit in a metric or a date is believed.

    record.encoded()                       ->  {"name": "mrpc", …, "seal": "5f0c…"}
    Version.model_validate_json(damaged)   ->  ValidationError: its seal is broken

Made in Python a record needs no seal; read from JSON it is checked against the one it came with.
"""

import json
from typing import Any

from pydantic import ValidationInfo, model_validator

from tasks.core.keys import digest
from tasks.core.specs import Frozen


class Sealed(Frozen):
    """A value object whose JSON proves itself."""

    def encoded(self) -> bytes:
        said = json.loads(self.model_dump_json())
        return json.dumps({**said, "seal": digest(said)}, indent=1, ensure_ascii=False).encode()

    @model_validator(mode="before")
    @classmethod
    def _unsealed(cls, said: Any, info: ValidationInfo) -> Any:
        if info.mode != "json" or not isinstance(said, dict):
            return said
        seal = said.pop("seal", None)
        if seal != digest(said):
            raise ValueError("its seal is broken")
        return said
