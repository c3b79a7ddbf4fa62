"""Reports in the bucket: HTML that a browser shows, reached by a link that is good for a while and needs no key.

    place = keep(store, "mrpc@3", page)   ->  "reports/mrpc@3/1f9c0a7b2d4e6f80.html"
    link(store, place, 3600)              ->  "http://…/reports/mrpc%403/1f9c….html?X-Amz-Expires=3600&X-Amz-Signature=…"

A report lies below its digest and never changes. It is made from records that stay, so the collector removes it when it
is no longer recent. A link is as good as a key to that one object: it is printed for whoever asked and kept nowhere.
"""

import hashlib

from tasks.core.s3 import asking
from tasks.core.store import Store

REPORTS = "reports/"
LONGEST = "7d"  # that a link can be good for, by S3's rule


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
