"""Connecting to Temporal: one client a process, with the data converter and tracing that all share."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import structlog
from temporalio.client import Client, Interceptor
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
)
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from ops import metrics
from ops.logs import TEMPORAL_CORE
from ops.settings import Settings

log = structlog.get_logger()


def metrics_runtime(address: str) -> Runtime:
    """A runtime whose SDK metrics (and ours, by its meter) are scraped at ``host:port``.

    What its native part has to say goes the way of all logs.
    """
    runtime = Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(
                filter=LoggingConfig.default.filter,
                forwarding=LogForwardingConfig(logging.getLogger(TEMPORAL_CORE)),
            ),
            metrics=PrometheusConfig(
                bind_address=address,
                durations_as_seconds=True,
                histogram_bucket_overrides=metrics.BUCKETS,
            ),
            attach_service_name=False,
        )
    )
    metrics.use(runtime)
    return runtime


async def connect(
    settings: Settings,
    *,
    process: str = "a person's tool",
    runtime: Runtime | None = None,
    interceptors: list[Interceptor] | None = None,
) -> Client:
    """Waits for Temporal as long as it takes: a process never dies of a server that is away.

    ``process`` is what operators see as the one who asked or did a thing.
    """

    def tell(state: Any) -> None:
        log.warning(
            "temporal.waiting", address=settings.temporal_address, tries=state.attempt_number
        )

    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type((RuntimeError, OSError)),
        wait=wait_exponential_jitter(multiplier=0.2, max=3),
        after=tell,
        reraise=True,
    ):
        with attempt:
            return await Client.connect(
                settings.temporal_address,
                namespace=settings.temporal_namespace,
                data_converter=pydantic_data_converter,
                runtime=runtime,
                identity=f"{process} ({os.getpid()}@{socket.gethostname()})",
                interceptors=interceptors or [],
            )
    raise AssertionError("unreachable: the retry has no end")
