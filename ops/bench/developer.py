"""A user of the benchmark's own, who develops over the public API as a browser does."""

from __future__ import annotations

import json
import re
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from ops.bench.waiting import WAIT_SECONDS, until
from ops.settings import Settings


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Developer:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.email = f"bench{secrets.token_hex(6)}@bench.example"
        self.password = secrets.token_urlsafe(16)
        self.api = httpx.Client(
            base_url=settings.entry_url,
            headers={"Host": settings.studio_url.partition("//")[2]},
            timeout=WAIT_SECONDS,
            trust_env=False,
        )
        given = {"email": self.email, "password": self.password}
        self.id = int(self.ask("POST", "/api/auth/register", given)["id"])
        token = self.ask("POST", "/api/auth/login", given)["token"]
        self.api.cookies.clear()
        self.api.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, url: str, body: Any = None, /, **params: Any) -> Any:
        answer = self.api.request(method, url, json=body, params=params)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def app(self, template: str) -> int:
        return int(self.ask("POST", "/api/apps", {"name": "bench", "template": template})["id"])

    def open(self, app_id: int) -> None:
        """Until it is RUNNING with the app in it."""
        found = self.ask("POST", "/api/workspace/open", {"app_id": app_id})
        while found["status"] != "RUNNING":
            found = self.ask("POST", "/api/workspace/open", {"app_id": app_id})

    def close(self) -> None:
        self.ask("POST", "/api/workspace/close")

    def run(self, app_id: int, task: str) -> None:
        """Until a server answers through the preview, or the task has ended."""
        self.ask("POST", "/api/workspace/run", {"app_id": app_id, "task": task})
        if task == "dev":
            until(lambda: self.preview().status_code == 200, "the dev server answers")
            return
        until(lambda: self.ask("GET", "/api/workspace/run")["state"] == "SUCCEEDED", task)

    def stop(self) -> None:
        self.ask("DELETE", "/api/workspace/run")

    def write(self, app_id: int, path: str, content: str) -> None:
        self.ask(
            "PUT",
            "/api/workspace/files/content",
            {"content": content},
            app_id=app_id,
            path=path,
        )

    def preview(self, path: str = "") -> httpx.Response:
        return self.api.get(f"/ws/{self.id}/{path}")

    def preview_cookie(self) -> str:
        url = httpx.URL(self.ask("POST", "/api/workspace/preview-ticket")["url"])
        entered = httpx.get(
            self.settings.entry_url + url.raw_path.decode(),
            headers={"Host": url.netloc.decode()},
            trust_env=False,
        )
        return str(entered.headers["set-cookie"].partition(";")[0])

    def hot_reload(self) -> ClientConnection:
        """Vite's own socket, through both hops of the preview."""
        token = re.search(r'wsToken = "([^"]+)"', self.preview("@vite/client").text)
        assert token
        url = self.settings.preview_url(self.id).replace("http", "ws", 1)
        return connect(
            f"{url}?token={token[1]}",
            sock=self._connection(),
            subprotocols=["vite-hmr"],  # type: ignore[list-item]
            additional_headers={"Cookie": self.preview_cookie()},
            proxy=None,
        )

    def terminal(self, app_id: int) -> ClientConnection:
        made = connect(
            f"{self.settings.studio_url.replace('http', 'ws', 1)}/api/workspace/terminal"
            f"?app_id={app_id}",
            sock=self._connection(),
            additional_headers={"Authorization": self.api.headers["Authorization"]},
            proxy=None,
        )
        assert json.loads(made.recv())["session"]
        return made

    def _connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.settings.ports.public))

    def delete(self) -> None:
        self.api.request("DELETE", "/api/me", json={"password": self.password})
        self.api.close()
