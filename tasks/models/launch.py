"""A step in several processes, by torchrun's own launcher: one a device, on this machine.

launch(4, ["-m", "tasks.steps", "finetune", "request.json"])  ->  0 if all four ended well

They meet at a free port of the loopback. The first speaks for all, on the pipe that it inherits. When one ends badly
the others are ended, too: none goes on alone, and none outlives the launcher. SIGTERM goes to all of them.
"""

import os
import signal
import sys
from uuid import uuid4

import psutil
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

LOOPBACK = "127.0.0.1"
INTERFACE = "lo0" if sys.platform == "darwin" else "lo"
PATIENCE = 20  # seconds from SIGTERM to SIGKILL: less than the caller's own


def launch(processes: int, arguments: list[str]) -> int:
    """Run Python with those arguments in so many processes; the exit status, that of the first if it is not 0."""
    threads = int(os.environ.get("OMP_NUM_THREADS", 0)) or os.cpu_count() or 1
    os.environ |= {
        "OMP_NUM_THREADS": str(max(1, threads // processes)),
        "GLOO_SOCKET_IFNAME": INTERFACE,
        "NCCL_SOCKET_IFNAME": INTERFACE,
    }
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOOPBACK}:0",
        local_addr=LOOPBACK,
        max_restarts=0,  # a retry is the caller's, from the state that was saved
        signals_to_handle="SIGTERM",
        shutdown_timeout=PATIENCE,
    )
    try:
        elastic_launch(config, sys.executable)(*arguments)
    except ChildFailedError as error:
        first, failure = error.get_first_failure()
        status = failure.exitcode
        why = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        print(f"process {first} of {processes} {why}", file=sys.stderr)
        return status if status > 0 else 1
    except SignalException as told:
        return 128 + told.sigval
    return 0


def end_processes() -> None:
    """At once, when nobody waits for them any more."""
    for child in psutil.Process().children(recursive=True):
        try:
            child.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
