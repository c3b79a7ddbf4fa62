"""Bytes on their way, as whoever listens hears of them: within one large file, both ways, over a line that breaks."""

import os
import socket
import socketserver
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlparse

from tasks.core.artifact import upload
from tasks.core.files import FileEntry, entries
from tasks.core.manifest import Manifest
from tasks.core.progress import Progress, listening
from tasks.core.store import object_key
from tasks.core.transfer import download
from tests.conftest import Corner

SIZE = 32 << 20  # bytes
BLOCK = 1 << 16  # bytes


@contextmanager
def line(corner: Corner, breaks_after: int) -> Iterator[tuple[Corner, list[int]]]:
    """The corner over a line of some 15 MB/s a connection. The first that has carried so many bytes one way breaks, and
    is then in the list."""
    target = urlparse(corner.environment["AWS_ENDPOINT_URL_S3"])
    broken: list[int] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        carried = 0
        with suppress(OSError):
            while block := source.recv(BLOCK):
                carried += len(block)
                if carried > breaks_after and not broken:
                    broken.append(carried)
                    for end in (source, sink):
                        end.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(block)
                time.sleep(0.004)
            sink.shutdown(socket.SHUT_WR)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((target.hostname, target.port)) as there:
                back = Thread(target=pump, args=(there, self.request))
                back.start()
                pump(self.request, there)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        yield Corner(corner.home, {**corner.environment, "AWS_ENDPOINT_URL_S3": address}, corner.prefix), broken
        server.shutdown()


def large(folder: Path) -> FileEntry:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(os.urandom(SIZE))
    (file,) = entries(folder)
    return file


def moves_within_the_file(heard: list[Progress], what: str) -> None:
    """Several events, never backwards; the end is heard of once all is there, not while a second try catches up."""
    done = [event.done for event in heard]
    assert {(event.what, event.total, event.unit) for event in heard} == {(what, SIZE, "bytes")}
    assert len({count for count in done if 0 < count < SIZE}) >= 3
    assert done == sorted(done)
    assert done[-1] == SIZE
    assert done.count(SIZE) <= 2


def test_an_upload_moves_within_a_file(corner: Corner, tmp_path: Path) -> None:
    file, heard = large(tmp_path / "out"), list[Progress]()
    with line(corner, breaks_after=20 << 20) as (far, broken), listening(heard.append):
        upload(far.store, "folder", Manifest.model_construct(files=(file,)), tmp_path / "out")
    assert broken
    moves_within_the_file(heard, "upload")
    assert corner.store.get(object_key("folder", file)) == (tmp_path / "out" / file.path).read_bytes()


def test_a_download_moves_within_a_file(corner: Corner, tmp_path: Path) -> None:
    file, heard = large(tmp_path / "out"), list[Progress]()
    corner.store.upload(tmp_path / "out" / file.path, "key", file.sha256)
    with line(corner, breaks_after=6 << 20) as (far, broken), listening(heard.append):
        assert download(far.store, tmp_path / "in", {file: "key"}) == {}
    assert broken
    moves_within_the_file(heard, "download")
