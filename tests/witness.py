"""Looks at a bucket in memory after every write, and complains of what nobody may ever see there.

    witness = Witness(bucket, baton)
    …
    assert witness.complaints == []

An entry or a version that is visible is whole, but for objects that the test itself damaged. A manifest once committed
is never another's and never removed, unless its entry was damaged by the test since, or what it was made from was built
anew. Version numbers are dense and no content has two; a holder that gave a sign of life within its time keeps its
lease.
"""

import hashlib
import json
from collections.abc import Iterable

from tasks.core import registry
from tasks.core.files import FileEntry
from tasks.core.manifest import Manifest, parse
from tasks.core.plan import PlannedStep
from tasks.core.store import object_key
from tests.baton import Baton
from tests.s3_memory import Bucket


class Witness:
    """Looks at the bucket after every write and remembers what was promised."""

    def __init__(self, bucket: Bucket, baton: Baton, lease: float) -> None:
        self.bucket, self.baton, self.lease = bucket, baton, lease
        self.complaints: list[str] = []
        self.promised: dict[str, bytes] = {}
        self.spoilt: set[bytes] = set()
        self.digests: dict[str, set[str]] = {}
        self.taken_over = 0
        self.heard: dict[str, tuple[int, float]] = {}
        bucket.watchers.append(self.look)

    def look(self, key: str) -> None:
        if key.startswith("steps/") and key.endswith("/manifest.json"):
            self.look_at_entry(key.removesuffix("/manifest.json"))
        elif key.startswith("models/"):
            self.look_at_versions()
        elif key.startswith("leases/"):
            self.look_at_lease(key)

    def look_at_entry(self, folder: str) -> None:
        """What is there now is whole; what was there before was damaged or outdated."""
        before, now = self.promised.pop(folder, None), self.bucket.objects.get(f"{folder}/manifest.json")
        if now is not None:
            self.promised[folder] = now
            self.excuse(folder)
            if not self.sound(folder) and now not in self.spoilt:
                self.complaints.append(f"{folder} is visible and not whole")
        if before in (None, now) or before in self.spoilt or self.outdated(folder, before, now):
            return
        if self.copied_damage(folder, before or b""):
            return
        self.complaints.append(f"{folder} was " + ("set aside although sound" if now is None else "committed by two"))

    def excuse(self, folder: str) -> None:
        """Remember the manifest of an entry of which the test has damaged something."""
        promised = self.promised.get(folder)
        found = parse(promised, *folder.split("/")[1:]) if promised else None
        if promised and isinstance(found, Manifest):
            objects = {f"{folder}/manifest.json", *(object_key(folder, file) for file in found.files)}
            if objects & self.bucket.damaged:
                self.spoilt.add(promised)
            self.digests.setdefault(found.step, set()).add(found.digest)

    def outdated(self, folder: str, before: bytes | None, now: bytes | None) -> bool:
        """Whether the manifest gave way to one that was made from other entries, all of them committed."""
        old, new = (parse(body or b"", *folder.split("/")[1:]) for body in (before, now))
        return (
            isinstance(old, Manifest)
            and isinstance(new, Manifest)
            and old.inputs != new.inputs
            and all(digest in self.digests.get(step, ()) for step, digest in new.inputs.items())
        )

    def copied_damage(self, folder: str, body: bytes) -> bool:
        """Whether the version that the entry registered was copied from an object that the test had damaged."""
        found = parse(body, *folder.split("/")[1:])
        if not isinstance(found, Manifest) or found.step != "register":
            return False
        name, number = found.facts["name"], found.facts["version"]
        return any(
            key.startswith((f"models/{name}/versions/{number}/", f"models/{name}/evidence/{number}/"))
            for key in self.bucket.damaged
        )

    def entry(self, folder: str) -> Manifest | None:
        """The entry's manifest, if it is there with every file that it names."""
        body = self.bucket.objects.get(f"{folder}/manifest.json")
        found = parse(body, *folder.split("/")[1:]) if body else None
        whole = isinstance(found, Manifest) and all(self.holds(object_key(folder, file), file) for file in found.files)
        return found if isinstance(found, Manifest) and whole else None

    def sound(self, folder: str) -> bool:
        return self.entry(folder) is not None

    def kept(self, steps: Iterable[PlannedStep]) -> list[str]:
        """Those of a run's steps that are sound and made from those before, down to the version that is registered."""
        kept: dict[str, Manifest] = {}
        for step in steps:
            found = self.entry(step.folder)
            inputs = {name: kept[name].digest for name in step.inputs if name in kept}
            registered = step.step != "register" or (found and self.whole(found.facts["name"], found.facts["version"]))
            if found and found.inputs == inputs and registered:
                kept[step.step] = found
        return list(kept)

    def whole(self, name: str, number: int) -> bool:
        """Whether a version is there with every file that it names."""
        body = self.bucket.objects.get(f"models/{name}/versions/{number}/manifest.json")
        found = registry.Version.model_validate_json(body) if body else None
        return found is not None and all(self.holds(f"{found.folder}/{file.path}", file) for file in found.files)

    def stuck(self) -> list[str]:
        """A claim, and the files of its version, that nobody can complete: an object that is to be copied was removed.
        It blocks the name until a person removes both."""
        found = []
        for key in [key for key in self.bucket.objects if key.startswith("models/mrpc/claims/")]:
            claim = registry.Version.model_validate_json(self.bucket.objects[key])
            proofs = f"models/{claim.name}/evidence/{claim.version}"
            below = (f"{claim.folder}/", f"{proofs}/")
            there = {key: len(body) for key, body in self.bucket.objects.items() if key.startswith(below)}
            lacking = [file.path for file in claim.files if there.get(f"{claim.folder}/{file.path}") != file.size]
            lacking += [f"evidence/{f.path}" for f in claim.evidence if there.get(f"{proofs}/{f.path}") != f.size]
            unfinished = f"{claim.folder}/manifest.json" not in there
            if unfinished and any(claim.sources[path] not in self.bucket.objects for path in lacking):
                found += [key, *there]
        return found

    def holds(self, key: str, file: FileEntry) -> bool:
        body = self.bucket.objects.get(key, b"")
        return (len(body), hashlib.sha256(body).hexdigest()) == (file.size, file.sha256)

    def look_at_versions(self) -> None:
        """Dense numbers, each version whole, no content twice."""
        found = [
            registry.Version.model_validate_json(body)
            for key, body in self.bucket.objects.items()
            if key.startswith("models/mrpc/versions/") and key.endswith("/manifest.json")
        ]
        if sorted(version.version for version in found) != list(range(1, len(found) + 1)):
            self.complaints.append("version numbers have a hole")
        if len({version.content for version in found}) != len(found):
            self.complaints.append("one content has two numbers")
        for version in found:
            places = {f"{version.folder}/{file.path}": file for file in version.files}
            if not all(self.holds(key, file) for key, file in places.items() if key not in self.bucket.damaged):
                self.complaints.append(f"{version.folder} is visible and not whole")

    def look_at_lease(self, key: str) -> None:
        """A holder that gave a sign of life within its time is not taken over; terms grow."""
        body = self.bucket.objects.get(key)
        if body is None:
            self.heard.pop(key, None)
            return
        term = json.loads(body)["term"]
        before, heard = self.heard.get(key, (0, -self.lease))
        if term != before and self.baton.clock - heard < self.lease:
            self.complaints.append(f"{key} was taken from a living holder")
        self.taken_over += term > before > 0
        if term < before:
            self.complaints.append(f"{key} went back to an earlier term")
        self.heard[key] = (term, self.baton.clock)
