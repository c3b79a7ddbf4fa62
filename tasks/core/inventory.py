"""What is kept: every entry with its size, the seconds that it took, whether it is whole, and what leads to it.

inventory(survey(store), Rules())  ->  [Kept("encode", "9b1d…", "2026-11-23T15:00:00", 51200, 1.9, "", ("mrpc@1",))]
"""

from dataclasses import dataclass

from tasks.core.collect import ENTRY, MANIFEST, Reach, Rules, Survey


@dataclass(frozen=True)
class Kept:
    """One entry. `wrong` says what can be seen to be wrong without reading its files; `users` are the roots that lead
    to it, none if it may go."""

    step: str
    key: str
    created: str
    size: int
    seconds: float
    wrong: str
    users: tuple[str, ...]


def inventory(survey: Survey, rules: Rules) -> list[Kept]:
    """Every entry, the oldest first."""
    users = Reach(survey, rules).users()
    places = [match for name in survey.objects if (match := ENTRY.fullmatch(name)) and match[3] == MANIFEST]
    found = [_kept(survey, place[1], place[2], tuple(users.get(place[2], ()))) for place in places]
    return sorted(found, key=lambda entry: (entry.created, entry.key))


def _kept(survey: Survey, step: str, key: str, users: tuple[str, ...]) -> Kept:
    entry = survey.entries.get(key)
    if entry is None:
        return Kept(step, key, "", 0, 0.0, survey.unreadable[f"steps/{step}/{key}/{MANIFEST}"], users)
    lacking = [
        name for name, size in entry.files.items() if name not in survey.objects or survey.objects[name].size != size
    ]
    wrong = f"{lacking[0].rpartition('/')[2]} is missing or has another size" if lacking else ""
    return Kept(step, key, entry.created, sum(entry.files.values()), entry.seconds, wrong, users)
