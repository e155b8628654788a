"""The API's own description: complete, consistent, and the same for every endpoint."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel

from activities.contracts.nodes import Figures
from api.entry.app import create_app
from api.entry.examples import add_examples
from api.entry.fields import Given, Taken
from api.entry.problems import FieldError, Problem
from ops.errors import ErrorReport
from ops.settings import Settings

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings(), serve_metrics=False).openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def test_every_reference_has_its_schema(document: dict[str, Any]) -> None:
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert referred <= set(document["components"]["schemas"])


def test_internal_paths_are_not_described(document: dict[str, Any]) -> None:
    assert [path for path in document["paths"] if not path.startswith("/api/")] == []


def test_all_but_a_few_need_a_sign_in_and_say_so(document: dict[str, Any]) -> None:
    open_to_all = {
        "/api/auth/register",
        "/api/auth/login",
        "/api/account-deletion",
        "/api/templates",
        "/api/health/live",
        "/api/health/ready",
    }
    by_other_credentials = {"/api/auth/login", "/api/account-deletion"}
    for path, method, operation in operations(document):
        asks = path not in open_to_all or path in by_other_credentials
        assert ("401" in operation["responses"]) == asks, f"{method} {path}"
        assert ("security" in operation) == (path not in open_to_all), f"{method} {path}"


def test_writes_can_be_refused_by_origin(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if method != "get":
            assert "403" in operation["responses"], f"{method} {path}"


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], f"{method} {path}"


def test_every_operation_can_meet_a_fault_of_ours(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert "500" in operation["responses"], f"{method} {path}"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("put", "/api/workspace/files/upload", "429"),
        ("post", "/api/workspace/files/archive", "429"),
        ("get", "/api/workspace/run/log", "429"),
        ("post", "/api/workspace/open", "507"),
        ("post", "/api/workspace/run", "507"),
        ("post", "/api/workspace/code", "507"),
    ],
)
def test_limits_and_full_disks_are_told(
    document: dict[str, Any], method: str, path: str, status: str
) -> None:
    """What a workspace's host refuses, whoever passes it on."""
    assert status in document["paths"][path][method]["responses"]


def models_of(kind: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """All models that are loaded, by the names that the document has of those of this API."""
    found: dict[str, type[BaseModel]] = {}
    for one in kind.__subclasses__():
        found |= {one.__name__: one} | models_of(one)
    return found


def test_every_model_has_an_example_that_it_takes(document: dict[str, Any]) -> None:
    models = models_of(Taken) | models_of(Given)
    models |= {one.__name__: one for one in (ErrorReport, Figures, FieldError, Problem)}
    schemas = document["components"]["schemas"]
    described = {name for name, schema in schemas.items() if "properties" in schema}
    assert described <= set(models)
    for name in sorted(described):
        (example, *_) = schemas[name]["examples"]
        assert set(schemas[name].get("required", [])) <= set(example), name
        models[name].model_validate(example)


def test_examples_are_of_one_story(document: dict[str, Any]) -> None:
    """The same app, with what it has; and no failure where it has succeeded."""
    schemas = document["components"]["schemas"]
    app, deployment = (schemas[name]["examples"][0] for name in ("AppOut", "DeploymentOut"))
    assert deployment["app_id"] == app["id"]
    assert deployment["id"] == app["live_deployment"]
    assert (app["status"], deployment["status"]) == ("LIVE", "SUCCEEDED")
    assert deployment["error"] is None
    assert app["import_error"] is None


def test_a_field_without_an_example_is_named() -> None:
    schemas: dict[str, Any] = {"Shop": {"properties": {"owner": {"type": "string"}}}}
    with pytest.raises(LookupError, match=r"Shop\.owner"):
        add_examples(schemas)


def test_names_of_operations_are_unique(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "path",
    [
        "/api/auth/tokens",
        "/api/auth/password",
        "/api/me",
        "/api/apps",
        "/api/apps/{app_id}",
        "/api/apps/{app_id}/env",
        "/api/apps/{app_id}/commits",
        "/api/apps/{app_id}/deployments",
        "/api/apps/{app_id}/rollback",
        "/api/apps/{app_id}/start",
        "/api/apps/{app_id}/stop",
        "/api/apps/{app_id}/logs",
        "/api/apps/{app_id}/metrics",
        "/api/apps/{app_id}/changes",
        "/api/deployments/{deployment_id}/changes",
        "/api/admin/nodes/{node_id}/figures",
        "/api/admin/nodes/{node_id}/placements",
        "/api/admin/workspaces",
        "/api/admin/doctor",
        "/api/apps/{app_id}/data/collections",
        "/api/apps/{app_id}/data/documents",
        "/api/deployments/{deployment_id}",
        "/api/deployments/{deployment_id}/events",
        "/api/deployments/{deployment_id}/log",
        "/api/deployments/{deployment_id}/cancel",
        "/api/deployments/{deployment_id}/retry",
        "/api/ssh-keys",
        "/api/nodes",
        "/api/nodes/{node_id}/drain",
        "/api/nodes/{node_id}/undrain",
        "/api/admin/deployments",
        "/api/workspace",
        "/api/workspace/open",
        "/api/workspace/close",
        "/api/workspace/run",
        "/api/workspace/preview-ticket",
        "/api/workspace/run/log",
        "/api/workspace/files/tree",
        "/api/workspace/files/content",
        "/api/workspace/files/mkdir",
        "/api/workspace/files/move",
        "/api/workspace/files/delete",
        "/api/workspace/files/upload",
        "/api/workspace/files/download",
        "/api/workspace/files/archive",
        "/api/workspace/files/search",
        "/api/workspace/files/watch",
        "/api/workspace/git/status",
        "/api/workspace/git/diff",
        "/api/workspace/git/log",
        "/api/workspace/git/commit",
        "/api/workspace/git/push",
        "/api/workspace/git/pull",
        "/api/workspace/git/restore",
        "/api/workspace/git/discard",
    ],
)
def test_the_endpoints_are_there(document: dict[str, Any], path: str) -> None:
    assert path in document["paths"]
