"""Calling activities by their descriptors, and waiting for them in a way that nothing can swallow.

Two facts of the SDK shape this (FACTS.md): a cancellation can vanish when an activity ends normally
at the same moment, and a cancel during a cleanup kills a bare await. So a cancel is a flag that is
looked at after each step, and what must end is awaited in a loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.contracts.base import Activity, Frozen
    from workflows.policies import RECORD, Policy

In = TypeVar("In", bound=Frozen)
Out = TypeVar("Out")
Result = TypeVar("Result")


def begin(
    activity: Activity[In, Out],
    given: In,
    policy: Policy,
    *,
    queue: str,
    summary: str | None = None,
) -> workflow.ActivityHandle[Out]:
    """Start an activity on a task queue; a cancel of the handle waits until it has really ended."""
    handle: workflow.ActivityHandle[Any] = workflow.start_activity(
        activity.name,
        given,
        task_queue=queue,
        result_type=activity.returns,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
        **policy.options,
    )
    handle.add_done_callback(_look_at)
    return handle


def _look_at(ended: asyncio.Future[Any]) -> None:
    """A hold or a watch that was cancelled may not be awaited before this workflow leaves its
    worker's cache; asyncio would then log its error as forgotten."""
    if not ended.cancelled():
        ended.exception()


async def record(
    activity: Activity[In, Out], given: In, summary: str, policy: Policy = RECORD
) -> Out:
    """Run a short activity of the records inside the control worker (a local activity).

    Raises ActivityError, and ``asyncio.CancelledError`` when the workflow is cancelled meanwhile, as
    every other wait does: the SDK says that with an ActivityError here, and raises what the
    activity itself has failed with bare.
    """
    try:
        result: Out = await workflow.execute_local_activity(
            activity.name,
            given,
            result_type=activity.returns,
            summary=summary,
            **policy.options,
        )
    except FailureError as error:
        if is_cancelled_exception(error):
            raise asyncio.CancelledError from error
        if isinstance(error, ActivityError):
            raise
        raise _failed(activity.name, error) from error
    return result


def _failed(name: str, error: FailureError) -> ActivityError:
    return ActivityError(
        f"{name} failed: {error.message}",
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=name,
        activity_id="",
        retry_state=None,
    )


async def until_ended(task: asyncio.Future[Result]) -> None:
    """Wait until ``task`` has ended, however it ends, and whatever is cancelled meanwhile."""
    while not task.done():
        try:
            await workflow.wait_condition(task.done)
        except asyncio.CancelledError:
            continue
    if not task.cancelled():
        task.exception()  # looked at here, or asyncio logs it as forgotten


async def uninterrupted(task: asyncio.Task[Result]) -> Result:
    """The result of a cleanup that no cancellation of the workflow may cut short."""
    await until_ended(task)
    return task.result()


async def first_of(task: asyncio.Future[Any], *conditions: Callable[[], bool]) -> None:
    """Return when ``task`` has ended or one of the conditions holds."""
    await workflow.wait_condition(lambda: task.done() or any(holds() for holds in conditions))
