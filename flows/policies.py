"""`glueflow policy`: the rights of one role in the bucket, as an IAM policy document."""

from flows import screen
from flows.screen import Json
from infra import policies
from tasks.core.errors import WrongRequest
from tasks.core.settings import settings


def policy(role: policies.Role, /, *, as_json: Json = True) -> None:  # noqa: ARG001  # the document is JSON anyway
    """The IAM policy of a role in GLUEFLOW_BUCKET, ready for `aws iam put-user-policy` or SeaweedFS's `-s3.config`."""
    bucket = settings().bucket
    if bucket is None:
        raise WrongRequest.of("GLUEFLOW_BUCKET", bucket, "set s3://bucket[/prefix]; the embedded store has one user")
    screen.print_json(policies.policy(role, bucket))
