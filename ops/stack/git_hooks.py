"""What the Git server's git runs at each push to any repository: is there room for it?

Gitea has hooks of its own in each repository, and ``core.hooksPath`` leads git past them: so there
is one of ours for each that Gitea has, and it goes on as Gitea's.
"""

from __future__ import annotations

from pathlib import Path

from ops.settings import Settings
from ops.stack.render import render, write

HOOKS = ("pre-receive", "update", "post-receive", "proc-receive")


def hooks_folder(settings: Settings) -> Path:
    return settings.etc / "git-hooks"


def write_hooks(settings: Settings) -> None:
    text = render("git-hook", megabytes=settings.repository_mb)
    for name in HOOKS:
        write(hooks_folder(settings) / name, text, mode=0o755)
