"""`glueflow cache`: what is kept, why a step is there or not, whether it is sound, and the end of what nobody needs."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.filesize import decimal

from flows import examples, screen, services
from flows.screen import Json
from tasks.core import pins, sweep
from tasks.core import verify as sound
from tasks.core.collect import KINDS, WHY, Garbage, Reach, Rules, garbage
from tasks.core.duration import seconds
from tasks.core.explain import fields, nearest, short
from tasks.core.inventory import inventory
from tasks.core.lookup import lookup
from tasks.core.settings import settings
from tasks.core.specs import StepName

app = App(
    name="cache",
    help="List, explain, check and clean what steps have built.",
    help_format="markdown",
)
Key = Annotated[str, Parameter(help="A key, or at least 6 of its first digits.")]
Grace = Annotated[str, Parameter(help="Nothing younger is removed. A number and s, m, h or d.")]
Keep = Annotated[str, Parameter(help="What runs of that long ago set out to do is kept. A number and s, m, h or d.")]


@app.command(name="list")
def list_entries(*, step: StepName | None = None, as_json: Json = False) -> None:
    """Every entry: when it was built, its size, the seconds that it took, and what keeps it."""
    with screen.progress():
        found = inventory(sweep.survey(services.store(settings())), Rules())
    rows = [asdict(entry) for entry in found if step in (None, entry.step)]
    if as_json:
        return screen.print_json(rows)
    shown = [{**row, "size": decimal(row["size"]), "kept by": _kept_by(row)} for row in rows]
    return screen.table("entries", shown, ("step", "key", "created", "size", "seconds", "kept by"))


def _kept_by(row: dict[str, Any]) -> str:
    runs = [user for user in row["users"] if user.startswith("runs/")]
    users = [user for user in row["users"] if user not in runs]
    if runs:
        users.append("1 run" if len(runs) == 1 else f"{len(runs)} runs")
    more = f" and {len(users) - 4} more" if len(users) > 4 else ""
    kept = ", ".join(users[:4]) + more or "nothing"
    return f"{kept}; damaged: {row['wrong']}" if row["wrong"] else kept


@app.command
def explain(key: Key, /, *, as_json: Json = False) -> None:
    """What an entry was made from, and where it differs from the nearest one before it.

    A step that a run set out to build and that is not there is compared with the nearest entry that is.
    """
    store = services.store(settings())
    known = lookup(store, key)
    near = nearest(store, known.step, known.identity, before=known.key if known.manifest else "")
    made = known.manifest
    differences = [
        {"field": name, "there": there, "asked": asked} for name, (there, asked) in near.differences.items()
    ] if near else []  # fmt: skip
    if as_json:
        found = {"step": known.step, "key": known.key, "state": "there" if made else "absent", "planned": known.planned}
        facts = made.model_dump(include={"created", "seconds", "facts"}) if made else {}
        nearby = {"key": near.key, "created": near.created} if near else None
        return screen.print_json(
            {**found, **facts, "identity": known.identity, "nearest": nearby, "differences": differences}
        )
    state = (
        f"built {made.created} in {made.seconds:.1f} s" if made else f"not there; a run of {known.planned} wanted it"
    )
    rows = [{"field": name, "value": short(value)} for name, value in fields(known.identity).items()]
    screen.tell(f"{known.step} {known.key}: {state}", "")
    screen.table("", rows, ("field", "value"))
    if near is None:
        return screen.tell("", f"no {'earlier ' if made else ''}entry of {known.step} to compare it with")
    shown = [{name: short(value) for name, value in row.items()} for row in differences]
    screen.tell("", f"nearest: {known.step} {near.key}, built {near.created}", "")
    return screen.table("", shown, ("field", "there", "asked"))


@app.command
def verify(*keys: Key, repair: bool = False, as_json: Json = False) -> None:
    """Read every file of the entries, and without KEYS of the registered versions too, and compare its SHA-256.

    Parameters
    ----------
    repair
        Set what is damaged aside, so that the next run makes it anew.
    """
    store = services.store(settings())
    chosen = sound.entries(store, keys) + ([] if keys else sound.versions(store))
    with screen.progress():
        found = sound.verify(store, chosen)
    rows = []
    for damage in found:
        if repair:
            sound.repair(store, damage)
        rows.append({"name": damage.folder, "reason": damage.reason, "state": "set aside" if repair else "damaged"})
    files = sum(len(holding.files) for holding in chosen)
    if as_json:
        screen.print_json({"folders": len(chosen), "files": files, "damaged": rows})
    else:
        if rows:
            screen.table("damaged", rows, ("name", "state", "reason"))
        screen.tell(f"{len(chosen) - len(rows)} of {len(chosen)} entries and versions are sound ({files} files)")
    if rows:
        sys.exit(1)


@app.command
def gc(*, delete: bool = False, grace: Grace = "1d", keep: Keep = "7d", as_json: Json = False) -> None:
    """What no version, recent run, living lease, pin or ledger needs: shown, and removed only with --delete.

    Parameters
    ----------
    delete
        Remove it. Runs that start meanwhile wait.
    """
    rules = Rules(seconds("grace", grace), seconds("keep", keep))
    known = settings()
    store = services.store(known)
    blocked: list[str] = []
    with screen.progress():
        if delete:
            found = sweep.collect(store, rules, known.lease)
        else:
            seen = sweep.survey(store)
            found, blocked = list(garbage(seen, rules)), Reach(seen, rules).blockers()
    rows = _by_kind(found)
    if as_json:
        objects = [{"name": item.name, "size": item.size, "kind": item.kind} for item in found]
        return screen.print_json({"deleted": delete, "kinds": rows, "objects": objects, "blocked": blocked})
    shown = [{**row, "size": decimal(row["size"])} for row in rows]
    screen.table("removed" if delete else "may go", shown, ("kind", "objects", "size", "why"))
    for line in blocked:
        screen.say(f"--delete will refuse, because it is unknown what {line} protects; {sweep.REMEDY}")
    total = f"{len(found):,} objects, {decimal(sum(item.size for item in found))}"
    return screen.tell(
        f"{total} removed" if delete else f"{total}; nothing was removed: --delete does it, --json names them"
    )


def _by_kind(found: list[Garbage]) -> list[dict[str, Any]]:
    rows = []
    for kind in KINDS:
        if items := [item for item in found if item.kind == kind]:
            size = sum(item.size for item in items)
            rows.append({"kind": kind, "objects": len(items), "size": size, "why": WHY[kind]})
    return rows


@app.command
def pin(key: Key, /, *, reason: str, as_json: Json = False) -> None:
    """Keep an entry, and what it was made from, until it is unpinned.

    Parameters
    ----------
    reason
        Why it is to stay.
    """
    known = settings()
    store = services.store(known)
    chosen = lookup(store, key)
    pins.pin(store, chosen, reason, known.lease)
    if as_json:
        return screen.print_json({"step": chosen.step, "key": chosen.key, "reason": reason})
    return screen.tell(f"pinned {chosen.step} {chosen.key}")


@app.command
def unpin(key: Key, /, *, as_json: Json = False) -> None:
    """Let go of a pin; the entry stays until `glueflow cache gc --delete` finds that nothing needs it."""
    found = pins.unpin(services.store(settings()), key)
    if as_json:
        return screen.print_json({"key": found})
    return screen.tell(f"unpinned {found}")


examples.attach(app)
