"""Reports in the bucket: HTML that a browser shows, reached by a link that is good for a while and needs no key.

    place = keep(store, "mrpc@3", page)   ->  "reports/mrpc@3/1f9c0a7b2d4e6f80.html"
    link(store, place, 3600)              ->  "http://…/reports/mrpc%403/1f9c….html?X-Amz-Expires=3600&X-Amz-Signature=…"

A report lies below its digest and never changes. It is made from records that stay, so the collector removes it when it
is no longer recent. A link is as good as a key to that one object: it is printed for whoever asked and kept nowhere.
"""

import hashlib
import re
from datetime import timedelta

from tasks.core.errors import WrongRequest
from tasks.core.s3 import asking
from tasks.core.store import Store

REPORTS = "reports/"
LONGEST = timedelta(days=7)  # that a link can be good for, by S3's rule
UNITS = {"m": 60, "h": 3600, "d": 86_400}


def keep(store: Store, name: str, page: bytes) -> str:
    """Write the page and return its object."""
    place = f"{REPORTS}{name}/{hashlib.sha256(page).hexdigest()[:16]}.html"
    with asking(f"write {place}", store.uri(""), store.client.meta.endpoint_url):
        store.client.put_object(
            Bucket=store.bucket,
            Key=store.prefix + place,
            Body=page,
            ContentType="text/html; charset=utf-8",
            CacheControl="private",
        )
    return place


def link(store: Store, place: str, seconds: int) -> str:
    """An address under which anybody can read the object for so many seconds."""
    with asking(f"sign a link to {place}", store.uri(""), store.client.meta.endpoint_url):
        return store.client.generate_presigned_url(
            "get_object", Params={"Bucket": store.bucket, "Key": store.prefix + place}, ExpiresIn=seconds
        )


def duration(text: str) -> int:
    """Seconds of `30m`, `12h` or `7d`; raises WrongRequest for anything else."""
    match = re.fullmatch(r"(\d{1,5})([mhd])", text)
    seconds = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST.total_seconds():
        raise WrongRequest.of("valid", text, "write a whole number and m, h or d, as in 12h; at most 7d")
    return seconds
