"""The packages of the image, each with its version and the SHA-256 of the one file that may be installed.

    python -m infra.lock        renews infra/locks/*.txt from pyproject.toml and constraints.txt

    linux.txt       numpy==2.4.6 --hash=sha256:…       all but torch, for Python 3.11 on Linux, x86-64
    torch-cpu.txt   torch==2.13.0+cpu --hash=…         from the index or folder where pip finds that one
    torch-gpu.txt   torch==2.13.0 --hash=…             with what it needs of CUDA

It is pip that resolves, with its own settings: no index gets into a lock.
"""

import json
import platform
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "infra" / "locks"
EXTRAS = ("docker", "kubernetes", "signing")  # that the image has
MACHINE = ("Linux", "x86_64", "3.11")  # what the locks are for


def main() -> None:
    """Renew every lock, once all of them are resolved."""
    here = (platform.system(), platform.machine(), ".".join(platform.python_version_tuple()[:2]))
    if here != MACHINE:
        sys.exit(
            f"lock: this is {' '.join(here)}; the locks are for {' '.join(MACHINE)}, and pip resolves for where it runs"
        )
    torch = constrained()["torch"]
    cpu = resolved(*map(str, wanted()), f"torch=={torch}+cpu")
    gpu = resolved(f"torch==={torch}")  # which +cpu is not
    locks = {"torch-cpu": {"torch": cpu.pop("torch")}, "linux": cpu}
    locks["torch-gpu"] = {name: line for name, line in gpu.items() if name not in cpu}
    for name, packages in locks.items():
        (LOCKS / f"{name}.txt").write_text("".join(f"{packages[package]}\n" for package in sorted(packages)))


def resolved(*requirements: str) -> dict[str, str]:
    """The line of each package that pip would install for these, by its name; nothing is installed."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet", "--report", str(report)]
        constraints = ["--constraint", str(ROOT / "constraints.txt")]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *constraints, *requirements], check=True)
        found = json.loads(report.read_text())["install"]
    return {canonicalize_name(each["metadata"]["name"]): _line(each) for each in found}


def _line(each: dict[str, Any]) -> str:
    name, version = canonicalize_name(each["metadata"]["name"]), each["metadata"]["version"]
    return f"{name}=={version} --hash=sha256:{each['download_info']['archive_info']['hashes']['sha256']}"


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for, with the extras of the image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    return [Requirement(line) for line in lines]


def constrained() -> dict[str, str]:
    """Versions by name, as constraints.txt pins them."""
    pins = (line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    return {canonicalize_name(name): version for name, version in pins}


if __name__ == "__main__":
    main()
