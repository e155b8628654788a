"""Every error that a person can meet, as one small tree.

    StudioError
    ├── NotFound            404  there is no such thing, or it is somebody else's
    ├── Conflict            409  it cannot be done in the present state
    ├── Invalid             422  what was asked for makes no sense; says which field
    ├── Unauthorized        401  who are you?
    ├── Forbidden           403  known, and not allowed
    ├── TooSlow             408  what was sent did not arrive in time
    ├── Changed             412  somebody else changed it since it was read
    ├── TooLarge            413  more than is taken at once
    ├── LimitReached        429  a limit of this user or of sign-in attempts
    ├── DiskFull            507  the workspace's own disk has no room left
    ├── NodeUnavailable     503  no host can do it now (EngineAway, NodeDrains, NoRoom)
    ├── BuildFailed         the build ended with an error; carries the log's last lines
    ├── Unhealthy           the container did not become or stay healthy
    ├── SourceError         the repository cannot be cloned or makes no app
    └── PlatformError       500  one of our own servers answered something unexpected

The tree is mapped once to HTTP (``to_problem``, RFC 9457) and once to Temporal
(``to_application_error`` / ``from_failure``). Messages are never parsed: what travels is the type
name and ``details``. ``code`` and ``values`` are for those who say it in another language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from ops.error_codes import ErrorCode
from ops.logtext import plain_lines, sanitise


class ErrorReport(BaseModel):
    """What a person gets told: which stage, on which host, what happened, what to do.

    Much of it was said by people's own code: no control byte of it is kept.
    """

    model_config = ConfigDict(frozen=True)

    stage: str | None = None
    host: str | None = None
    what: Annotated[
        str, AfterValidator(plain_lines), Field(examples=["the build ended with exit code 1"])
    ]
    hint: Annotated[str, AfterValidator(plain_lines)] = ""
    log_tail: list[str] = []
    #: One of ``ErrorCode``, or of another version's; None: it is said in these words alone.
    code: str | None = None
    values: dict[str, Annotated[str, AfterValidator(plain_lines)] | int | float] = {}

    @property
    def in_one(self) -> str:
        """What happened and what to do, where there is room for one text."""
        return f"{self.what}: {self.hint}".strip(": ")


Values = Mapping[str, str | int | float]
"""What the texts of a code name in braces."""


class StudioError(Exception):
    """Root of the tree. ``what`` is shown to people; ``hint`` says what they can do."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        what: str,
        *,
        hint: str = "",
        code: ErrorCode | None = None,
        values: Values | None = None,
        field: str | None = None,
        host: str | None = None,
        log_tail: list[str] | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.code = code
        self.values = dict(values or {})
        self.field = field
        self.host = host
        self.log_tail = [sanitise(line) for line in log_tail or []]

    def report(self, stage: str | None = None, host: str | None = None) -> ErrorReport:
        return ErrorReport(
            stage=stage,
            host=self.host or host,
            what=self.what,
            hint=self.hint,
            log_tail=self.log_tail,
            code=self.code,
            values=self.values,
        )


class NotFound(StudioError):
    status, title = 404, "Not found"


class Conflict(StudioError):
    status, title = 409, "Not possible now"


class Invalid(StudioError):
    status, title = 422, "Invalid input"


class Unauthorized(StudioError):
    status, title = 401, "Sign in first"


class Forbidden(StudioError):
    status, title = 403, "Not allowed"


class TooSlow(StudioError):
    status, title = 408, "Too slow"


class Changed(StudioError):
    status, title = 412, "Changed meanwhile"


class TooLarge(StudioError):
    status, title = 413, "Too large"


class LimitReached(StudioError):
    status, title = 429, "Limit reached"


class DiskFull(StudioError):
    status, title = 507, "The disk is full"


class NodeUnavailable(StudioError):
    status, title = 503, "No host is available"
    retryable = True


class EngineAway(NodeUnavailable):
    """The host is there and its engine is not: a workflow waits for it, as it restarts by itself."""


class NodeDrains(NodeUnavailable):
    """The host takes nothing new: a workflow asks the others until one takes it."""


class NoRoom(NodeUnavailable):
    """The host's disk is too full for it: a workflow that tried again would only wait in vain."""

    retryable = False


class BuildFailed(StudioError):
    status, title = 422, "The build failed"


class Unhealthy(StudioError):
    status, title = 422, "The app did not become healthy"


class SourceError(StudioError):
    status, title = 422, "The source cannot be built"


class PlatformError(StudioError):
    status, title = 500, "A server of the platform failed"
    retryable = True


KINDS: dict[str, type[StudioError]] = {
    kind.__name__: kind
    for kind in (
        NotFound,
        Conflict,
        Invalid,
        Unauthorized,
        Forbidden,
        TooSlow,
        Changed,
        TooLarge,
        LimitReached,
        DiskFull,
        NodeUnavailable,
        EngineAway,
        NodeDrains,
        NoRoom,
        BuildFailed,
        Unhealthy,
        SourceError,
        PlatformError,
    )
}


def to_problem(error: StudioError) -> dict[str, Any]:
    """RFC 9457 problem details of an error."""
    problem: dict[str, Any] = {
        "type": f"urn:fun-ai-studio:{type(error).__name__}",
        "title": error.title,
        "status": error.status,
        "detail": error.what,
    }
    if error.hint:
        problem["hint"] = error.hint
    if error.field:
        problem["field"] = error.field
    if error.code:
        problem |= {"code": error.code.value, "values": error.values}
    elif isinstance(error, PlatformError):
        # What a server answered is not translated; that it is no fault of the person's is.
        problem |= {"code": ErrorCode.FAULT_TOLD.value, "values": {"why": error.what}}
    return problem


def from_problem(problem: Mapping[str, Any]) -> StudioError:
    """The error of the tree that problem details name. Raises KeyError when they name none."""
    kind = KINDS[str(problem["type"]).rpartition(":")[2]]
    return kind(
        str(problem["detail"]),
        hint=str(problem.get("hint", "")),
        field=problem.get("field"),
        **_coded(problem),
    )


def _coded(told: Mapping[str, Any]) -> dict[str, Any]:
    """A code of another version of the platform is none."""
    code = told.get("code")
    known = code in ErrorCode.__members__.values()
    return {"code": ErrorCode(str(code)), "values": told.get("values")} if known else {}


def to_application_error(error: StudioError) -> ApplicationError:
    """The same error as Temporal carries it; the report is its first detail.

    Only a fault of the platform counts as a failure in Temporal's own logs and figures.
    """
    details = error.report().model_dump(mode="json") | {"field": error.field}
    fault = isinstance(error, PlatformError)
    return ApplicationError(
        error.what,
        details,
        type=type(error).__name__,
        non_retryable=not error.retryable,
        category=ApplicationErrorCategory.UNSPECIFIED if fault else ApplicationErrorCategory.BENIGN,
    )


def from_application_error(failure: ApplicationError) -> StudioError:
    """The error of the tree that an ApplicationError carries (PlatformError when it is not ours)."""
    kind = KINDS.get(failure.type or "", PlatformError)
    details = failure.details[0] if failure.details and isinstance(failure.details[0], dict) else {}
    return kind(
        details.get("what") or failure.message,
        hint=details.get("hint", ""),
        field=details.get("field"),
        host=details.get("host"),
        log_tail=list(details.get("log_tail") or []),
        **_coded(details),
    )
