"""Prefect's worker of a process pool, for a machine that may be told to end: its runs save first what they have.

    python -m flows.worker --pool glueflow --limit 1

On SIGTERM `prefect worker start` ends and kills its runs (Prefect #22528). This one takes no more runs and passes the
signal on to those that it has. They save, upload and end, as if they had been told themselves; then it ends. How long
that may take is up to whoever sends SIGKILL after it: `stop_grace_period` in infra/compose.yaml.
"""

import asyncio
import os
import signal
from abc import ABC
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID

import anyio
import cyclopts
from httpx import HTTPError
from prefect.client.schemas.objects import FlowRun
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

BEGINNING = 20.0  # seconds that a run's process may take to begin the run; before that a signal is the end of both
LOOK = 0.5  # seconds between two looks at what is under way


class Worker(ProcessWorker, ABC):  # abstract, or Prefect would list it in the place of its own
    """Told to end, it takes no more runs, tells those that it has, and is done with the last of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.told, self._ready = anyio.Event(), anyio.Event()
        self._asking = anyio.Lock()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._ready.set()
        return self

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        async with self._asking:
            return await super().get_and_submit_flow_runs()

    async def run(
        self, flow_run: FlowRun, configuration: ProcessJobConfiguration, task_status: Any = None
    ) -> ProcessWorkerResult:
        process: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        telling = asyncio.create_task(self._tell(flow_run.id, process))

        def started(number: int) -> None:
            process.set_result(number)
            task_status.started(number)

        heard: Any = SimpleNamespace(started=started)
        try:
            return await super().run(flow_run, configuration, heard)
        finally:
            telling.cancel()

    async def _tell(self, run: UUID, process: "asyncio.Future[int]") -> None:
        """Pass the signal on to the run's process."""
        number = await process
        await self.told.wait()
        with suppress(HTTPError), anyio.move_on_after(BEGINNING):  # a server that is away does not say what has begun
            while not await self._begun(run):
                await anyio.sleep(LOOK)
        os.kill(number, signal.SIGTERM)

    async def _begun(self, run: UUID) -> bool:
        state = (await self.client.read_flow_run(run)).state
        return state is not None and state.is_running()

    async def done(self) -> None:
        """Wait until it is told to end and has no runs."""
        await self.told.wait()
        with anyio.move_on_after(BEGINNING):
            await self._ready.wait()  # cut off while it connects, Prefect's own worker fails
        async with self._asking:  # what it was asking for is counted then, and it asks for no more
            while self.is_setup and self.limiter.borrowed_tokens:
                await anyio.sleep(LOOK)


async def work(pool: str, limit: int, healthcheck: bool) -> None:
    worker = Worker(work_pool_name=pool, limit=limit)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.told.set)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(worker.start, with_healthcheck=healthcheck))
        await worker.done()
        group.cancel_scope.cancel()


def main(*, pool: str, limit: int = 1, with_healthcheck: bool = False) -> None:
    """Work on what is started in a pool of processes, so many runs at once, until told to end."""
    asyncio.run(work(pool, limit, with_healthcheck))


if __name__ == "__main__":
    cyclopts.run(main)
