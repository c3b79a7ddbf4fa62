"""Files by content: a relative path, its size in bytes, its SHA-256.

{"path": "model.safetensors", "size": 90868376, "sha256": "53aa5117…"}
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from tasks.core.keys import digest
from tasks.core.specs import Frozen

SHA256 = r"^[0-9a-f]{64}$"
_SAFE_PART = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$")


def safe_path(path: str) -> str:
    """The same path if it stays inside its folder and is plain ASCII; raises ValueError otherwise."""
    parts = path.split("/")
    if len(path) > 512 or not all(_SAFE_PART.match(part) for part in parts):
        raise ValueError(f"file name {path!r} is not allowed; letters, digits, . _ + - and / between them are")
    return path


class FileEntry(Frozen):
    """One file of an entry."""

    path: Annotated[str, AfterValidator(safe_path)]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=SHA256)]


def sha256_of(path: Path) -> str:
    """SHA-256 of the file's bytes, read in blocks, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry(folder: Path, path: str) -> FileEntry:
    file = folder / path
    return FileEntry(path=path, size=file.stat().st_size, sha256=sha256_of(file))


def entries(folder: Path) -> tuple[FileEntry, ...]:
    """Every file below the folder, by path."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return tuple(entry(folder, path) for path in sorted(paths))


def content_digest(files: Iterable[FileEntry]) -> str:
    """One SHA-256 for the whole set: equal if and only if the same paths hold the same bytes."""
    return digest([[file.path, file.size, file.sha256] for file in sorted(files, key=lambda file: file.path)])


def damage(folder: Path, files: Iterable[FileEntry]) -> str | None:
    """What is wrong with the folder's files, or None if each has its recorded size and SHA-256."""
    for file in files:
        path = folder / file.path
        if not path.is_file():
            return f"{file.path} is missing"
        if (size := path.stat().st_size) != file.size:
            return f"{file.path} has {size} bytes instead of {file.size}"
        if sha256_of(path) != file.sha256:
            return f"{file.path} has another SHA-256 than recorded"
    return None
