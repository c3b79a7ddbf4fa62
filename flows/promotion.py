"""`glueflow models promote`, `rollback`, `whois`, `delete`: what moves aliases, and what asks where they pointed."""

import re
import sys
from datetime import UTC, datetime, time
from typing import Annotated, Any

from cyclopts import Parameter

from flows import screen, services
from flows.screen import Json
from flows.verdict import publish
from tasks.core import aliases, deletion, history, origin, registry, verdicts
from tasks.core.errors import WrongRequest
from tasks.core.history import Move
from tasks.core.settings import settings
from tasks.core.verdicts import MARGIN

Alias = Annotated[str, Parameter(help="NAME@ALIAS, such as mrpc@champion.")]
CHAMPION = "champion"


def promote(
    model: Annotated[str, Parameter(help="NAME@VERSION, or NAME@latest.")],
    /,
    *seeds: Annotated[str, Parameter(help="Other versions of it that differ in their seed, judged together with it.")],
    alias: str = CHAMPION,
    margin: float = MARGIN,
    force: bool = False,
    reason: str = "",
    as_json: Json = False,
) -> None:
    """Judge a version against the champion on the same examples, and make it the champion if it is not worse.

    Accuracy by McNemar's exact test, other metrics by paired bootstrap. It is promoted if the 95 % interval rules out
    that it is worse by more than the margin. The first champion has to be better than the best constant answer. The
    verdict is kept with the version. Exit status 1: refused.

    Parameters
    ----------
    alias
        The alias to move.
    margin
        How much worse it may be, as a difference of the metric.
    force
        Promote it whatever the verdict; needs a reason.
    reason
        Why; it is recorded.
    """
    from tasks.steps.promote import Request, run

    known = settings()
    store = services.store(known)
    chosen = tuple(registry.find(store, each) for each in (model, *seeds))
    request = Request(chosen, alias, origin.signature(), margin, force, reason)
    with screen.progress():
        done = run(store, known, request)
    label, verdict, move = chosen[0].label, done.verdict, done.move
    if verdict:
        publish(known, verdict, move)
    if as_json:
        screen.print_json(
            {
                "model": label,
                "alias": alias,
                "moved": move is not None,
                "forced": bool(move and move.forced),
                "verdict": verdict.model_dump() if verdict else None,
            }
        )
    elif verdict is None:
        screen.tell(f"{chosen[0].name}@{alias} is {label} already")
    else:
        screen.tell(verdict.reason)
        screen.tell(f"{chosen[0].name}@{alias} is now {label}" if move else f"refused: {label} is not made {alias}")
        against = f"diff {label} {chosen[0].name}@{alias}" if verdict.champion else f"show {label}"
        screen.say(f"next: glueflow models {f'pull {chosen[0].name}@{alias} FOLDER' if move else against}")
    if verdict and move is None:
        sys.exit(1)


def rollback(model: Alias, /, *, to: int | None = None, reason: str = "", as_json: Json = False) -> None:
    """Move an alias back to the version before, without a judgement.

    Parameters
    ----------
    to
        An earlier version than the one before.
    reason
        Why; it is recorded.
    """
    name, alias = _split(model)
    move = aliases.rollback(services.store(settings()), name, alias, to, origin.signature(), reason)
    assert move  # noqa: S101  # a rollback always wants a move
    if as_json:
        return screen.print_json(_told(move))
    return screen.tell(f"{model} is now version {move.version}, and was {move.before}")


def whois(
    model: Alias,
    /,
    *,
    at: Annotated[str, Parameter(help="A day, meaning its end (UTC), or a time such as 2026-01-31T12:00.")] = "",
    as_json: Json = False,
) -> None:
    """Which version an alias points to, or pointed to at a time; since when, by whom and why."""
    name, alias = _split(model)
    store = services.store(settings())
    moment = _moment(at) if at else datetime.now(UTC)
    if alias == history.LATEST:
        raise WrongRequest.of("model", model, f"latest is the newest version: `glueflow models list {name}` tells when")
    move = history.at(store, name, alias, moment)
    if as_json:
        return screen.print_json(_told(move))
    screen.tell(f"{model} is version {move.version}" if not at else f"{model} was version {move.version} at {at}")
    screen.tell(f"since {move.at} by {move.by}: {'forced ' if move.forced else ''}{move.kind}", move.reason)
    if move.verdict:
        screen.tell(verdicts.read(store, move.verdict).reason)
    return None


def delete(model: Annotated[str, Parameter(help="NAME@VERSION.")], /, *, reason: str, as_json: Json = False) -> None:
    """Delete a version; refused while an alias points to it. Its number is never given again.

    Parameters
    ----------
    reason
        Why; it is recorded.
    """
    match = re.fullmatch(r"([^@]+)@([1-9][0-9]{0,8})", model)
    if not match or not registry.REFERENCE.fullmatch(model):
        raise WrongRequest.of("model", model, "write <name>@<version>; what is deleted is named by its number")
    deletion.delete(services.store(settings()), match[1], int(match[2]), origin.signature(), reason)
    if as_json:
        return screen.print_json({"model": model, "reason": reason})
    return screen.tell(f"{model} is deleted")


def _split(model: str) -> tuple[str, str]:
    name, _, alias = model.partition("@")
    if not registry.REFERENCE.fullmatch(model) or not alias or alias.isdigit():
        raise WrongRequest.of("model", model, "write <name>@<alias>, such as mrpc@champion")
    return name, alias


def _moment(text: str) -> datetime:
    """The end of a day, or the moment itself; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongRequest.of("at", text, "write a day as 2026-01-31, or a time as 2026-01-31T12:00") from None
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        moment = datetime.combine(moment, time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(move: Move) -> dict[str, Any]:
    return move.model_dump(exclude={"id", "link"})
