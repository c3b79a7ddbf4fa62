"""`glueflow backfill`: runs for a range of past dates, each on the data as it was that day."""

from collections import Counter
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.filesize import decimal

from flows import examples, screen, services
from flows.board import board
from flows.screen import Json
from tasks.core.command import command
from tasks.core.errors import WrongRequest
from tasks.core.forecast import Slot, forecast
from tasks.core.lease import lives
from tasks.core.ledger import Ledger, Standing, find_ledger, ids
from tasks.core.plan import plan as plan_run
from tasks.core.settings import settings
from tasks.core.slots import Backfill, SlotOptions, Way
from tasks.core.specs import Training

UNASKED = 200  # slots that a person means without saying so
SHOWN = 50  # rows
app = App(
    name="backfill",
    help="Runs for a range of past dates, each on the data as it was that day.",
    help_format="markdown",
    default_parameter=Parameter(negative="", consume_multiple=True),
)
Options = Annotated[SlotOptions, Parameter(name="*")]
Train = Annotated[Training, Parameter(name="*")]
TRAINING, WAY = Training(), Way()
Yes = Annotated[bool, Parameter(help=f"More than {UNASKED} slots are meant.")]


@app.command
def plan(*, options: Options, training: Train = TRAINING, yes: Yes = False, as_json: Json = False) -> None:
    """Each slot with the steps that are there and those that are missing, why, and what they may take; builds none."""
    asked = agreed(options, training, yes)
    slots = forecast(services.store(settings()), asked.slots())
    totals = summary(slots)
    if as_json:
        return screen.print_json({"backfill": asked.id, **totals, "slots": [row(slot) for slot in slots]})
    shown = [{**row(slot), "missing": _missing(slot)} for slot in slots[:SHOWN]]
    screen.table(f"backfill {asked.id}", shown, ("slot", "state", "missing", "reason"))
    if len(slots) > SHOWN:
        screen.tell(f"… and {len(slots) - SHOWN:,} more slots; --json has all")
    screen.tell(in_words(totals))
    return screen.say(f"next: {command('backfill run', asked)}{' --yes' if yes else ''}")


def agreed(options: SlotOptions, training: Training, yes: bool) -> Backfill:
    """The backfill, unless it is larger than a person may have meant."""
    asked = Backfill(training=training, **options.model_dump())
    if asked.size > UNASKED and not yes:
        raise WrongRequest.of("slots", f"{asked.size:,}", f"more than {UNASKED} need --yes")
    plan_run(next(iter(asked.slots().values())))  # what is not there is told before a server is started
    return asked


def row(slot: Slot) -> dict[str, Any]:
    """A slot as `--json` prints it."""
    cost = {"seconds": round(slot.cost[0], 1), "bytes": round(slot.cost[1])} if slot.cost else {}
    state = "there" if slot.done else "missing"
    return {"slot": slot.name, "state": state, "steps": slot.steps, "reason": slot.reason, **cost}


def summary(slots: list[Slot]) -> dict[str, Any]:
    """Slots and steps in numbers; seconds and bytes of those steps of which earlier runs are known."""
    states = Counter(state for slot in slots for state in slot.steps.values())
    costs = [slot.cost for slot in slots if slot.cost]
    return {
        "missing_slots": sum(not slot.done for slot in slots),
        "of_slots": len(slots),
        "steps": {"hit": states["hit"], "miss": states["miss"], "shared": states["shared"]},
        "seconds": round(sum(cost[0] for cost in costs), 1),
        "bytes": round(sum(cost[1] for cost in costs)),
        "slots_without_estimate": len(slots) - len(costs),
    }


def in_words(totals: dict[str, Any]) -> str:
    """The summary as one line."""
    line = f"{totals['missing_slots']:,} of {totals['of_slots']:,} slots are missing; {totals['steps']['miss']:,} steps"
    line += f" to build, about {totals['seconds'] / 60:,.1f} minutes and {decimal(totals['bytes'])}"
    unknown = totals["slots_without_estimate"]
    return f"{line}, without {unknown:,} slots of which no like was built yet" if unknown else line


def _missing(slot: Slot) -> str:
    return " ".join(step for step, state in slot.steps.items() if state != "hit")


