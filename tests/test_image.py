"""The image: locks that agree with what the project asks for, and a Dockerfile that a linter has nothing against."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra import lock

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "infra" / "Dockerfile"
NAMES = ("linux", "torch-cpu", "torch-gpu")
LINE = re.compile(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}")


@pytest.fixture
def locks() -> dict[str, str]:
    return {name: (lock.LOCKS / f"{name}.txt").read_text() for name in NAMES}


def faults(locks: Mapping[str, str], device: str) -> Iterator[str]:
    """What is wrong with what an image for that device installs."""
    found: dict[str, str] = {}
    pins = lock.constrained()
    for line in (locks["linux"] + locks[f"torch-{device}"]).splitlines():
        if not (whole := LINE.fullmatch(line)):
            yield f"{line!r} is not one package with version and hash"
            continue
        found[whole[1]] = whole[2]
        if pins.get(whole[1]) != whole[2].removesuffix("+cpu"):
            yield f"{whole[1]} is not as constrained"
    for asked in needed():
        version = found.get(canonicalize_name(asked.name))
        if version is None or not asked.specifier.contains(version):
            yield f"{asked} is not met by {version}"


def needed() -> Iterator[Requirement]:
    """All that the image needs, directly or not, as installed packages say; of torch's own the lock alone knows."""
    waiting, seen = lock.wanted(), set()
    while waiting:
        asked = waiting.pop()
        if str(asked) in seen:
            continue
        seen.add(str(asked))
        yield asked
        if asked.name != "torch":
            lines = [Requirement(line) for line in requires(asked.name) or []]
            extras = asked.extras or {""}
            waiting += [
                one for one in lines if not one.marker or any(one.marker.evaluate({"extra": e}) for e in extras)
            ]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_a_lock_agrees_with_constraints_and_project(locks: dict[str, str], device: str) -> None:
    assert list(faults(locks, device)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"\nnumpy==\S+", "\nnumpy==1.0", "numpy is not as constrained"),
        (r"\nboto3==.*", "", "is not met by None"),
        (r"\nclick==.*", "", "is not met by None"),  # asked for by others alone
        (r" --hash=\S+", "", "is not one package with version and hash"),
        (r"\nscipy==", "\n--extra-index-url=nowhere\nscipy==", "is not one package with version and hash"),
    ],
)
def test_a_lock_that_does_not_agree_is_found(locks: dict[str, str], old: str, new: str, said: str) -> None:
    spoilt, changes = re.subn(old, new, locks["linux"], count=1)
    assert changes == 1
    assert [fault for fault in faults({**locks, "linux": spoilt}, "cpu") if said in fault]


def hadolint(text: str) -> str:
    """What the linter has against a Dockerfile."""
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert program
    return subprocess.run([program, "-"], input=text, capture_output=True, text=True, check=False).stdout


def test_the_dockerfile_has_no_faults() -> None:
    text = DOCKERFILE.read_text()
    assert hadolint(text) == ""
    assert re.search(r"^ARG BASE=python:3\.11\.\d+-slim-\w+$", text, re.MULTILINE)  # an exact one
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["1001:1001"]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("FROM packages AS ours", "FROM debian AS ours", "DL3006"),
        ("WORKDIR /source", "WORKDIR source", "DL3000"),
        ('CMD ["python"', "CMD python #", "DL3025"),
        ("USER 1001:1001", "USER root", "DL3002"),
    ],
)
def test_a_fault_in_the_dockerfile_is_found(old: str, new: str, rule: str) -> None:
    text = DOCKERFILE.read_text()
    assert old in text
    assert rule in hadolint(text.replace(old, new))


def test_what_the_image_copies_is_there_and_the_secrets_stay_out() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists()
        assert source.split("/")[0] in kept
    assert ".env" not in kept
    assert "**/.env" in (ROOT / ".dockerignore").read_text().splitlines()
