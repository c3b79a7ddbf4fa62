"""A terminal as a person has it: a real pty around a command, its output shown by an emulator.

    watch([…, "run", "mrpc"], environment)  ->  Seen(screen=<pyte.Screen>, status=0, raw=b"…", frames=[[…], …])

Standard output and standard error are one terminal, unless `stdout_apart` sends the former to a file.
"""

import fcntl
import os
import pty
import select
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyte

from tests.conftest import ROOT

LINES = 60
SIZE = {"COLUMNS", "LINES"}  # of the caller's terminal: this one has its own
LOOK = 0.1  # seconds between two frames


@dataclass
class Seen:
    """What came of it: every picture that differs from the one before, all bytes, and the terminal at the end."""

    screen: pyte.Screen
    status: int = -1
    raw: bytes = b""
    stdout: str = ""
    frames: list[list[str]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # of each picture: so many bytes had come

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).strip()

    def at(self, number: int) -> pyte.Screen:
        """The terminal as it was at that picture, with its colours."""
        screen = pyte.Screen(self.screen.columns, self.screen.lines)
        pyte.ByteStream(screen).feed(self.raw[: self.ends[number]])
        return screen


def watch(
    command: Sequence[str],
    environment: Mapping[str, str],
    columns: int = 120,
    stdout_apart: bool = False,
    until: float = 400.0,
) -> Seen:
    """Run the command on a terminal of that width until it ends; with `stdout_apart` standard output is a file."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    seen = Seen(pyte.Screen(columns, LINES))
    stream = pyte.ByteStream(seen.screen)
    with tempfile.TemporaryFile("w+") as apart:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"TERM": "xterm-256color"} | {name: environment[name] for name in environment.keys() - SIZE},
            stdin=subprocess.DEVNULL,
            stdout=apart if stdout_apart else slave,
            stderr=slave,
        )
        os.close(slave)
        deadline = time.monotonic() + until
        try:
            while (block := _read(master, deadline)) is not None:
                seen.raw += block
                stream.feed(block)
                frame = [line.rstrip() for line in seen.screen.display]
                if not seen.frames or frame != seen.frames[-1]:
                    seen.frames.append(frame)
                    seen.ends.append(len(seen.raw))
            seen.status = child.wait()
        finally:
            child.kill()
            child.wait()
        apart.seek(0)
        seen.stdout = apart.read()
    os.close(master)
    return seen


def _read(master: int, deadline: float) -> bytes | None:
    """The next bytes, possibly none; None when nobody writes any more."""
    assert time.monotonic() < deadline, "the command did not end"
    if not select.select([master], [], [], LOOK)[0]:
        return b""
    try:
        return os.read(master, 65536) or None
    except OSError:  # EIO: the other end is closed
        return None
