"""Weights that came from elsewhere: believed only once their headers and the index of their parts hold together.

    check_weights(folder)   ->  BadData: checkpoint: model.safetensors is no sound safetensors file (invalid offset …)

The header of a safetensors file says where each tensor lies; its index says which file holds which tensor. Whoever
wrote them may have named bytes outside the file, or files outside the folder. No tensor is read here, only headers.
"""

import json
import re
from pathlib import Path

from tasks.core.errors import BadData

PART = re.compile(r"\w[\w.-]*\.safetensors")
INDEX = "*.safetensors.index.json"


def check_weights(folder: Path) -> None:
    """Raise BadData, with the file's name, unless every safetensors file and index in the folder is sound."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob(INDEX)):
        _check_index(path)
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="np"):
                pass
        except SafetensorError as error:
            reason = str(error).removeprefix("Error while deserializing header: ")
            raise BadData(f"checkpoint: {path.name} is no sound safetensors file ({reason})") from error


def _check_index(path: Path) -> None:
    try:
        parts = json.loads(path.read_text())["weight_map"].values()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BadData(f"checkpoint: {path.name} is no index: it has no weight_map of tensors to files") from None
    for part in parts:
        if not isinstance(part, str) or not PART.fullmatch(part):
            raise BadData(f"checkpoint: {path.name} names {part!r}; a part is a *.safetensors file in the same folder")
        if not (path.parent / part).is_file():
            raise BadData(f"checkpoint: {path.name} names {part!r}, which is not there")
