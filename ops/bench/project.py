"""The small Express app that both sides of the benchmark deploy, in a local and a platform repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ops.settings import Settings, read_secret

SAMPLE = Path(__file__).parents[1] / "samples" / "express-api"
DOCKERFILE = """FROM node:24-bookworm-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev
COPY . ./
USER 1000
CMD ["node", "server.js"]
"""


class Project:
    """A work tree whose ``main`` both sides clone; ``change`` edits one line and commits."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self.folder = folder
        self._changes = 0
        shutil.copytree(SAMPLE, folder)
        (folder / "Dockerfile").write_text(DOCKERFILE)
        self._git("init", "-q", "-b", "main")
        self.change()

    def change(self) -> None:
        self._changes += 1
        (self.folder / "changed.js").write_text(f"module.exports = {self._changes};\n")
        self._git("add", "-A")
        self._git("commit", "-q", "-m", f"change {self._changes}")

    def push(self, repository: str) -> None:
        """Push to the platform's Git server, as its own service account."""
        owner = self._settings.git_owner
        url = f"{self._settings.gitea_url}/{owner}/{repository}.git"
        self._git("push", "-q", "--force", url, "HEAD:main")

    def _git(self, *words: str) -> None:
        token = read_secret(self._settings, "gitea-admin-token").get_secret_value()
        subprocess.run(
            ["git", "-C", self.folder, *words],
            check=True,
            stderr=subprocess.DEVNULL,
            env=os.environ
            | {
                "GIT_AUTHOR_NAME": "bench",
                "GIT_AUTHOR_EMAIL": "bench@studio.example",
                "GIT_COMMITTER_NAME": "bench",
                "GIT_COMMITTER_EMAIL": "bench@studio.example",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "http.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: token {token}",
            },
        )
