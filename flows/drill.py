"""`glueflow drill`: kills and faults on this machine and bucket, and whether each was survived.

A drill runs a small pipeline (a random two-layer model on made-up data) below a prefix of its own, which is removed at
the end. It is survived if the run, begun again, ends with the bytes of the run that nobody disturbed, if all that can
be seen in the store meanwhile is whole, and if no finished step is built a second time.
"""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from flows.ground import Ground, NotSurvived, open_ground
from tasks.core import faults
from tasks.core.errors import GlueflowError
from tasks.core.manifest import Manifest
from tasks.core.progress import Progress, report
from tasks.core.settings import Settings
from tasks.core.store import Store

WRITERS = 16
PREEMPTED = 75
IN_A_ROW = 10  # kills of one run before it may end


def kill(ground: Ground, dice: random.Random, most: int) -> tuple[int, str]:
    """SIGKILL of the whole run at random moments, a few in a row, before it may end."""
    site, killed = ground.site(), 0
    before: dict[str, Manifest] = {}
    while killed < most:
        run = site.start()
        try:
            run.wait(dice.uniform(0.05, 0.95) * ground.seconds)
            break  # it was done before
        except subprocess.TimeoutExpired:
            whom = os.killpg if dice.random() < 0.5 else os.kill  # its children too, or they are left alone
            whom(run.pid, signal.SIGKILL)
        run.communicate()
        killed += 1
        site.check()
        site.built_once(before)
        before = site.manifests()
    site.run()
    site.built_once(before)
    return killed, "the same bytes at the end, nothing built twice, nothing partial seen"


def preempt(ground: Ground) -> str:
    """SIGTERM while it trains."""
    site = ground.site()
    run = site.start()
    site.training(run)
    began = time.monotonic()
    run.send_signal(signal.SIGTERM)
    run.communicate()
    seconds = time.monotonic() - began
    if run.returncode != PREEMPTED:
        raise NotSurvived(f"status {run.returncode} instead of {PREEMPTED}")
    site.run()
    facts = site.manifests()["finetune"].facts
    if not facts["resumed_from"]:
        raise NotSurvived("the training began anew")
    return f"ended in {seconds:.1f} s, went on from step {facts['resumed_from']} of {facts['steps']}"


def damage(ground: Ground, how: str) -> str:
    """Spoil a file of the training, and look from a machine with an empty disk."""
    site = ground.site()
    site.run()
    before = site.manifests()
    weights = next(name for name in site.store.sizes("steps/finetune/") if name.endswith("model.safetensors"))
    body = bytearray(site.store.get(weights) or b"")
    if how == "missing":
        site.store.delete(weights)
    else:
        body[len(body) // 2] ^= 1
        site.store.put(weights, bytes(body))
    shutil.rmtree(site.home)
    evaluation = next(name for name in site.store.sizes("steps/evaluate/") if name.endswith("manifest.json"))
    site.store.delete(evaluation)  # so that somebody reads the weights
    steps = {step["name"]: step["state"] for step in site.run()["steps"]}
    site.built_once({name: before[name] for name in ("fetch", "encode")})
    built = [name for name, state in steps.items() if state == "built"]
    if "finetune" not in built:
        raise NotSurvived("nobody noticed")
    return f"built anew: {', '.join(built)}"


def together(ground: Ground) -> str:
    """Two runs of one request at once."""
    site = ground.site()
    runs = [site.start(), site.start()]
    states = [step["state"] for run in runs for step in site.ended(run)["steps"]]
    built = states.count("built")
    if built != len(states) / 2:
        raise NotSurvived(f"{built} steps were built for {len(states) // 2}")
    return f"{built} steps built, {len(states) - built} waited for and reused"


def busy(ground: Ground) -> str:
    """A run whose store is busy at random."""
    site = ground.site()
    site.run("flows.drill")
    return "a tenth of the requests was answered 503"


def race(ground: Ground) -> str:
    """Conditional writes of one object by many at once."""
    store = ground.site().store
    bodies = [str(number).encode() for number in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        mine = list(pool.map(lambda body: store.create("race", body), bodies))
    won = [body for body, first in zip(bodies, mine, strict=True) if first]
    if len(won) != 1 or store.get("race") != won[0]:
        raise NotSurvived(f"{len(won)} writers believe that they were first; the store ignores If-None-Match")
    return "one of them won, and all others know it"


def undisturbed(ground: Ground) -> str:
    """The run that all others are compared with."""
    site = ground.site()
    began = time.monotonic()
    site.run()
    ground.seconds, ground.digests = time.monotonic() - began, site.digests()
    return f"{ground.seconds:.0f} s; all others are compared with it"


def drill(known: Settings, store: Store, environment: dict[str, str], kills: int, seed: int) -> list[dict[str, Any]]:
    """Every drill in turn: {"injected", "times", "survived", "how"}. Ends early if the undisturbed run fails."""
    dice = random.Random(seed)  # noqa: S311  # no secret
    drills: list[tuple[str, Callable[[Ground], str]]] = [
        (f"{WRITERS} writers of one object", race),
        ("nothing", undisturbed),
        ("SIGTERM during training", preempt),
        ("a flipped bit in stored weights", partial(damage, how="flipped")),
        ("stored weights removed", partial(damage, how="missing")),
        ("two runs at once", together),
        ("a busy store", busy),
    ]
    rows: list[dict[str, Any]] = []
    total, killed = len(drills) + kills, 0
    with open_ground(known, store, environment) as place:
        for name, work in drills:
            report(Progress("drill", len(rows), total, name))
            rows.append(_row(name, 1, partial(_once, work, place)))
            if work is undisturbed and not rows[-1]["survived"]:
                return rows
        row = {"injected": "SIGKILL at a random moment", "times": 0, "survived": 0, "how": ""}
        while killed < kills:
            report(Progress("drill", len(rows) + killed, total, "kills"))
            most = min(kills - killed, IN_A_ROW)
            found = _row("", most, partial(kill, place, dice, most))
            killed += found["times"]
            row |= {"times": killed, "survived": row["survived"] + found["survived"], "how": found["how"]}
            if found["survived"] < found["times"]:
                break
    return [*rows, row] if kills else rows


def _once(work: Callable[[Ground], str], ground: Ground) -> tuple[int, str]:
    return 1, work(ground)


def _row(name: str, times: int, work: Callable[[], tuple[int, str]]) -> dict[str, Any]:
    try:
        times, how = work()
    except GlueflowError as error:
        return {"injected": name, "times": times, "survived": 0, "how": str(error)}
    return {"injected": name, "times": times, "survived": times, "how": how}


def _with_faults() -> None:
    """`glueflow` in a process whose store is busy."""
    from flows.cli import main
    from tasks.core.settings import settings
    from tasks.policy import store_of

    faults.busy(store_of(settings()), share=0.1, seed=1)
    main()


if __name__ == "__main__":
    _with_faults()
