"""What went wrong, in words for a person: never by parsing a message, only by type."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Stage
    from ops.error_codes import ErrorCode
    from ops.errors import (
        ErrorReport,
        NodeUnavailable,
        PlatformError,
        from_application_error,
        to_application_error,
    )


class StageFailed(Exception):
    """A stage ended with an error; ``report`` is what the person is told."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.what)
        self.report = report


class DeploymentCancelled(Exception):
    """Somebody asked for it, and the step that ran has ended."""


class RunnerLost(Exception):
    """The runner that was held is gone: start again from clone on another."""


def report_of(error: ActivityError, stage: Stage | None, host: str | None) -> ErrorReport:
    """The report of a failed activity."""
    name = stage.value if stage else None
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return from_application_error(cause).report(name, host)
    if isinstance(cause, TimeoutError):
        return _late(cause.type, host).report(name)
    return ErrorReport(
        stage=name,
        host=host,
        what=str(cause or error),
        hint="this is an error of the platform: tell its operators",
    )


def displaced_by(deployment_id: int) -> ErrorReport:
    """The report of a deployment that gives way to one that was asked for later."""
    return ErrorReport(
        what=f"a newer deployment ({deployment_id}) took its place",
        code=ErrorCode.DISPLACED,
        values={"id": deployment_id},
    )


def lost(stage: Stage, host: str | None) -> ErrorReport:
    """The report of a stage whose runner went away; it is tried again on another."""
    return ErrorReport(
        stage=stage.value,
        host=host,
        what=f"{host} was lost",
        code=ErrorCode.RUNNER_LOST,
        values={"node": host or ""},
    )


def lost_with_its_host(error: ActivityError) -> bool:
    """A host had taken the activity up, and went away with it."""
    cause = error.cause
    if isinstance(cause, TimeoutError):
        return cause.type is not TimeoutType.SCHEDULE_TO_START
    return isinstance(cause, ApplicationError) and cause.type == NodeUnavailable.__name__


def refusal(error: ActivityError, host: str | None) -> ApplicationError:
    """The answer of an update whose activity failed: what a caller gets told, and how to go on."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return to_application_error(from_application_error(cause))
    if isinstance(cause, TimeoutError):
        return to_application_error(_late(cause.type, host))
    told = report_of(error, None, host)
    return to_application_error(PlatformError(told.what, hint=told.hint, host=host))


def _late(kind: TimeoutType | None, host: str | None) -> NodeUnavailable:
    """Without a host it is the control host that did not do it."""
    if kind is TimeoutType.SCHEDULE_TO_START:
        code, what = ErrorCode.HOST_TAKES_NOTHING, "did not take up the work in time"
    elif kind is TimeoutType.HEARTBEAT:
        code, what = ErrorCode.HOST_SILENT, "stopped giving signs of life"
    else:
        code, what = ErrorCode.HOST_LATE, "did not finish in time"
    return NodeUnavailable(
        f"{host or 'the control host'} {what}",
        code=code if host else ErrorCode.CONTROL_AWAY,
        values={"node": host or ""},
        hint="look at `studio nodes`; retry when the host is up",
        host=host,
    )
