"""Gitea's owner organisation and service accounts, with their tokens as secrets."""

from __future__ import annotations

import re
import secrets as random

import httpx

from ops.errors import PlatformError
from ops.settings import Settings, read_secret
from ops.stack.programs import git_user
from ops.stack.secretfiles import put
from ops.stack.shell import clean_environment, run

ADMIN = "studio-admin"
RUNNER = "studio-runner"
TEAM = "runners"


def ensure_gitea_accounts(settings: Settings) -> None:
    """An administrator for the platform, and a user that can only read the owner's repositories."""
    if not (settings.secrets / "gitea-admin-token").exists():
        if ADMIN not in _users(settings):
            _create_user(settings, ADMIN, "--admin")
        put(settings.secrets / "gitea-admin-token", _token(settings, ADMIN, "all"))
    with _client(settings) as client:
        if client.get(f"/orgs/{settings.git_owner}").status_code == 404:
            organisation = {"username": settings.git_owner, "visibility": "private"}
            _ok(client.post("/orgs", json=organisation))
        if client.get(f"/users/{RUNNER}").status_code == 404:
            _create_user(settings, RUNNER, "--restricted")
        teams = _ok(client.get(f"/orgs/{settings.git_owner}/teams")).json()
        team = next((team for team in teams if team["name"] == TEAM), None)
        if team is None:
            wanted = {
                "name": TEAM,
                "permission": "read",
                "includes_all_repositories": True,
                "can_create_org_repo": False,
                "units": ["repo.code"],
                "units_map": {"repo.code": "read"},
            }
            team = _ok(client.post(f"/orgs/{settings.git_owner}/teams", json=wanted)).json()
        _ok(client.put(f"/teams/{team['id']}/members/{RUNNER}"))
    if not (settings.secrets / "gitea-runner-token").exists():
        token = _token(settings, RUNNER, "read:repository")
        put(settings.secrets / "gitea-runner-token", token)


def _client(settings: Settings) -> httpx.Client:
    token = read_secret(settings, "gitea-admin-token").get_secret_value()
    return httpx.Client(
        base_url=f"{settings.gitea_url}/api/v1",
        headers={"Authorization": f"token {token}"},
        timeout=20,
        trust_env=False,
    )


def _ok(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise PlatformError(
            f"Gitea answered {answer.status_code} to {answer.request.url.path}",
            log_tail=[answer.text[:300]],
        )
    return answer


def _gitea(settings: Settings, *args: str) -> str:
    home = settings.data / "gitea"
    return run(
        [
            settings.tools_bin / "gitea",
            "--config",
            settings.etc / "gitea.ini",
            "admin",
            "user",
            *args,
        ],
        user=git_user(settings),
        cwd=home,
        env=clean_environment(HOME=str(home), USER=git_user(settings), GITEA_WORK_DIR=str(home)),
    )


def _users(settings: Settings) -> set[str]:
    lines = _gitea(settings, "list").splitlines()
    return {line.split()[1] for line in lines[1:] if len(line.split()) > 1}


def _create_user(settings: Settings, name: str, *flags: str) -> None:
    """With a random password that nobody learns: these accounts act by token only."""
    _gitea(
        settings,
        "create",
        f"--username={name}",
        f"--email={name}@studio.invalid",
        "--random-password",
        "--must-change-password=false",
        *flags,
    )


def _token(settings: Settings, user: str, scopes: str) -> str:
    """A new token; its name is unique, since an earlier one may have been made and then lost."""
    name = f"studio-{random.token_hex(4)}"
    answer = _gitea(
        settings,
        "generate-access-token",
        f"--username={user}",
        f"--token-name={name}",
        f"--scopes={scopes}",
        "--raw",
    )
    return token_in(answer)


def token_in(output: str) -> str:
    """The token in what Gitea's command prints, which writes its log there too, at any moment.

    Raises PlatformError where there is none, or more than one.
    """
    found = re.findall(r"^[0-9a-f]{40}$", output, re.MULTILINE)
    if len(found) != 1:
        raise PlatformError(f"Gitea's command printed {len(found)} tokens", hint="repeat ops/up")
    return str(found[0])
