"""Signed versions: with a public key, nothing is used that was not signed, or that was changed since."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tasks.core import registry, signing
from tasks.core.errors import BadData, WrongRequest
from tasks.core.registry import Version
from tasks.core.sealed import Sealed
from tasks.core.settings import Settings
from tests.conftest import Corner
from tests.finished import as_typed, prepared, small
from tests.test_registry import register

FOLDER = "models/mrpc/versions/1"


def pair(folder: Path) -> tuple[Path, Path]:
    """A new key, and its public half."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return pair(tmp_path / "keys")


@pytest.fixture
def signed(corner: Corner, keys: tuple[Path, Path], tmp_path: Path) -> Version:
    """mrpc@1, signed."""
    register(corner, tmp_path / "a", "a")
    found = registry.find(corner.store, "mrpc")
    signing.sign(corner.store, found, keys[0])
    return found


def test_what_is_signed_is_sound_and_can_be_checked_without_us(
    corner: Corner, signed: Version, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    assert signing.check(corner.store, signed, keys[1]) == ""
    folder = registry.pull(corner.store, signed, tmp_path / "pulled")
    signing.pull(corner.store, signed, folder)
    verify = ["verify", "key", str(folder), "--signature", str(folder / "model.sig"), "--public_key", str(keys[1])]
    command = [str(Path(sys.executable).parent / "model_signing"), *verify]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "model.safetensors").write_text("b")
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def resealed(corner: Corner, **changed: Any) -> None:
    """The manifest with other contents and a seal that fits."""
    found = registry.load(corner.store, "mrpc", 1)
    corner.store.put(f"{FOLDER}/manifest.json", Sealed.encoded(found.model_copy(update=changed)))


@pytest.mark.parametrize("what", ["metrics", "evidence", "signature", "garbage", "other key", "another's", "none"])
def test_what_was_changed_is_refused(
    corner: Corner, signed: Version, keys: tuple[Path, Path], tmp_path: Path, what: str
) -> None:
    place, public = f"{FOLDER}/{signing.SIGNATURE}", keys[1]
    body = corner.store.get(place) or b""
    if what == "metrics":
        resealed(corner, record={"metrics": {"f1": 1.0}})
    elif what == "evidence":
        resealed(corner, evidence=signed.files[:1])
    elif what == "signature":
        said = json.loads(body)
        said["dsseEnvelope"]["signatures"][0]["sig"] = "A" * 96
        corner.store.put(place, json.dumps(said).encode())
    elif what == "garbage":
        corner.store.put(place, b"\xff{")
    elif what == "other key":
        public = pair(tmp_path / "other")[1]
    elif what == "another's":
        register(corner, tmp_path / "b", "b")
        signing.sign(corner.store, registry.find(corner.store, "mrpc@2"), keys[0])
        corner.store.put(place, corner.store.get(place.replace("/1/", "/2/")) or b"")
    else:
        corner.store.delete(place)
    with pytest.raises(BadData, match=r"mrpc@1 is refused: its signature does not fit it|has no signature"):
        signing.require(corner.store, registry.find(corner.store, "mrpc@1"), Settings(public_key=public))


def test_without_a_public_key_nothing_is_asked(corner: Corner, tmp_path: Path) -> None:
    register(corner, tmp_path / "a", "a")
    signing.require(corner.store, registry.find(corner.store, "mrpc"), Settings())
    assert corner.store.get(f"{FOLDER}/{signing.SIGNATURE}") is None


@pytest.mark.parametrize("body", [b"", b"-----BEGIN EC PRIVATE KEY-----\n", None])
def test_a_key_that_is_none(corner: Corner, tmp_path: Path, body: bytes | None) -> None:
    register(corner, tmp_path / "a", "a")
    found, key = registry.find(corner.store, "mrpc"), tmp_path / "key.pem"
    if body is not None:
        key.write_bytes(body)
    with pytest.raises(WrongRequest, match="GLUEFLOW_SIGNING_KEY: "):
        signing.sign(corner.store, found, key)
    assert corner.store.get(f"{FOLDER}/{signing.SIGNATURE}") is None
    corner.store.put(f"{FOLDER}/{signing.SIGNATURE}", b"{}")
    with pytest.raises(WrongRequest, match="GLUEFLOW_PUBLIC_KEY: "):
        signing.check(corner.store, found, key)


def test_a_run_signs_and_every_door_asks(here: Corner, tiny: Path, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    """Predict, pull, promote and verify refuse what is not signed; a run with the key signs what is there already."""
    prepared(here, asked := small(tiny))
    run = as_typed(asked)
    public = {"GLUEFLOW_PUBLIC_KEY": str(keys[1])}
    here.glueflow(*run)
    doors = {
        ("predict", "mrpc", "He ate.", "He slept."): 2,
        ("models", "pull", "mrpc", str(tmp_path / "pulled")): 2,
        ("models", "promote", "mrpc@1", "--force", "--reason", "the first"): 2,
        ("models", "verify"): 1,
    }
    for door, status in doors.items():
        found = here.glueflow(*door, status=status, **public)
        assert "has no signature" in found.stdout + found.stderr
    assert not here.keys("models/mrpc/history/")
    again = here.json(*run, GLUEFLOW_SIGNING_KEY=str(keys[0]))
    assert again["model"]["version"] == 1
    for door in [door for door in doors if "predict" not in door and "pull" not in door]:
        here.glueflow(*door, **public)
