"""From evaluated to registered: a new version of 91 MB, as the register step makes it of what a training left in the
store. Every byte is read once more and compared with its SHA-256, then copied inside the store; the upload itself was
part of the training. Against boto3's `upload_file` of the same files, one by one, which is what a run without a cache
does at that point. And the same files registered once more, which finds the version that is there."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from infra import stack
from tasks.core import verify
from tasks.core.files import FileEntry, entry
from tasks.core.registration import Candidate, register
from tasks.core.resolve import packaged_folder
from tasks.core.settings import Settings
from tasks.core.store import Store, object_key, open_store
from tests.benchmarks.timing import Row, compare

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
SOURCE = packaged_folder()
TRAINED = "steps/finetune/trained"  # where the training left them


def measure() -> list[Row]:
    files = {path: entry(SOURCE, path) for path in FILES}
    size = sum(file.size for file in files.values()) / 1e6
    with TemporaryDirectory() as name:
        home = Path(name)
        stack.up(home, prefect=False)
        store = open_store(Settings(home=home))
        try:
            for path, file in files.items():
                store.upload(SOURCE / path, object_key(TRAINED, file), file.sha256)
            peer = "upload_file, one by one"
            return [
                compare(f"register {size:.0f} MB", lambda: checked(store, files), peer, lambda: uploaded(store)),
                compare("register them again", lambda: again(store, files), peer, lambda: uploaded(store)),
            ]
        finally:
            stack.down(home)


def checked(store: Store, files: Mapping[str, FileEntry]) -> None:
    holding = verify.Holding(TRAINED, {object_key(TRAINED, file): file for file in files.values()})
    assert verify.verify(store, [holding]) == []
    again(store, files, uuid4().hex)


def again(store: Store, files: Mapping[str, FileEntry], name: str = "unchanged") -> None:
    places = {path: object_key(TRAINED, file) for path, file in files.items()}
    register(store, name, Candidate(files, places, {"task": "mrpc"}), "2026-01-01T00:00:00+00:00")


def uploaded(store: Store) -> None:
    folder = uuid4().hex
    for path in FILES:
        store.client.upload_file(str(SOURCE / path), store.bucket, f"{folder}/{path}")