@app.command
def run(
    *,
    options: Options,
    training: Train = TRAINING,
    way: Annotated[Way, Parameter(name="*")] = WAY,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Run slots as flow runs on the workers and wait for them; begun again, it goes on where it was."""
    asked = agreed(options, training, yes)
    return _carry_out(asked, way, f"{command('backfill run', asked)}{' --yes' if yes else ''}", as_json)


def _carry_out(asked: Backfill, way: Way, again: str, as_json: bool) -> None:
    """`again` is the command that goes on where this one stops."""
    with services.prefect(settings()) as ui:
        store = services.store(settings())
        screen.say(in_words(summary(forecast(store, asked.slots()))))
        ledger = Ledger(store, asked.id)
        if ledger.standing() != "running":
            ledger.stand("running")
        screen.say(f"glueflow backfill status {asked.id}  ·  {ui}")
        from flows.backfill import backfill, metrics

        with board(f"backfill {asked.id}"):
            found = backfill(asked, way)
        if as_json:
            return screen.print_json(found)
        slots, slips = asked.slots(), list(ledger.slips().values())
        last = slips[-SHOWN:]
        shown = [{**slip.model_dump(), "metrics": screen.figures(metrics(store, slots[slip.slot]))} for slip in last]
    screen.table(f"backfill {asked.id}", shown, ("slot", "attempt", "state", "metrics"))
    if len(slips) > SHOWN:
        screen.tell(f"… the last {SHOWN} of {len(slips):,}; `glueflow backfill status {asked.id}` has all")
    screen.tell("  ".join(f"{name} {value}" for name, value in found.items()))
    return screen.say(f"next: {again if found['left'] else 'glueflow models list'}")


@app.command
def status(name: str, /, *, as_json: Json = False) -> None:
    """What came of each slot of a backfill so far."""
    ledger = find_ledger(services.store(settings()), name)
    slips, slots = ledger.slips(), ledger.order().asked.slots()
    states = Counter(slips[slot].state if slot in slips else "not submitted" for slot in slots)
    rows = [slip.model_dump() for slip in slips.values()]
    if as_json:
        return screen.print_json({"backfill": name, "standing": ledger.standing(), **states, "slots": rows})
    screen.table(f"backfill {name}: {ledger.standing()}", rows, ("slot", "attempt", "state", "message"))
    return screen.tell(", ".join(f"{count} {state}" for state, count in states.items()))


@app.command(name="list")
def list_backfills(*, as_json: Json = False) -> None:
    """Every backfill in the bucket."""
    store = services.store(settings())
    found = [(Ledger(store, name), Ledger(store, name).order()) for name in ids(store)]
    rows = [
        {
            "backfill": ledger.id,
            "from": str(order.asked.from_),
            "to": str(order.asked.to),
            "every": order.asked.every,
            "tasks": " ".join(order.asked.tasks),
            "slots": order.asked.size,
            "standing": ledger.standing(),
        }
        for ledger, order in found
    ]
    return (
        screen.print_json(rows)
        if as_json
        else screen.table("backfills", rows, ("backfill", "from", "to", "every", "tasks", "slots", "standing"))
    )


@app.command
def pause(name: str, /, *, as_json: Json = False) -> None:
    """Submit no more slots; those under way end as they would."""
    _stand(name, "paused", as_json)


@app.command
def resume(name: str, /, *, way: Annotated[Way, Parameter(name="*")] = WAY, as_json: Json = False) -> None:
    """Let a backfill that was paused, cancelled or killed go on; if nobody carries it out any more, this does."""
    store = services.store(settings())
    ledger = find_ledger(store, name)
    ledger.stand("running")
    if lives(store, ledger.lease, settings().lease):
        return _told(name, "running", as_json)
    return _carry_out(ledger.order().asked, way, f"glueflow backfill resume {name}", as_json)


@app.command
def cancel(name: str, /, *, as_json: Json = False) -> None:
    """Submit no more slots and cancel those under way; what steps have built stays."""
    _stand(name, "cancelled", as_json)


def _stand(name: str, standing: Standing, as_json: bool) -> None:
    find_ledger(services.store(settings()), name).stand(standing)
    return _told(name, standing, as_json)


def _told(name: str, standing: Standing, as_json: bool) -> None:
    if as_json:
        return screen.print_json({"backfill": name, "standing": standing})
    return screen.tell(f"backfill {name} is {standing}")


examples.attach(app)
