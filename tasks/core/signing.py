"""Signatures of versions with a key file, by model-signing (a sigstore bundle): optional, and then required.

    models/mrpc/versions/3/model.sig    on the SHA-256 of every file and of manifest.json, which names all that belongs
                                        to the version and its predictions

GLUEFLOW_SIGNING_KEY (an elliptic-curve private key, PEM) signs what is registered. With GLUEFLOW_PUBLIC_KEY nothing is
served, promoted or called sound whose manifest and digests were not signed with its counterpart; that the bytes have
those digests is checked by whoever reads them. A pulled folder can be checked without glueflow, too:

    model_signing verify key mrpc-model --signature mrpc-model/model.sig --public_key public.pem
"""

import hashlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tasks.core.errors import BadData, WrongRequest
from tasks.core.registry import MANIFEST, Version, load, parse
from tasks.core.settings import Settings
from tasks.core.store import Store
from tasks.core.verify import Holding

if TYPE_CHECKING:
    from model_signing import hashing

SIGNATURE = "model.sig"


def sign(store: Store, version: Version, key: Path) -> None:
    """Sign the version, unless it is signed already; raises WrongRequest for a key that cannot sign."""
    place = f"{version.folder}/{SIGNATURE}"
    if store.get(place) is not None:
        return
    signing = _library().signing
    try:
        signer = signing.Config().use_elliptic_key_signer(private_key=key)
        with tempfile.TemporaryDirectory() as scratch:
            written = Path(scratch) / SIGNATURE
            signer.set_hashing_config(_recorded(digests(version, _manifest(store, version)))).sign(scratch, written)
            store.create(place, written.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise WrongRequest.of(
            "GLUEFLOW_SIGNING_KEY", str(key), f"an elliptic-curve private key, PEM ({error})"
        ) from None


def require(store: Store, version: Version, known: Settings) -> None:
    """Raise BadData unless the version is signed, if a public key is configured."""
    if known.public_key and (wrong := check(store, version, known.public_key)):
        raise BadData(f"model: {version.label} is refused: {wrong}")


def check(store: Store, version: Version, key: Path) -> str:
    """What is wrong with the version's signature, or nothing."""
    body = store.get(f"{version.folder}/{SIGNATURE}")
    if body is None:
        return "it has no signature, and GLUEFLOW_PUBLIC_KEY is set; register it again with GLUEFLOW_SIGNING_KEY"
    manifest = _manifest(store, version)
    if parse(version.name, version.version, manifest) != version:
        return "its manifest was changed meanwhile"
    verifying = _library().verifying
    try:
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=key)
    except (OSError, ValueError, TypeError) as error:
        raise WrongRequest.of("GLUEFLOW_PUBLIC_KEY", str(key), f"an elliptic-curve public key, PEM ({error})") from None
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / SIGNATURE
        written.write_bytes(body)
        try:
            verifier.set_hashing_config(_recorded(digests(version, manifest))).verify(scratch, written)
        except Exception as error:  # noqa: BLE001  # of a hostile file the library may raise anything; all of it refuses
            return f"its signature does not fit it ({type(error).__name__}: {str(error).partition(chr(10))[0][:200]})"
    return ""


def signed(store: Store, holding: Holding, key: Path | None) -> Holding:
    """A version's holding, damaged if a key is given and its signature is not sound; any other as it is."""
    place = re.fullmatch(r"models/([^/]+)/versions/(\d+)", holding.folder)
    if key is None or place is None or holding.wrong:
        return holding
    return replace(holding, wrong=check(store, load(store, place[1], int(place[2])), key))


def pull(store: Store, version: Version, folder: Path) -> None:
    """Put the signature and the manifest that it covers beside the version's files, if it is signed."""
    if body := store.get(f"{version.folder}/{SIGNATURE}"):
        (folder / MANIFEST).write_bytes(_manifest(store, version))
        (folder / SIGNATURE).write_bytes(body)


def digests(version: Version, manifest: bytes) -> dict[str, str]:
    """SHA-256 by path of what is signed: the version's files and the manifest that describes them."""
    return {
        **{file.path: file.sha256 for file in version.files},
        MANIFEST: hashlib.sha256(manifest).hexdigest(),
    }


def _manifest(store: Store, version: Version) -> bytes:
    body = store.get(f"{version.folder}/{MANIFEST}")
    if body is None:
        raise BadData(f"model: the manifest of {version.label} is not there any more")
    return body


def _library() -> Any:
    """model-signing, which is an extra."""
    try:
        import model_signing
    except ImportError as error:
        line = f"signatures need the extra `signing`: pip install 'glueflow[signing]' ({error})"
        raise WrongRequest(f"model: {line}") from None
    return model_signing


def _recorded(sha256: Mapping[str, str]) -> "hashing.Config":
    """The library's own hashing of a folder, from digests that are known: nothing is downloaded to be signed."""
    from model_signing import hashing, manifest
    from model_signing._hashing.hashing import Digest  # its manifests are made of it, and it is exported nowhere else

    class Recorded(hashing.Config):  # type: ignore[misc]  # an extra, without which we are checked, too
        def hash(self, model_path: Any, *, files_to_hash: Any = None) -> manifest.Manifest:  # noqa: ARG002  # the signature is the library's
            items = [
                manifest.FileManifestItem(path=PurePosixPath(path), digest=Digest("sha256", bytes.fromhex(value)))
                for path, value in sorted(sha256.items())
            ]
            how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [SIGNATURE]}
            return manifest.Manifest("model", items, manifest.SerializationType.from_args(how))

    return Recorded()
