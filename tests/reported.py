"""A report read as a browser reads it, by a parser of ours and by a real one."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tasks.core.specs import Training
from tests.conftest import Corner

TRAINING = Training(epochs=2, learning_rate=1e-3, precision="float32", max_length=64)
LOADS = ("src", "srcset", "href", "data", "action", "poster", "background", "cite", "xlink:href")
EVIL = "<script>alert(1)</script><img src=https://x.example/a> \u202egnp.exe "


class Read(HTMLParser):
    """A page as a browser takes it: its tags, what it would load, the rows of its tables."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in LOADS]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.rows[-1][-1] += data


def report(user: Corner, *words: str) -> tuple[dict[str, Any], Read, str]:
    found = user.json("report", *words)
    body = Path(found["file"]).read_text()
    return found, Read(body), body


def harmless(page: Read, body: str) -> None:
    """No script and nothing that a browser would fetch."""
    assert not {"script", "link", "iframe", "object", "embed", "img", "image", "form", "base"} & set(page.tags)
    assert all(load.startswith("#") for load in page.loads)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", body))
    assert "@import" not in body
    assert "default-src 'none'" in body


def quiet(page: Path, scratch: Path) -> str:
    """The page's document as a browser without a network builds it; fails if its console says anything."""
    browser = shutil.which("chromium")
    if not browser:
        pytest.skip("no browser: apt-get install chromium")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom"]
    log = ["--enable-logging=stderr", "--v=0", f"--user-data-dir={scratch / 'browser'}"]
    done = subprocess.run(
        [browser, *options, *log, page.as_uri()], capture_output=True, text=True, check=True, timeout=200
    )
    assert "CONSOLE" not in done.stderr
    return done.stdout
