"""A store that is busy at random, for drills: some requests are answered 503 instead of being carried out.

hit = busy(store, share=0.1, seed=7)    # afterwards, hit == ["PutObject", "GetObject", …]
"""

import random
from typing import Any

from tasks.core.store import Store


class _Body:
    """The body of an answer, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> list[bytes]:
        return [self._content]


def busy(store: Store, share: float, seed: int) -> list[str]:
    """From now on that share of the store's requests fails; returns the list to which each failed one is added."""
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    dice = random.Random(seed)  # noqa: S311  # no secret
    hit: list[str] = []

    def answer(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        if dice.random() >= share:
            return None
        hit.append(event_name.rpartition(".")[2])
        return AWSResponse(request.url, 503, HTTPHeaders(), _Body(b"<Error><Code>SlowDown</Code></Error>"))

    store.client.meta.events.register("before-send.s3", answer)  # type: ignore[arg-type]  # an answer takes the request's place
    return hit
