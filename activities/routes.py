"""The gateway switch: one file per app in the folder that this node's Traefik watches.

A file is written by a serializer from a typed model (one file that does not parse would freeze
every app's changes), beside that folder, then renamed into it. A draft within it would be news for
Traefik, which waits for 50 ms after each before it looks at the next.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from temporalio import activity

from activities.boundary import reports_errors
from activities.contracts.base import Confirmed
from activities.contracts.nodes import REMOVE_ROUTE, RouteSeen
from activities.contracts.runtime import SWITCH_ROUTE, RouteRef, RouteTarget, SwitchInput
from ops.settings import Settings

RELEASE_HEADER = "X-Studio-Release"
CONNECT_ATTEMPTS = 3
"""A request that could not be handed to the container (none was written to it) is tried again for
about 0.5 s; by then the route leads elsewhere, if the container died in its soak."""

_FILE = re.compile(r"^app-(\d{1,18})\.yml$")


def render(app_id: int, host: str, target: RouteTarget) -> dict[str, Any]:
    """Traefik's dynamic configuration of one app."""
    name = f"app-{app_id}"
    retry = f"{name}-retry"
    return {
        "http": {
            "routers": {
                name: {
                    "rule": f"Host(`{host}`)",
                    "service": name,
                    "middlewares": [name, retry],
                }
            },
            "services": {
                name: {
                    "loadBalancer": {
                        "servers": [{"url": f"http://{target.address}:{target.port}"}],
                        "passHostHeader": True,
                    }
                }
            },
            "middlewares": {
                name: {
                    "headers": {"customResponseHeaders": {RELEASE_HEADER: str(target.release_id)}}
                },
                retry: {"retry": {"attempts": CONNECT_ATTEMPTS, "initialInterval": "100ms"}},
            },
        }
    }


def parse(document: Any) -> RouteTarget | None:
    """The target of a route file; None when it is not one of ours."""
    try:
        http = document["http"]
        (service,) = http["services"].values()
        (middleware,) = (one for one in http["middlewares"].values() if "headers" in one)
        address, port = service["loadBalancer"]["servers"][0]["url"][len("http://") :].split(":")
        release = middleware["headers"]["customResponseHeaders"][RELEASE_HEADER]
        return RouteTarget(release_id=int(release), address=address, port=int(port))
    except (KeyError, TypeError, ValueError, IndexError, ValidationError):
        return None


class Routes:
    """Owner of a runtime node's route files."""

    def __init__(self, settings: Settings, node_id: str) -> None:
        self._settings = settings
        self._folder = settings.node_home(node_id) / "routes"
        self._folder.mkdir(parents=True, exist_ok=True)

    def _file(self, app_id: int) -> Path:
        return self._folder / f"app-{app_id}.yml"

    def _draft(self, app_id: int) -> Path:
        return self._folder.parent / f"app-{app_id}.route"

    def current(self, app_id: int) -> RouteTarget | None:
        try:
            return parse(yaml.load(self._file(app_id).read_text(), yaml.CSafeLoader))
        except (FileNotFoundError, yaml.YAMLError):
            return None

    def all(self) -> list[RouteSeen]:
        seen = []
        for path in sorted(self._folder.iterdir()):
            if match := _FILE.match(path.name):
                app_id = int(match.group(1))
                seen.append(RouteSeen(app_id=app_id, target=self.current(app_id)))
        return seen

    def write(self, app_id: int, slug: str, target: RouteTarget) -> None:
        document = render(app_id, self._settings.app_host(slug), target)
        draft = self._draft(app_id)
        with draft.open("w") as out:
            yaml.dump(document, out, yaml.CSafeDumper)
            out.flush()
            os.fsync(out.fileno())
        draft.rename(self._file(app_id))

    def remove(self, app_id: int) -> None:
        """And a draft that a killed worker has left."""
        self._file(app_id).unlink(missing_ok=True)
        self._draft(app_id).unlink(missing_ok=True)

    @activity.defn(name=SWITCH_ROUTE.name)
    @reports_errors
    async def switch_route(self, given: SwitchInput) -> None:
        if given.target is None:
            self.remove(given.app_id)
        elif self.current(given.app_id) != given.target:
            self.write(given.app_id, given.slug, given.target)

    @activity.defn(name=REMOVE_ROUTE.name)
    @reports_errors
    async def remove_route(self, given: RouteRef) -> Confirmed:
        self.remove(given.app_id)
        return Confirmed(gone=[f"route app-{given.app_id}"])
