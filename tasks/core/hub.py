"""What is asked of the Hugging Face hub: the commit behind a name, which files are there, the files themselves.

    resolve("nyu-mll/glue", "main", "dataset")                  -> "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    parquet_files("nyu-mll/glue", commit, "mrpc")               -> {"train": ["mrpc/train-00000-of-00001.parquet"], ...}
    download("nyu-mll/glue", commit, "dataset", files, folder)  -> folder/datasets--nyu-mll--glue/snapshots/<commit>

Names move, commits do not: the listing of a commit is kept beside its files, so what was downloaded once needs no
network. Token, cache layout and retries are huggingface_hub's own; what a broken download brought is kept for the next.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal
from urllib.parse import quote
from uuid import uuid4

from tasks.core.errors import Unavailable, WrongRequest
from tasks.core.hold import until_exit
from tasks.core.hub_client import asking, bring, head, kept_in, meter, named, pages
from tasks.core.layout import SHARD, shards
from tasks.core.progress import Progress, report

RepoType = Literal["dataset", "model"]
Listing = dict[str, tuple[int, str]]  # path -> bytes, digest: SHA-256 (64 digits) or git's name of a blob (40)
COMMIT = re.compile(r"[0-9a-f]{40}")
REVISION = re.compile(r"(?!.*\.\.)\w[\w.+@/-]{0,250}")  # `..` would climb in the address that is asked
UNSAFE = re.compile(r"(^|/)\.{0,2}(/|$)|(^|/)[A-Za-z]:|[\\\x00-\x1f]")  # a part `.`, `..` or empty; a drive
CONVERTED = re.compile(r"(?P<config>[^/]+)/(?P<split>\w+)/\d{4}\.parquet")
# Top folder only. No pickle (*.bin, *.pt) and no code (*.py): loading those runs what their author wrote.
MODEL_FILES = (
    "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer.json",
    "tokenizer_config.json", "*.model", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json",
    "merges.txt",
)  # fmt: skip


def resolve(repo: str, revision: str | None, repo_type: RepoType, as_of: dt.date | None = None) -> str:
    """The commit, 40 hexadecimal digits, that a branch or tag stands for: now, or at the end of the day `as_of` (UTC).

    None is the default branch. A full commit comes back as it is, whatever `as_of`, and the hub is not asked.
    """
    name = named(repo, repo_type, revision)
    if revision and COMMIT.fullmatch(revision):
        return revision
    if revision is not None and not REVISION.fullmatch(revision):
        raise WrongRequest.of("revision", revision, "give a branch, a tag or a full commit of 40 hexadecimal digits")
    with asking(name):
        if as_of is None:
            found = head(repo, repo_type, revision)
        else:
            found = _commit_of(as_of, f"{repo_type}s/{repo}/commits/{quote(revision or 'main', safe='')}", name)
    if not found or not COMMIT.fullmatch(found):
        raise Unavailable(f"{name}: the hub answered without a commit; try again, or give a full commit")
    return found


def _commit_of(day: dt.date, address: str, name: str) -> str:
    """The newest commit of a history, newest first, that is not after that day (UTC)."""
    written = None
    for commit in pages(address):
        written = dt.datetime.fromisoformat(commit["date"]).astimezone(dt.UTC).date()
        if written <= day:
            return str(commit["id"])
    raise WrongRequest.of("as_of", day.isoformat(), f"the first commit of {name} is of {written}")


def parquet_files(repo: str, commit: str, config: str, folder: Path | None = None) -> dict[str, list[str]]:
    """Split name -> Parquet paths, in order and complete; raises WrongRequest for a configuration that is not there.

    With `folder`, that of `download`, the listing is kept there and needs no network again.
    """
    name, listed = named(repo, "dataset", commit), _listing(repo, commit, "dataset", folder)
    splits = shards(path for path in listed if path.rpartition("/")[0] == config)
    if not splits:  # the hub's own conversion of other formats, at the revision refs/convert/parquet
        for part in map(CONVERTED.fullmatch, sorted(listed)):
            if part and part["config"] == config:
                splits.setdefault(part["split"], []).append(part[0])
    if not splits:
        there = {path.rpartition("/")[0] for path in listed if SHARD.fullmatch(path.rpartition("/")[2])}
        there |= {part["config"] for part in map(CONVERTED.fullmatch, listed) if part}
        choice = ", ".join(sorted(there)) or "none"
        raise WrongRequest(f"{name} has no Parquet files of configuration {config!r}; choose one of: {choice}")
    return splits


def download(repo: str, commit: str, repo_type: RepoType, files: Sequence[str] | None, folder: Path) -> Path:
    """A folder that holds those files (None: MODEL_FILES), each checked against its digest, also where already there.

    Progress is reported in bytes of all of them. A file that differs is removed and Unavailable raised. The local cache
    keeps the repository until this process, a step's own, ends.
    """
    name, listed = named(repo, repo_type, commit), _listing(repo, commit, repo_type, folder)
    if files is None:
        files = [path for path in listed if "/" not in path and any(fnmatchcase(path, one) for one in MODEL_FILES)]
        if not any(path.endswith(".safetensors") for path in files):
            raise WrongRequest(f"{name} has no *.safetensors; only safetensors are loaded, a pickle can run code")
    if missing := [path for path in files if path not in listed]:
        raise WrongRequest(f"{name}/{missing[0]} does not exist on the hub")
    kept = kept_in(folder, repo, repo_type)
    until_exit(kept)
    snapshot, done, total = kept / "snapshots" / commit, 0, sum(listed[p][0] for p in files)
    for path in files:
        bar = meter(done, total)
        with asking(f"{name}/{path}", folder):
            if not (snapshot / path).exists():
                bring(repo, repo_type, commit, path, listed[path], kept, bar)
            if not _matches(snapshot / path, listed[path][1]):
                link, listing = snapshot / path, kept / "listings" / f"{commit}.json"
                for wrong in (link.resolve(), link, listing):  # any of them may be the damaged one
                    wrong.unlink(missing_ok=True)
                raise Unavailable(f"{name}/{path}: not the bytes that the hub lists; they were removed, try again")
        done += listed[path][0]
        report(Progress("download", done, total, "bytes"))
    return snapshot


def _listing(repo: str, commit: str, repo_type: RepoType, folder: Path | None) -> Listing:
    """Every file of a commit. One path that could leave the folder, and the whole repository is refused."""
    name = named(repo, repo_type, commit)
    if not COMMIT.fullmatch(commit):
        raise WrongRequest.of("revision", commit, "give a full commit of 40 hexadecimal digits")
    kept = folder and kept_in(folder, repo, repo_type) / "listings" / f"{commit}.json"
    with suppress(OSError, ValueError):
        if kept:
            return {path: (size, digest) for path, (size, digest) in json.loads(kept.read_text()).items()}
    with asking(name, folder):
        found = [e for e in pages(f"{repo_type}s/{repo}/tree/{commit}", recursive=True) if e["type"] == "file"]
        if unsafe := [entry["path"] for entry in found if UNSAFE.search(entry["path"])]:
            raise WrongRequest(f"{name} lists {unsafe[0]!r}, a path that could leave its folder; it is not used")
        listed = {e["path"]: (e["size"], e["lfs"]["oid"] if e.get("lfs") else e["oid"]) for e in found}
        if folder and kept:
            until_exit(kept_in(folder, repo, repo_type))
            kept.parent.mkdir(parents=True, exist_ok=True)
            half = kept.with_suffix(f".{uuid4().hex}")
            half.write_text(json.dumps(listed))
            half.replace(kept)
    return listed


def _matches(file: Path, digest: str) -> bool:
    """Whether a file has that digest; git's is SHA-1 of `blob <bytes>`, a zero byte and the content."""
    if not file.is_file():
        return False
    git = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    with file.open("rb") as stream:
        return digest == hashlib.file_digest(stream, (lambda: git) if len(digest) == 40 else "sha256").hexdigest()
