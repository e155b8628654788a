"""A node compared with the records: leftovers go, what is missing is repaired, the rest is left."""

from __future__ import annotations

from datetime import timedelta

from activities.contracts.base import DeploymentRef
from activities.contracts.nodes import ContainerSeen, Inventory, Reconciliation, Repair, RouteSeen
from activities.contracts.runtime import PruneLocalInput, RemoveInput, RouteTarget
from activities.nodes_control import REPAIR_TAKES, NodeRecords
from activities.reconcile import (
    REPAIRS_AT_ONCE,
    AppView,
    View,
    a_few_at_once,
    nothing_left,
    reconcile,
)
from ops.db.tables import App, Deployment, OwedUndoRow, now
from ops.settings import Settings
from tests.support.memory import RecordsInMemory

ADDRESS = "172.28.0.10"
NOTHING = Reconciliation()
LATER = Reconciliation(look_again=True)


def container(
    app_id: int, release_id: int, *, running: bool = True, address: str = ADDRESS
) -> ContainerSeen:
    return ContainerSeen(
        name=f"app-{app_id}-{release_id}",
        app_id=app_id,
        release_id=release_id,
        running=running,
        address=address,
    )


def route(app_id: int, release_id: int, address: str = ADDRESS) -> RouteSeen:
    target = RouteTarget(release_id=release_id, address=address, port=3000)
    return RouteSeen(app_id=app_id, target=target)


def node(*containers: ContainerSeen, routes: list[RouteSeen] | None = None) -> Inventory:
    return Inventory(node_id="runtime-102", containers=list(containers), routes=routes or [])


def removed(app_id: int, release_id: int) -> RemoveInput:
    return RemoveInput(app_id=app_id, container=f"app-{app_id}-{release_id}")


def test_a_node_that_matches_is_left_alone() -> None:
    view = View(apps={1: AppView(live=5)})
    assert reconcile(node(container(1, 5), routes=[route(1, 5)]), view) == NOTHING


def test_what_belongs_to_no_record_goes() -> None:
    todo = reconcile(node(container(1, 5), routes=[route(1, 5)]), View())
    assert todo == Reconciliation(remove_containers=[removed(1, 5)], remove_routes=[1])


def test_an_ended_deployment_that_is_not_live_leaves_nothing() -> None:
    view = View(apps={1: AppView(live=5)})
    seen = node(container(1, 5), container(1, 4), routes=[route(1, 5)])
    assert reconcile(seen, view) == Reconciliation(remove_containers=[removed(1, 4)])


def test_a_stopped_app_has_neither_container_nor_route() -> None:
    view = View(apps={1: AppView(live=None)})
    todo = reconcile(node(container(1, 5), routes=[route(1, 5)]), view)
    assert todo == Reconciliation(remove_containers=[removed(1, 5)], remove_routes=[1])


def test_a_busy_app_is_left_to_its_workflow() -> None:
    seen = node(container(1, 5), container(1, 6), routes=[route(1, 5)])
    assert reconcile(seen, View(apps={1: AppView(live=4, busy=True)})) == LATER
    assert reconcile(node(), View(apps={1: AppView(live=4, busy=True)})) == LATER


def test_what_a_live_app_lacks_is_repaired() -> None:
    view = View(apps={1: AppView(live=5)})
    cases = {
        "its container is missing": node(routes=[route(1, 5)]),
        "its container does not run": node(container(1, 5, running=False), routes=[route(1, 5)]),
        "its route is missing": node(container(1, 5)),
        "its route leads elsewhere": node(container(1, 5), routes=[route(1, 4)]),
    }
    for why, seen in cases.items():
        assert reconcile(seen, view).repairs == [Repair(app_id=1, why=why)]
    moved = node(container(1, 5, address="172.28.0.99"), routes=[route(1, 5)])
    assert reconcile(moved, view).repairs == [Repair(app_id=1, why="its route leads elsewhere")]
    unreadable = node(container(1, 5), routes=[RouteSeen(app_id=1, target=None)])
    assert reconcile(unreadable, view).repairs == [Repair(app_id=1, why="its route is missing")]


def test_a_repair_that_failed_lately_is_not_asked_for_again() -> None:
    view = View(apps={1: AppView(live=5, repair_failed=True)})
    assert reconcile(node(), view) == NOTHING


def test_checkouts_go_with_their_deployments() -> None:
    seen = Inventory(node_id="runner-101", checkouts=[7, 8, 9])
    view = View(under_way=frozenset({8}), app_of={7: 1, 8: 1})
    assert reconcile(seen, view).remove_checkouts == [
        DeploymentRef(deployment_id=7, app_id=1),
        DeploymentRef(deployment_id=9, app_id=0),
    ]


