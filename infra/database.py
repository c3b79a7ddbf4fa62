"""The database of the local Prefect server: SQLite in its folder, which is enough for one user, or a Postgres.

    PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://prefect:…@127.0.0.1:5432/prefect
      ->  "postgresql+asyncpg://prefect:***@127.0.0.1:5432/prefect", which is what is told, logged and kept

The address holds a password: it is handed on in the server's environment alone, never on a command line.
"""

import os

from tasks.core.errors import WrongRequest

VARIABLE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
FORM = "postgresql+asyncpg://USER:PASSWORD@HOST:PORT/DATABASE"
SQLITE = "sqlite"


def environment() -> dict[str, str]:
    """What Prefect's server is told of its database; nothing if it is to keep its own."""
    return {VARIABLE: os.environ[VARIABLE]} if os.environ.get(VARIABLE) else {}


def chosen(before: str, running: bool) -> str:
    """The database to use, without its password: what the environment says, else that of `before`. Raises WrongRequest
    if it cannot be used, if the server runs on another, or if only an environment that says nothing made it another."""
    address, known = os.environ.get(VARIABLE), before or SQLITE
    if address is None:
        if running or known == SQLITE:
            return known
        raise WrongRequest(f"{VARIABLE}: is not set, but the server was on {known}; set it, or to nothing for SQLite")
    found = _shown(address) if address else SQLITE
    if running and found != known:
        raise WrongRequest(f"{VARIABLE}: the server runs on {known}; end it with `glueflow down` first")
    return found


def _shown(address: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(address)
    except (ArgumentError, ValueError):
        raise WrongRequest(f"{VARIABLE}: it is no address; give {FORM}") from None  # unseen: it holds a password
    if found.query:  # where a password would be shown
        raise WrongRequest(f"{VARIABLE}: nothing may come after the database; give {FORM}")
    if found.drivername != "postgresql+asyncpg" or not found.host or not found.database:
        raise WrongRequest.of(VARIABLE, found.render_as_string(hide_password=True), f"give {FORM}")
    return found.render_as_string(hide_password=True)
