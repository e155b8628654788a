"""Names and ids: whatever the numbers, no two things share one, and each server takes it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities import mongo
from activities.build_folder import local_image
from activities.contracts.runtime import RouteTarget
from activities.routes import Routes
from ops import names
from ops.names import app_of_repository, ids_in, user_of_repository
from ops.settings import Settings
from workflows import ids

#: Small ones too, whose digits could run into each other; and as large as a database counts.
NUMBERS = st.integers(1, 130) | st.integers(1, 10**18 - 1)
NODES = st.sampled_from(
    [node.node_id for node in Settings(workspaces=4, runners=4, runtimes=4).nodes]
)
Make = Callable[..., str]
Named = tuple[Make, tuple[Any, ...]]


def named(*kinds: Make) -> st.SearchStrategy[Named]:
    """One of these functions with arguments for it."""

    def arguments(make: Make) -> st.SearchStrategy[Named]:
        given = inspect.signature(make).parameters
        values = (NODES if name == "node_id" else NUMBERS for name in given)
        return st.tuples(st.just(make), st.tuples(*values))

    return st.one_of(*map(arguments, kinds))


CONTAINERS = named(names.app_container, names.workspace_container, names.import_container)
WORKFLOWS = named(
    ids.deploy_workflow,
    ids.deployment_workflow,
    ids.delete_app_workflow,
    ids.delete_user_workflow,
    ids.import_workflow,
    ids.workspace_workflow,
    ids.node_workflow,
)
QUEUES = named(ids.node_queue, ids.runs_queue)
REPOSITORIES = named(names.app_repository)
DATABASES = named(names.app_database)

DOCKER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
#: Of the image specification: also what Gitea takes.
IMAGE_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
POSTGRES_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
TEMPORAL_ID = re.compile(r"[\x21-\x7e]{1,255}")
HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9-]{1,63})+")


def name_of(thing: Named) -> str:
    make, arguments = thing
    return make(*arguments)


@pytest.mark.parametrize(
    "kind",
    [CONTAINERS, WORKFLOWS, QUEUES, REPOSITORIES, DATABASES],
    ids=["containers", "workflows", "queues", "repositories", "databases"],
)
@given(data=st.data())
def test_no_two_things_share_a_name(kind: st.SearchStrategy[Named], data: st.DataObject) -> None:
    one, other = data.draw(kind), data.draw(kind)
    assert (name_of(one) == name_of(other)) == (one == other)


def test_every_function_of_an_id_is_here() -> None:
    """A new one has to be tried with the others of its kind."""
    made: set[object] = {
        function
        for module in (ids, names)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_")
        and function not in (app_of_repository, user_of_repository, ids_in)
    }
    tried: set[object] = {
        names.app_container,
        names.workspace_container,
        names.import_container,
        names.app_repository,
        names.app_database,
        ids.deploy_workflow,
        ids.deployment_workflow,
        ids.delete_app_workflow,
        ids.delete_user_workflow,
        ids.import_workflow,
        ids.workspace_workflow,
        ids.node_workflow,
        ids.node_queue,
        ids.runs_queue,
    }
    assert made == tried


@given(CONTAINERS)
def test_docker_takes_a_container_by_its_name(thing: Named) -> None:
    prefixed = Settings(name_prefix="a-test-of-names-").name_prefix + name_of(thing)
    assert DOCKER_NAME.fullmatch(prefixed)
    assert len(prefixed) <= 128


@given(NUMBERS, NUMBERS)
def test_git_and_the_registry_take_a_repository_and_it_names_its_app(user: int, app: int) -> None:
    repository = names.app_repository(user, app)
    assert IMAGE_NAME.fullmatch(repository)
    assert len(repository) <= 100
    assert app_of_repository(repository) == app
    assert user_of_repository(repository) == user


@given(NUMBERS)
def test_both_database_servers_take_a_database(app_id: int) -> None:
    database = names.app_database(app_id)
    assert POSTGRES_NAME.fullmatch(database)
    assert mongo._checked(database) == database
    assert len(database) < 64


@given(WORKFLOWS | QUEUES)
def test_temporal_takes_an_id_or_a_queue(thing: Named) -> None:
    assert TEMPORAL_ID.fullmatch(name_of(thing))


@given(WORKFLOWS)
def test_the_id_of_a_workflow_tells_what_it_is_about(thing: Named) -> None:
    make, (about,) = thing
    (parameter,) = inspect.signature(make).parameters
    assert ids_in(make(about)) == {parameter: about}


def test_no_node_has_the_queue_of_control_or_of_all_runners() -> None:
    nodes = Settings(workspaces=4, runners=4, runtimes=4).nodes
    queues = [ids.node_queue(node.node_id) for node in nodes]
    queues += [ids.runs_queue(node.node_id) for node in nodes]
    queues += [ids.CONTROL_QUEUE, ids.RUNNER_QUEUE]
    assert len(queues) == len(set(queues))


@given(app=NUMBERS, other=NUMBERS)
def test_each_app_has_one_route_file_that_traefik_reads(
    tmp_path_factory: pytest.TempPathFactory, app: int, other: int
) -> None:
    home: Path = tmp_path_factory.mktemp("routes")
    routes = Routes(Settings(home=home), "runtime-102")
    targets = {
        number: RouteTarget(release_id=release, address="172.28.0.10", port=3000)
        for release, number in enumerate((app, other), 1)
    }
    for number, target in targets.items():
        routes.write(number, "shop", target)
    assert {seen.app_id: seen.target for seen in routes.all()} == targets
    files = list((home / "data" / "nodes" / "runtime-102" / "routes").iterdir())
    assert {file.name for file in files} == {f"app-{number}.yml" for number in targets}


@given(NUMBERS, NUMBERS)
def test_no_two_users_and_no_two_purposes_share_an_origin(user: int, other: int) -> None:
    settings = Settings()
    hosts = [settings.preview_host(user), settings.code_host(user)]
    hosts += [settings.preview_host(other), settings.code_host(other)] if other != user else []
    assert len(hosts) == len(set(hosts))
    assert all(HOST.fullmatch(host) for host in hosts)


@given(NODES, NUMBERS, NODES, NUMBERS)
def test_nobody_guesses_the_image_that_a_build_keeps(
    tmp_path_factory: pytest.TempPathFactory,
    node: str,
    deployment: int,
    other_node: str,
    other: int,
) -> None:
    settings = Settings(home=tmp_path_factory.mktemp("images"))
    settings.secrets.mkdir()
    for name in {node, other_node}:
        (settings.secrets / f"node-{name}").write_text(f"token of {name}\n")
    image = local_image(settings, node, deployment)
    repository, _, tag = image.partition(":")
    assert all(IMAGE_NAME.fullmatch(part) for part in repository.split("/"))
    assert tag == "latest"
    same = (node, deployment) == (other_node, other)
    assert (local_image(settings, other_node, other) == image) == same
