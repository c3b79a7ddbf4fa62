"""Looks at a bucket in memory after every write, and complains of what nobody may ever see there.

    witness = Witness(bucket, baton)
    …
    assert witness.complaints == []

An entry or a version that is visible is whole; an entry once committed is never another's; version numbers are dense
and no content has two; a holder that gave a sign of life within its time keeps its lease.
"""

import hashlib
import json

from tasks.core import registry
from tasks.core.files import FileEntry
from tasks.core.manifest import Manifest, parse
from tasks.core.store import object_key
from tests.baton import Baton
from tests.s3_memory import Bucket


class Witness:
    """Looks at the bucket after every write and remembers what was promised."""

    def __init__(self, bucket: Bucket, baton: Baton, lease: float) -> None:
        self.bucket, self.baton, self.lease = bucket, baton, lease
        self.complaints: list[str] = []
        self.promised: dict[str, bytes] = {}
        self.taken_over = 0
        self.heard: dict[str, tuple[int, float]] = {}
        bucket.watchers.append(self.look)

    def look(self, key: str) -> None:
        if key.startswith("steps/") and key.endswith("/manifest.json"):
            folder = key.removesuffix("/manifest.json")
            if not self.sound(folder):
                self.complaints.append(f"{folder} is visible and not whole")
            if self.bucket.objects.get(key) != self.promised.setdefault(key, self.bucket.objects.get(key, b"")):
                self.complaints.append(f"{folder} was committed by two")
        elif key.startswith("models/"):
            self.look_at_versions()
        elif key.startswith("leases/"):
            self.look_at_lease(key)

    def sound(self, folder: str) -> bool:
        """Whether the entry is there with every file that it names."""
        body = self.bucket.objects.get(f"{folder}/manifest.json")
        found = parse(body, *folder.split("/")[1:]) if body else "absent"
        return isinstance(found, Manifest) and all(self.holds(object_key(folder, file), file) for file in found.files)

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
            if not all(self.holds(f"{version.folder}/{file.path}", file) for file in version.files):
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
