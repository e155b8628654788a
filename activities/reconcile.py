"""Does what is on a node match the records? A pure comparison.

Only what belongs to no record, or to an ended deployment that is not live, is removed. An app with
a deployment under way, and one that is being deleted, are left to their workflows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from activities.contracts.base import DeploymentRef
from activities.contracts.nodes import ContainerSeen, Inventory, Reconciliation, Repair, RouteSeen
from activities.contracts.runtime import PruneLocalInput, RemoveInput
from ops.names import app_of_repository

REPAIRS_AT_ONCE = 8
"""Repairs of one node at a time. A node that lost all its apps at once (``ops/down`` stops them) has
neither processors nor slots to start them all together, and none left to say that it is there."""


@dataclass(frozen=True)
class AppView:
    """``live`` is the release that should answer on this node; None when none should.

    ``busy``: its workflow is at work, or was a moment ago, when the inventory was taken.
    ``repairing``: a repair that was asked for lately is what is at work.
    ``repaired``: a repair has ended lately; if it needs another, others come first.
    ``repair_failed``: that one failed; another one would only fail again.
    """

    live: int | None
    busy: bool = False
    repairing: bool = False
    repaired: bool = False
    repair_failed: bool = False


@dataclass(frozen=True)
class View:
    """The records as far as they concern one node: its apps, those it holds things of, the
    deployments (with their apps) that are under way, and the users whose workspace is there."""

    apps: dict[int, AppView] = field(default_factory=dict)
    under_way: frozenset[int] = frozenset()
    app_of: dict[int, int] = field(default_factory=dict)
    workspaces: frozenset[int] = frozenset()


def reconcile(inventory: Inventory, view: View) -> Reconciliation:
    """What has to be done on the node so that it matches the records."""
    todo = _compare(inventory, view)
    idle = {app_id: replace(app, busy=False) for app_id, app in view.apps.items()}
    # Also a checkout that is under way: who terminates its deployment leaves nobody to remove it.
    all_over = replace(view, apps=idle, under_way=frozenset())
    left = _compare(inventory, all_over) != todo
    return todo.model_copy(update={"look_again": left})


def a_few_at_once(todo: Reconciliation, view: View) -> Reconciliation:
    """With no more repairs than the node has room for; the others are asked for when it has."""
    under_way = sum(app.repairing for app in view.apps.values())
    room = max(REPAIRS_AT_ONCE - under_way, 0)
    if len(todo.repairs) <= room:
        return todo
    in_turn = sorted(todo.repairs, key=lambda repair: view.apps[repair.app_id].repaired)
    return todo.model_copy(update={"repairs": in_turn[:room], "look_again": True})


def _compare(inventory: Inventory, view: View) -> Reconciliation:
    return Reconciliation(
        remove_containers=[
            RemoveInput(app_id=seen.app_id, container=seen.name)
            for seen in inventory.containers
            if _container_is_left_over(seen, view)
        ],
        remove_routes=[seen.app_id for seen in inventory.routes if _route_is_left_over(seen, view)],
        remove_checkouts=[
            DeploymentRef(deployment_id=checkout, app_id=view.app_of.get(checkout, 0))
            for checkout in inventory.checkouts
            if checkout not in view.under_way
        ],
        remove_images=[
            PruneLocalInput(app_id=app_id, repository=repository, keep=[])
            for repository in inventory.images
            if (app_id := app_of_repository(repository)) is not None and app_id not in view.apps
        ],
        remove_workspaces=[user for user in inventory.workspaces if user not in view.workspaces],
        repairs=[
            Repair(app_id=app_id, why=why)
            for app_id, app in sorted(view.apps.items())
            if not app.repair_failed and (why := _missing(inventory, app_id, app)) is not None
        ],
    )


def apps_held(inventory: Inventory) -> set[int]:
    """Apps that the node holds a container, a route or an image of."""
    images = {app_of_repository(repository) for repository in inventory.images}
    return (
        {seen.app_id for seen in inventory.containers}
        | {seen.app_id for seen in inventory.routes}
        | {app_id for app_id in images if app_id is not None}
    )


def nothing_left(
    inventory: Inventory, view: View, todo: Reconciliation, app_id: int, deployment_id: int
) -> bool:
    """Whether an undo that a node owes has been done: nothing of it is there any more."""
    if deployment_id in inventory.checkouts:
        return False
    removed = (
        {given.app_id for given in todo.remove_containers}
        | set(todo.remove_routes)
        | {given.app_id for given in todo.remove_images}
    )
    repaired = {repair.app_id for repair in todo.repairs}
    held = apps_held(inventory)
    app = view.apps.get(app_id)
    at_work = app is not None and app.busy and app_id in held
    return app_id not in removed | repaired and not at_work


def _container_is_left_over(seen: ContainerSeen, view: View) -> bool:
    app = view.apps.get(seen.app_id)
    return app is None or (not app.busy and app.live != seen.release_id)


def _route_is_left_over(seen: RouteSeen, view: View) -> bool:
    app = view.apps.get(seen.app_id)
    return app is None or (not app.busy and app.live is None)


def _missing(inventory: Inventory, app_id: int, app: AppView) -> str | None:
    """What a live app lacks on its node, in words; None when it lacks nothing."""
    if app.live is None or app.busy:
        return None
    container = next(
        (
            seen
            for seen in inventory.containers
            if seen.app_id == app_id and seen.release_id == app.live
        ),
        None,
    )
    if container is None:
        return "its container is missing"
    if not container.running:
        return "its container does not run"
    route = next((seen.target for seen in inventory.routes if seen.app_id == app_id), None)
    if route is None:
        return "its route is missing"
    if route.release_id != app.live or route.address != container.address:
        return "its route leads elsewhere"
    return None
