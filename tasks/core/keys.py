"""The name of a piece of work: the SHA-256 of its identity in canonical JSON.

    step_key("encode", 1, {"max_length": 128, ...}, {"fetch": "5f0c…"}, {"tokenizers": "0.23.3"})  ->  "9b1d…"

The encoder knows a closed set of types and raises on any other, so that no address, default `repr` or pickle can slip
into a name. Two equal identities give the same bytes on every machine: keys sorted, no blanks, plain UTF-8, floats in
their shortest round-trip form (RFC 8785 in spirit), minus zero folded into zero.
"""

import hashlib
import json
import math
from collections.abc import Mapping

Canonical = None | bool | int | float | str | list["Canonical"] | tuple["Canonical", ...] | Mapping[str, "Canonical"]


def canonical(value: Canonical) -> bytes:
    """Canonical JSON of `value`; raises TypeError on a type outside the set, ValueError on NaN or a broken string."""
    return json.dumps(
        _plain(value), ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()


def _plain(value: Canonical) -> object:
    kind = type(value)
    if value is None or kind in (bool, int):
        return value
    if kind is str:
        value.encode()  # type: ignore[union-attr]  # a lone surrogate raises UnicodeEncodeError, a ValueError
        return value
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # its exact type was tested above
            raise ValueError(f"{value} has no place in a key")
        return value + 0.0  # type: ignore[operator]  # -0.0 + 0.0 is 0.0
    if kind in (list, tuple):
        return [_plain(item) for item in value]  # type: ignore[union-attr]  # as above
    if kind is dict:
        return {_name(name): _plain(item) for name, item in value.items()}  # type: ignore[union-attr]  # as above
    raise TypeError(f"a key cannot be made of {kind.__name__}: {value!r}")


def _name(name: object) -> str:
    if type(name) is not str:
        raise TypeError(f"a key's field names are strings, not {type(name).__name__}: {name!r}")
    name.encode()
    return name


def digest(value: Canonical) -> str:
    """SHA-256 of the canonical JSON, as 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def identity(
    step: str,
    version: int,
    spec: dict[str, Canonical],
    inputs: dict[str, str],
    libraries: dict[str, str],
) -> dict[str, Canonical]:
    """All that decides the bytes of a step's output; the manifest records it, `cache explain` compares it."""
    return {"step": step, "version": version, "spec": spec, "inputs": dict(inputs), "libraries": dict(libraries)}


def step_key(
    step: str,
    version: int,
    spec: dict[str, Canonical],
    inputs: dict[str, str],
    libraries: dict[str, str],
) -> str:
    """The step's key. Execution (device, folders, bucket) is not among the arguments, so it cannot reach it."""
    return digest(identity(step, version, spec, inputs, libraries))
