"""Who may do what in the bucket: one IAM policy a role, `iam/<role>.json`, with the place of the bucket left open.

    policy("reader", "s3://models/glue")  ->  {"Version": "2012-10-17", "Statement": [{"Sid": "Find", ...}, ...]}

worker     runs pipelines: builds entries, registers versions, moves no alias
promoter   moves aliases, writes their history and verdicts, deletes versions; builds nothing
reader     predicts and pulls
collector  removes what `cache gc` calls garbage, also what deleted versions left; moves no alias

Each may list the whole bucket: S3 answers 403 instead of 404 for an object that is not there to those who may not.
"""

import json
from pathlib import Path
from string import Template
from typing import Any, Literal

Role = Literal["worker", "promoter", "reader", "collector"]
FOLDER = Path(__file__).with_name("iam")


def policy(role: Role, bucket: str) -> dict[str, Any]:
    """The role's policy document for `s3://bucket[/prefix]`."""
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    place = {"BUCKET": name, "PREFIX": f"{prefix.rstrip('/')}/" if prefix else ""}
    found: dict[str, Any] = json.loads(Template((FOLDER / f"{role}.json").read_text()).substitute(place))
    return found
