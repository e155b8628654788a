"""What of a user and their apps is on this machine: after a deletion, nothing may be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import docker
import httpx
import psycopg
from sqlmodel import SQLModel, text

import ops.db.tables as _tables  # noqa: F401  # the import registers the tables
from ops.db.session import Database
from ops.settings import Settings, read_secret


async def things_of(settings: Settings, user_id: int, app_ids: list[int]) -> dict[str, list[str]]:
    """Everything on this machine that bears the user's or their apps' names."""
    host = await asyncio.to_thread(_on_the_host, settings, user_id, app_ids)
    return host | {"rows": await _rows(settings, user_id)} | await _git(settings, user_id, app_ids)


def _on_the_host(settings: Settings, user_id: int, app_ids: list[int]) -> dict[str, list[str]]:
    engine = docker.DockerClient(base_url=f"unix://{settings.docker_socket}")
    wanted = [{"studio.user": str(user_id)}, *({"studio.app": str(app)} for app in app_ids)]
    try:
        containers = engine.containers.list(
            all=True, filters={"label": [f"studio.platform={settings.platform}"]}
        )
        images = engine.api.images()
    finally:
        engine.close()
    homes = [settings.node_home(node.node_id) for node in settings.nodes]
    names = {f"u-{user_id}", *(f"app-{app}" for app in app_ids)}
    folders = [home / "disks" / f"u-{user_id}" for home in homes]
    return {
        "containers": [
            c.name for c in containers if any(w.items() <= c.labels.items() for w in wanted)
        ],
        "images": [
            tag
            for image in images
            for tag in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]
            if f"/u{user_id}-app" in tag and tag.startswith(settings.registry)
        ],
        "files": [
            str(path)
            for home in homes
            for path in home.glob("*/*")
            if path.name.lstrip(".").partition(".")[0] in names
        ],
        "mounts": [
            line
            for line in Path("/proc/mounts").read_text().splitlines()
            if any(line.split()[1] == str(folder) for folder in folders)
        ],
        "loop devices": [
            str(path)
            for path in Path("/sys/block").glob("loop*/loop/backing_file")
            if any(str(folder) + ".img" in path.read_text() for folder in folders)
        ],
        "processes": _processes([str(home / "agents" / f"u-{user_id}") + "/" for home in homes]),
        "databases": _schemas(settings, app_ids),
    }


def _processes(parts: list[str]) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if any(part in line for part in parts):
            found.append(line)
    return found


def _schemas(settings: Settings, app_ids: list[int]) -> list[str]:
    with psycopg.connect(
        host="127.0.0.1",
        port=settings.ports.postgres,
        dbname="ferretdb",
        user="postgres",
        password=read_secret(settings, "postgres-admin").get_secret_value(),
    ) as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace UNION SELECT rolname FROM pg_roles"
        ).fetchall()
    return [row[0] for row in rows if row[0] in {f"db_{app}" for app in app_ids}]


async def _rows(settings: Settings, user_id: int) -> list[str]:
    """Tables with a row of the user."""
    database = Database.connect(settings)
    found = []
    try:
        async with database.engine.connect() as connection:
            for table in SQLModel.metadata.sorted_tables:
                column = "id" if table.name == "users" else "user_id"
                if column in table.c and table.name != "account_deletions":
                    count = text(f"SELECT COUNT(*) FROM {table.name} WHERE {column} = :user")
                    if (await connection.execute(count, {"user": user_id})).scalar():
                        found.append(table.name)
    finally:
        await database.close()
    return found


async def _git(settings: Settings, user_id: int, app_ids: list[int]) -> dict[str, list[str]]:
    headers = {
        "Authorization": f"token {read_secret(settings, 'gitea-admin-token').get_secret_value()}"
    }
    async with httpx.AsyncClient(
        base_url=f"{settings.gitea_url}/api/v1/", headers=headers, trust_env=False
    ) as git:
        repositories = [f"repos/{settings.git_owner}/u{user_id}-app{app}" for app in app_ids]
        people = [f"users/u{user_id}", f"users/u{user_id}/keys"]
        return {
            name: [path for path in paths if (await git.get(path)).status_code == 200]
            for name, paths in (("repositories", repositories), ("people", people))
        }
