"""Containers, health, routes (queue: the app's runtime node)."""

from __future__ import annotations

from activities.contracts.base import Activity, Confirmed, Frozen, Release


class StartInput(Frozen):
    """Creates and starts the container (pulling the image first); the same name twice is one."""

    deployment_id: int
    release_id: int
    app_id: int
    user_id: int
    container: str
    release: Release
    base_path: str = "/"


class RouteTarget(Frozen):
    release_id: int
    address: str
    port: int


class Started(Frozen):
    """``address`` is the container's own, fixed for its life.

    ``route`` is where the app's route leads while the new container starts beside the old: what an
    undo of the switch puts back.
    """

    address: str
    route: RouteTarget | None


class HealthInput(Frozen):
    """Raises Unhealthy with the container's last log lines. ``host`` is sent as the Host header."""

    container: str
    host: str
    address: str
    port: int
    path: str
    seconds: float


class SwitchInput(Frozen):
    """Makes the app's route lead to ``target``; None takes the route away."""

    app_id: int
    slug: str
    target: RouteTarget | None


class SoakInput(Frozen):
    """Watches a release that has just gone live. When it dies, ``back`` serves again at once."""

    app_id: int
    slug: str
    check: HealthInput
    back: RouteTarget | None


class RouteRef(Frozen):
    app_id: int


class RemoveInput(Frozen):
    """Removes one container by name; already gone is success.

    ``served`` says that requests came to it: it may answer those that it has.
    """

    app_id: int
    container: str
    served: bool = False


class RetireInput(Frozen):
    """Removes every container of the app but ``keep``, and lets ``keep`` restart by itself."""

    app_id: int
    keep: str | None


class PruneLocalInput(Frozen):
    """Removes the app's images from the node's engine, but the digests to keep and what a
    container uses."""

    app_id: int
    repository: str
    keep: list[str]


START_CONTAINER = Activity("start_container", StartInput, Started)
CHECK_HEALTH = Activity("check_health", HealthInput, type(None))
SOAK = Activity("soak", SoakInput, type(None))
SWITCH_ROUTE = Activity("switch_route", SwitchInput, type(None))
REMOVE_CONTAINER = Activity("remove_container", RemoveInput, Confirmed)
RETIRE = Activity("retire", RetireInput, Confirmed)
PRUNE_LOCAL = Activity("prune_local", PruneLocalInput, Confirmed)
