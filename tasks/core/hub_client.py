"""How `tasks/core/hub.py` speaks with huggingface_hub: its time limits, its progress, and its errors in our words.

with asking("data: hf://nyu-mll/glue@main"):    # a 503 becomes Unavailable, a 404 WrongRequest, a 403 Denied
    commits = list(pages("datasets/nyu-mll/glue/commits/main"))
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tasks.core.errors import Denied, GlueflowError, Unavailable, WrongRequest, disk_error
from tasks.core.progress import Progress, report

OTHERWISE = "try again later, set HF_HUB_OFFLINE=1 with a full commit that is already here, or use sample: or file:"
DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
LOG_IN = "check the name; if it is private or gated, accept its terms on the hub and set HF_TOKEN or `hf auth login`"


def named(repo: str, repo_type: str, revision: str | None) -> str:
    """`data: hf://nyu-mll/glue@main`, as every message begins; raises WrongRequest for what cannot be a repository."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id  # type: ignore[attr-defined]  # exported, but not by its stubs

    field = {"dataset": "data", "model": "checkpoint"}[repo_type]
    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise WrongRequest.of(field, repo, "a repository is owner/name, of letters, digits, `-`, `_` and `.`") from None
    return f"{field}: hf://{repo}@{revision}" if revision else f"{field}: hf://{repo}"


def kept_in(folder: Path, repo: str, repo_type: str) -> Path:
    """Where huggingface_hub keeps a repository inside its cache folder."""
    return folder / f"{repo_type}s--{repo.replace('/', '--')}"


def head(repo: str, repo_type: str, revision: str | None) -> str | None:
    """The commit of a branch or tag as the hub says now; `HfApi.resolve_revision` would fall back on an old answer,
    and `repo_info` gives up at the first 429 or 503. Where nobody answers, the first try is the last."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_backoff  # type: ignore[attr-defined]  # exported, but not by its stubs

    limit = constants.HF_HUB_DOWNLOAD_TIMEOUT  # seconds; without it a silent hub would hold us for ever
    address = f"{constants.ENDPOINT}/api/{repo_type}s/{repo}"
    if revision is not None:
        address += f"/revision/{quote(revision, safe='')}"
    answer = http_backoff("GET", address, headers=build_hf_headers(), timeout=limit, retry_on_exceptions=())
    hf_raise_for_status(answer)
    found: str | None = answer.json().get("sha")
    return found


def pages(address: str, **params: Any) -> Iterator[dict[str, Any]]:
    """Entries of a paged listing of the hub's API, asked for as they are read; HfApi's own (2.4) have no time limit."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers, paginate  # type: ignore[attr-defined]  # exported, but not by its stubs

    limit = constants.HF_HUB_DOWNLOAD_TIMEOUT
    yield from paginate(f"{constants.ENDPOINT}/api/{address}", params, build_hf_headers(), timeout=limit)


def meter(done: int, total: int) -> Any:
    """A class like the client's progress bar that shows nothing: the bytes of one file, after `done`, are reported."""
    from huggingface_hub.utils.tqdm import tqdm

    class Meter(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]  # tqdm has no types

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            report(Progress("download", done + int(self.n), total, "bytes"))

    return Meter


def bring(repo: str, repo_type: str, commit: str, path: str, listed: tuple[int, str], kept: Path, bar: Any) -> None:
    """Download one file into the repository's cache folder, laid out as the client's own. What an earlier call had of
    it before it broke off, or was killed, is gone on from (`hf_hub_download` removes that, since 1.18). Whoever asked
    compares the bytes with their digest."""
    from filelock import FileLock
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # exported, but not by its stubs

    size, digest = listed
    if not DIGEST.fullmatch(digest):
        raise ValueError("a listing without a digest")
    blob, partial, link = kept / "blobs" / digest, kept / "partial" / digest, kept / "snapshots" / commit / path
    for file in (blob, partial, link):
        file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{partial}.lock"):
        if not blob.exists():
            if partial.exists() and partial.stat().st_size > size:
                partial.unlink()
            url = hf_hub_url(repo, path, repo_type=repo_type, revision=commit)
            headers = {**build_hf_headers(), "Accept-Encoding": "identity"}  # a range of the bytes themselves
            try:
                with partial.open("ab") as held:
                    http_get(url, held, resume_size=held.tell(), headers=headers, expected_size=size, tqdm_class=bar)
            except OSError as error:
                if type(error) is OSError and error.errno is None:  # a whole answer of another size: not this file
                    partial.unlink()
                raise
            partial.replace(blob)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))


@contextmanager
def asking(what: str, folder: Path | None = None) -> Iterator[None]:
    """Turns what the client raises into one line of ours; its text is dropped: it can quote a header, so a token."""
    from huggingface_hub import errors

    try:
        yield
    except (errors.HTTPError, OSError, RuntimeError, ValueError) as error:  # type: ignore[attr-defined]  # Runtime: xet
        # With no copy at hand the client hides a refusal or a fault behind "not in the cache".
        cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) else error
        raise _told(cause, what, folder) from None


def _told(error: BaseException | None, what: str, folder: Path | None) -> GlueflowError:
    from huggingface_hub import errors

    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    if isinstance(error, errors.RevisionNotFoundError):
        return WrongRequest(f"{what}: the hub has no such revision; give a branch, a tag or a full commit")
    if status in (401, 403):  # without a login, 401 is also the answer for a repository that does not exist
        return Denied(f"{what}: the hub denies access (HTTP {status}); {LOG_IN}")
    if status in (400, 404, 410):
        return WrongRequest(f"{what} does not exist on the hub")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return Unavailable(
            f"{what}: not here, and HF_HUB_OFFLINE is set; give a full commit that is or use sample: or file:"
        )
    if folder and isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
        return disk_error(error, folder)
    reason = f"HTTP {status}" if status else type(error).__name__
    return Unavailable(f"{what}: no good answer from the hub ({reason}); {OTHERWISE}")
