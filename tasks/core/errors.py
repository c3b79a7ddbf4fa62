"""What can go wrong, and what it means for the one who waits.

Every error is one line that names the thing, its value and what is allowed. Its class says whether trying again can
help (`retryable`), and the exit status of the command (2: the request or its data were wrong, 1: the work failed).
"""

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path


class GlueflowError(Exception):
    """Work that failed for a reason that trying again cannot mend."""

    exit_status = 1
    retryable = False


class WrongRequest(GlueflowError):
    """A request that can never be carried out: an unknown name, a value out of bounds, a file that is not there."""

    exit_status = 2

    @classmethod
    def of(cls, field: str, value: object, allowed: str, known: Iterable[str] = ()) -> "WrongRequest":
        """The line for that field. For a typo it has the nearest of the `known` values."""
        near = difflib.get_close_matches(str(value), list(known), n=1)
        line = f"{field}: {value!r} is not allowed; {allowed}"
        return cls(f"{line}. Did you mean {near[0]!r}?" if near else line)


class BadData(WrongRequest):
    """Data that cannot be trusted. The message names file, row and column."""


class Denied(GlueflowError):
    """The store refused the credentials, or they lack a right."""


class Unavailable(GlueflowError):
    """A service did not answer, or answered with a fault of its own."""

    retryable = True


class Damaged(GlueflowError):
    """Bytes in the store that are not those that were recorded. An entry is set aside, and the run builds it anew."""


class CommitUnknown(GlueflowError):
    """A commit whose outcome could not be read back; everything is left in place."""

    retryable = True


class LeaseLost(GlueflowError):
    """The right to build was taken over, because this process gave no sign of life for too long."""

    retryable = True


class StepFailed(GlueflowError):
    """A step's process ended without a result: a crash, a kill, memory."""

    retryable = True


class Preempted(GlueflowError):
    """A step that was told to end (SIGTERM). A training saved its state first; trying again goes on from there."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: try again later
    retryable = True


def disk_error(error: OSError, folder: Path) -> GlueflowError:
    """The one line for a disk that cannot be written, or the error itself where it is something else."""
    where = error.filename or folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return GlueflowError(f"disk: no space left at {where}; free some, or set GLUEFLOW_HOME to a larger disk")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return GlueflowError(
            f"disk: {where} cannot be written ({error.strerror}); set GLUEFLOW_HOME to a writable folder"
        )
    raise error


KINDS: dict[str, type[GlueflowError]] = {
    kind.__name__: kind
    for kind in (GlueflowError, WrongRequest, BadData, Denied, Unavailable, CommitUnknown, StepFailed, Preempted)
}
