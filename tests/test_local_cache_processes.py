"""The local cache under many processes: what one of them uses stays, nobody gets half a copy, kills included."""

import itertools
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.core.cache import borrow, evict
from tasks.core.hold import alone, beside, scratch_folder, shared
from tasks.core.settings import Settings
from tests import test_local_cache
from tests.hub_server import Hub
from tests.test_local_cache import CAP, MODEL, SIZE, A, B, C, content, held, left_over, total, use, used

FORK = multiprocessing.get_context("fork")
CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime", "fcntl.flock"}

home = test_local_cache.home


def started(work: Callable[..., object], *arguments: object) -> Any:
    process = FORK.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def until(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_downloads_of_the_hub_count_and_go_as_a_whole(home: Settings, tmp_path: Path) -> None:
    """A real download in a process of its own: kept while that lives, whatever is used meanwhile."""
    code = """
import sys
from pathlib import Path
from tasks.core import hub
print(hub.download("tiny/bert", sys.argv[1], "model", None, Path(sys.argv[2])), flush=True)
sys.stdin.read()
"""
    with Hub() as server:
        commit = server.add_commit("tiny/bert", "model", "2024-02-01", {"model.safetensors": b"1" * SIZE})
        command = [sys.executable, "-c", code, commit, str(home.cache / "hub")]
        environment = {**os.environ, **server.env(tmp_path)}
        subprocess.run(command, env=environment, input="", capture_output=True, text=True, check=True)
        used(home, A)
        with subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True) as process:
            assert process.stdout is not None
            snapshot = Path(process.stdout.readline().strip())
            used(home, B, C)
            assert held(home) == {C}
            assert (snapshot / "model.safetensors").stat().st_size == SIZE
            process.kill()
    used(home, A)
    assert held(home) == {A, C}
    assert not snapshot.exists()
    assert left_over(home) == []


def test_what_another_process_reads_stays(home: Settings) -> None:
    """Through a memory map, and opened anew after the eviction; once that process is killed it goes."""
    table = pa.table({"row": pa.array(range(50_000), pa.int64())})
    home.scratch.mkdir(parents=True)
    source = home.scratch / "rows.arrow"
    with pa.OSFile(str(source), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    code = f"""
import sys
from pathlib import Path
from tasks.core.cache import borrow
from tasks.core.files import entry
from tasks.core.settings import Settings
from tasks.data.table import read
home, source = Settings(home=Path({str(home.home)!r}), cache_size={CAP}), Path({str(source)!r})
def fetch(fresh):
    source.rename(fresh / "rows.arrow")
with borrow(home, {A!r}, [entry(source.parent, "rows.arrow")], fetch) as folder:
    first = read(folder / "rows.arrow")
    print("reads", flush=True)
    for line in sys.stdin:
        assert first.equals(read(folder / "rows.arrow"))
        print(sum(first["row"].to_pylist()), flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "reads\n"
        used(home, B, C, MODEL)
        assert held(home) == {A, MODEL}
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{sum(range(50_000))}\n"
        process.kill()
    used(home, B)
    assert held(home) == {MODEL, B}


def test_a_use_that_is_killed_was_a_use(home: Settings, tmp_path: Path) -> None:
    def read() -> None:
        with use(home, A):
            (tmp_path / "reads").touch()
            signal.pause()

    used(home, A, B)
    reader = started(read)
    until((tmp_path / "reads").exists)
    reader.kill()
    reader.join()
    used(home, C)
    assert held(home) == {A, C}


def test_a_copy_that_many_want_at_once_is_fetched_once(home: Settings, tmp_path: Path) -> None:
    def want() -> None:
        def fetch(fresh: Path) -> None:
            with (tmp_path / "fetched").open("a") as file:
                file.write("1")
            time.sleep(0.3)

        with borrow(home, A, [], fetch):
            time.sleep(0.1)

    workers = [started(want) for _ in range(5)]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 5
    assert (tmp_path / "fetched").read_text() == "1"


def work(known: Settings, seed: int, rounds: int) -> None:
    """Use copies and evict, in turn; leaves with an error if a copy is not whole at any time that it is held."""
    draw = random.Random(seed)
    for _ in range(rounds):
        number = draw.randrange(6)
        place, size = f"steps/encode/{number}/1", 150_000 + 50_000 * number
        if draw.random() < 0.3:
            evict(known)
        with use(known, place, size) as folder:
            time.sleep(draw.random() / 200)
            for path in ("a.bin", "folder/b.bin"):
                assert (folder / path).read_bytes() == content(place, path, size)


def test_many_processes_at_once_never_get_half_a_copy(home: Settings) -> None:
    """Six that fill, read and evict; three more are killed at seeded times."""
    draw = random.Random(3)
    workers = [started(work, home, seed, 60) for seed in range(6)]
    for seed in range(3):
        victim = started(work, home, 100 + seed, 10_000)
        time.sleep(draw.uniform(0.05, 0.4))
        victim.kill()
        victim.join()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    evict(home)
    assert total(home) <= CAP
    assert left_over(home) == []


def killed_at(moment: int, known: Settings) -> None:
    """Fill and evict; end by SIGKILL before the change to the disk of that number."""
    steps = itertools.count()

    def watch(event: str, _arguments: object) -> None:
        if event in CHANGES and next(steps) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    used(known, C)
    os._exit(0)


def test_killed_at_any_moment_while_it_fills_and_evicts(tmp_path: Path) -> None:
    """Before each change that it makes to the disk: what is there is whole, and the next one clears up."""
    for moment in itertools.count():
        home = Settings(home=tmp_path / str(moment), cache_size=CAP)
        used(home, A, B)
        process = started(killed_at, moment, home)
        process.join()
        for place in held(home):
            for path in ("a.bin", "folder/b.bin"):
                assert (home.cache / place / path).read_bytes() == content(place, path), (moment, place)
        used(home, C, MODEL)
        assert held(home) == {C, MODEL}, moment
        assert left_over(home) == [], moment
        shutil.rmtree(home.home)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert moment > 40


def test_a_scratch_folder_goes_when_its_owner_is_killed(home: Settings) -> None:
    def own() -> None:
        with scratch_folder(home.scratch, "finetune") as folder:
            (folder / "half").write_bytes(b"1")
            signal.pause()

    owner = started(own)
    until(lambda: list(home.scratch.glob("finetune-*/half")))
    used(home, A)
    assert len(list(home.scratch.glob("finetune-*/half"))) == 1
    owner.kill()
    owner.join()
    used(home, B)
    assert left_over(home) == []


def test_who_waits_for_a_lock_file_that_is_removed_holds_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    inside, leave = threading.Event(), threading.Event()

    def wait() -> None:
        with shared(folder):
            inside.set()
            leave.wait()

    def opened() -> int:
        links = [Path(link) for link in Path("/proc/self/fd").iterdir()]
        return sum(link.readlink() == beside(folder, ".lock") for link in links if link.is_symlink())

    waiter = threading.Thread(target=wait)
    with alone(folder) as mine:
        assert mine
        waiter.start()
        until(lambda: opened() == 2)
        assert not inside.is_set()
    inside.wait()
    with alone(folder) as mine:
        assert not mine
    leave.set()
    waiter.join()
    with alone(folder) as mine:
        assert mine
    assert list(tmp_path.iterdir()) == []