def test_a_checkout_that_is_under_way_stays_and_is_looked_at_again() -> None:
    seen = Inventory(node_id="runner-101", checkouts=[8])
    assert reconcile(seen, View(under_way=frozenset({8}), app_of={8: 1})) == LATER


def test_images_of_apps_without_a_record_go() -> None:
    view = View(apps={1: AppView(live=5)})
    seen = node(container(1, 5), routes=[route(1, 5)]).model_copy(
        update={"images": ["u1-app1", "u1-app2", "somebody-elses"]}
    )
    gone = PruneLocalInput(app_id=2, repository="u1-app2", keep=[])
    assert reconcile(seen, view) == Reconciliation(remove_images=[gone])


def test_an_owed_undo_is_done_when_nothing_of_it_is_left() -> None:
    def done(seen: Inventory, view: View) -> bool:
        return nothing_left(seen, view, reconcile(seen, view), app_id=1, deployment_id=7)

    live = View(apps={1: AppView(live=5)})
    assert done(node(), View())
    assert not done(node(container(1, 7)), View())
    assert not done(node(container(1, 5), container(1, 7), routes=[route(1, 5)]), live)
    assert not done(node(container(1, 5), routes=[route(1, 7)]), live)
    assert done(node(container(1, 5), routes=[route(1, 5)]), live)
    assert not done(Inventory(node_id="runner-101", checkouts=[7]), View())
    busy = View(apps={1: AppView(live=5, busy=True)})
    assert not done(node(container(1, 7)), busy)
    assert done(Inventory(node_id="runner-101"), busy)


def test_a_workspace_of_no_record_goes_and_others_stay() -> None:
    seen = Inventory(node_id="workspace-87", workspaces=[1, 2, 3])
    todo = reconcile(seen, View(workspaces=frozenset({1, 3, 4})))
    assert todo == Reconciliation(remove_workspaces=[2])


def test_a_node_that_lost_all_its_apps_gets_them_back_a_few_at_a_time() -> None:
    def asked(view: View) -> list[int]:
        todo = a_few_at_once(reconcile(node(), view), view)
        assert todo.look_again
        return [repair.app_id for repair in todo.repairs]

    lost = {id: AppView(live=5) for id in range(1, 101)}
    first = list(range(1, REPAIRS_AT_ONCE + 1))
    assert asked(View(apps=lost)) == first
    under_way = {id: AppView(live=5, busy=True, repairing=True) for id in first}
    assert asked(View(apps=lost | under_way)) == []
    # What people ask for takes no turn of theirs; one that is lost again and again comes last.
    at_work = {id: AppView(live=5, busy=True) for id in first[1:]}
    again = {1: AppView(live=5, repaired=True)}
    assert asked(View(apps=lost | at_work | again)) == [id + REPAIRS_AT_ONCE for id in first]


def test_few_repairs_are_asked_for_at_once() -> None:
    view = View(apps={id: AppView(live=5) for id in range(REPAIRS_AT_ONCE)})
    todo = reconcile(node(), view)
    assert len(todo.repairs) == REPAIRS_AT_ONCE
    assert a_few_at_once(todo, view) == todo


async def test_a_repair_has_its_turn_for_a_while_and_no_longer() -> None:
    """Read from the records; of what waits for its turn nothing is taken for done."""
    records = RecordsInMemory()
    ids = range(1, 2 * REPAIRS_AT_ONCE + 1)
    for id in ids:
        await records.add(
            App(
                id=id,
                user_id=1,
                name="shop",
                slug=f"shop-{id}",
                node_id="runtime-102",
                live_deployment_id=1,
            )
        )
    await records.add(OwedUndoRow(id=1, node_id="runtime-102", deployment_id=0, app_id=16, what=""))
    nodes = NodeRecords(records, Settings())
    begun = [repair.app_id for repair in (await nodes.reconcile(node())).repairs]
    assert begun == list(ids)[:REPAIRS_AT_ONCE]
    assert (await records.again(OwedUndoRow, 1)).done_at is None
    for id in begun:
        await records.add(Deployment(id=id, app_id=id, user_id=1, kind="repair", status="RUNNING"))
    todo = await nodes.reconcile(node())
    assert (todo.repairs, todo.look_again) == ([], True)
    async with records.session() as session:
        for id in begun:
            row = await session.get(Deployment, id)
            assert row is not None
            row.created_at = now() - REPAIR_TAKES - timedelta(seconds=1)
    todo = await nodes.reconcile(node())
    assert [repair.app_id for repair in todo.repairs] == list(ids)[REPAIRS_AT_ONCE:]
