"""What a command needs to be running: the store and the Prefect server, the person's own or the local ones."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

from flows import screen
from infra import stack
from tasks.core.errors import Denied, Unavailable, WrongRequest
from tasks.core.settings import Settings
from tasks.core.store import Store, open_store

PATIENT = {"PREFECT_CLIENT_MAX_RETRIES": "8"}  # with growing pauses: a server that is away for minutes costs no run
PREFECT = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # the log is in the UI
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",  # else a screenful while the server is away for a moment
    "DO_NOT_TRACK": "1",  # else a notice of it is on the terminal
    **PATIENT,
}
LATER = "what was finished or saved stays, the same command goes on from there"


def store(known: Settings) -> Store:
    """The store of these settings; the embedded one is started if it does not run."""
    if not known.bucket:
        stack.up(known.home, screen.say, prefect=False)
    return open_store(known)


def server(known: Settings) -> str:
    """Make sure that store and server answer; returns the address of the UI. Prefect is told where its server is."""
    if known.api_url:
        answers(known.api_url)
    running = None if known.bucket and known.api_url else stack.up(known.home, screen.say, prefect=not known.api_url)
    if known.api_url or running is None:
        return known.api_url.rstrip("/").removesuffix("/api")
    os.environ["PREFECT_API_URL"] = running.api_url
    return running.ui_url


def api(known: Settings) -> str:
    """The address of Prefect's API, once `server` has seen to it."""
    return known.api_url or os.environ["PREFECT_API_URL"]


@contextmanager
def prefect(known: Settings) -> Iterator[str]:
    """Within the block a flow may be imported and run: store and server answer, and Prefect keeps quiet. Yields the
    address of the UI; raises Unavailable if the server goes away for good, Denied if it asks for another login."""
    ui = server(known)
    quiet()
    from httpx import HTTPError, HTTPStatusError
    from prefect.settings import PREFECT_API_URL, temporary_settings

    try:
        with temporary_settings({PREFECT_API_URL: api(known)}):
            yield ui  # so too if Prefect was imported before its server was started
    except HTTPError as error:
        if isinstance(error, HTTPStatusError) and error.response.status_code in (401, 403):
            raise Denied(f"prefect: {ui} refused the login; set PREFECT_API_AUTH_STRING to its user:password") from None
        raise Unavailable(f"prefect: {ui or known.api_url} is away ({error}); {LATER}") from error


def quiet() -> None:
    """Have Prefect, which is imported after this, say nothing of its own."""
    for name, value in PREFECT.items():
        os.environ.setdefault(name, value)


def credentials(known: Settings) -> dict[str, str]:
    """What a process of its own needs in its environment to reach the same store; nothing if it is the person's own."""
    running = None if known.bucket else stack.current(known.home)
    if running is None:
        return {}
    return {
        "AWS_ENDPOINT_URL_S3": running.endpoint,
        "AWS_ACCESS_KEY_ID": running.access_key,
        "AWS_SECRET_ACCESS_KEY": running.secret_key,
        "AWS_REGION": "us-east-1",
    }


def answers(api_url: str) -> None:
    """Raise Unavailable, or WrongRequest for what is no address, unless Prefect's API answers there."""
    if not api_url.startswith(("http://", "https://")):
        raise WrongRequest.of("PREFECT_API_URL", api_url, "it begins with http:// or https://")
    try:
        with urlopen(f"{api_url.rstrip('/')}/health", timeout=10):  # noqa: S310  # http or https, as checked
            return
    except (URLError, OSError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise Unavailable(f"prefect: no server answers at {api_url} ({reason}); correct PREFECT_API_URL") from None
