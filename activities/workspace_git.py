"""Repositories in workspaces. Git runs inside the container, as the user: what their configuration,
hooks and filters do, they do to themselves."""

from __future__ import annotations

import os

from temporalio import activity

from activities.beneath import Folder
from activities.boundary import heartbeating, in_thread, reports_errors
from activities.contracts.base import Confirmed
from activities.contracts.workspace import (
    ENSURE_CHECKOUT,
    REMOVE_CHECKOUT,
    SAVE_WORK,
    CheckoutInput,
    CheckoutRef,
    CheckoutResult,
    Saved,
    SaveWorkInput,
)
from activities.workspace_disk import Disks
from activities.workspace_exec import Done, Execs
from ops.error_codes import ErrorCode
from ops.errors import DiskFull, PlatformError
from ops.gitea import workspace_url
from ops.settings import Settings

APPS = "/workspace/apps"
CLONE_SECONDS = 240.0
SAVE_SECONDS = 50
SAVE_ONE_SECONDS = 20
PUSH_SECONDS = 10
SAVE_GRACE_SECONDS = 3.0
REMOVE_SECONDS = 50.0
ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=5",
}

#: Answers "cloned" or "kept", then the commit. A clone appears whole or not at all.
CHECKOUT_SCRIPT = """
set -eu
folder=$1 draft=$2 url=$3
if [ -d "$folder" ] && [ -n "$(ls -A "$folder")" ]; then
    echo kept
else
    mkdir -p "$(dirname "$folder")"
    rm -rf "$draft"
    git clone --quiet -- "$url" "$draft"
    [ ! -d "$folder" ] || rmdir "$folder"
    mv -T "$draft" "$folder"
    echo cloned
fi
git -C "$folder" rev-parse --quiet --verify HEAD || true
"""

#: In the container, as the user, however deep it is; folders that were made read-only too.
REMOVE_SCRIPT = """
rm -rf -- "$@" 2> /dev/null && exit 0
chmod -R u+rwX -- "$@" 2> /dev/null
rm -rf -- "$@"
"""

#: Saves one repository; 2 when nothing of it is unsaved. The user's branch, index and files stay as
#: they are: another index, made from the user's (with its time, by which Git knows what it has to read
#: again) so that unchanged files are not read. Where all is committed, commits that were never pushed
#: are what there is to lose.
SAVE_ONE_SCRIPT = """
cd "$1" || exit 1
safe() { git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c commit.gpgSign=false "$@"; }
index=$(mktemp) || exit 1
trap 'rm -f "$index"' EXIT
trap 'exit 1' TERM
real=$(safe rev-parse --git-path index)
if [ -f "$real" ]; then cp -p "$real" "$index"; else rm -f "$index"; fi
export GIT_INDEX_FILE=$index
safe add --all -- . ':(exclude,glob)**/node_modules/**' || exit 1
tree=$(safe write-tree) || exit 1
head=$(safe rev-parse --quiet --verify HEAD) || head=
last=refs/studio/autosave
if [ -n "$head" ] && [ "$tree" = "$(safe rev-parse "$head^{tree}")" ]; then
    [ -n "$(safe rev-list -n 1 "$head" --not --remotes "--glob=$last")" ] || exit 2
    commit=$head
else
    [ -n "$head" ] || [ -n "$(safe ls-files | head -n 1)" ] || exit 2
    [ "$tree $head" != "$(safe rev-parse --quiet --verify "$last^{tree}") $(
        safe rev-parse --quiet --verify "$last^")" ] || exit 2
    commit=$(safe commit-tree ${head:+-p "$head"} -m "Saved when the workspace stopped" "$tree") \
        || exit 1
fi
timeout "$2" git -c core.hooksPath=/dev/null push --quiet --no-verify origin \
    "+$commit:refs/heads/studio/autosave" || exit 1
safe update-ref "$last" "$commit"
"""

#: A line a repository: "saved APP" or "failed APP". The app that is open comes first, and none takes
#: the time of all: apps, the open one, seconds in all, seconds each, seconds a push, the script.
SAVE_SCRIPT = """
cd "$1" || exit 0
current=$2 each=$4 push=$5 script=$6
end=$(($(date +%s) + $3))
save() {
    [ -d "$1/.git" ] || return 0
    left=$((end - $(date +%s)))
    [ "$left" -le "$each" ] || left=$each
    [ "$left" -gt 0 ] || { echo "failed $1"; return 0; }
    timeout --kill-after=1 "$left" sh -c "$script" save "$1" "$push" > /dev/null
    case $? in
        0) echo "saved $1" ;;
        2) ;;
        *) echo "failed $1" ;;
    esac
}
save "$current"
for git in */.git; do
    [ "${git%/.git}" = "$current" ] || save "${git%/.git}"
done
"""


class WorkspaceGit:
    def __init__(self, settings: Settings, disks: Disks, execs: Execs) -> None:
        self._settings = settings
        self._disks = disks
        self._execs = execs

    @activity.defn(name=ENSURE_CHECKOUT.name)
    @reports_errors
    async def ensure_checkout(self, given: CheckoutInput) -> CheckoutResult:
        """A folder that holds anything is the user's: nothing in it is touched."""
        async with heartbeating():
            if await in_thread(self._is_kept, given):
                return CheckoutResult(cloned=False)
            done = await self._execs.run(
                given.user_id,
                checkout_argv(given.app_id, workspace_url(self._settings, given.repository)),
                env=ENVIRONMENT,
                seconds=CLONE_SECONDS,
            )
            if done.exit_code != 0:
                await self._explain(given.user_id, done)
        what, _, commit = done.stdout.decode(errors="replace").partition("\n")
        return CheckoutResult(cloned=what == "cloned", commit=commit.strip())

    def _is_kept(self, given: CheckoutInput) -> bool:
        """Seen from outside: most openings are of an app that was opened before."""
        try:
            with (
                Folder.at(self._disks.path(given.user_id)) as disk,
                disk.folder(f"apps/{given.app_id}") as folder,
            ):
                return bool(os.listdir(folder.fd))
        except OSError:
            return False

    async def _explain(self, user_id: int, done: Done) -> None:
        if await in_thread(self._disks.is_full, user_id):
            raise DiskFull(
                "there is no room for the repository on your workspace's disk",
                code=ErrorCode.DISK_FULL,
                hint="delete what you do not need (node_modules of other apps, for example)",
            )
        raise PlatformError(
            "the repository could not be cloned into the workspace",
            hint="it is tried again by itself",
            log_tail=done.said.splitlines()[-5:],
        )

    @activity.defn(name=REMOVE_CHECKOUT.name)
    @reports_errors
    async def remove_checkout(self, given: CheckoutRef) -> Confirmed:
        async with heartbeating():
            done = await self._execs.run(
                given.user_id, remove_argv(given.app_id), seconds=REMOVE_SECONDS
            )
        if done.exit_code != 0:
            raise PlatformError(
                f"the folder of app {given.app_id} could not be removed from the workspace",
                log_tail=done.said.splitlines()[-5:],
            )
        return Confirmed(gone=[f"folder of app {given.app_id} in the workspace"])

    @activity.defn(name=SAVE_WORK.name)
    @reports_errors
    async def save_work(self, given: SaveWorkInput) -> Saved:
        """Pushes what is nowhere else to ``studio/autosave``, which only ever holds the latest."""
        async with heartbeating():
            done = await self._execs.run(
                given.user_id,
                save_argv(given.app_id),
                env=ENVIRONMENT,
                seconds=SAVE_SECONDS + SAVE_GRACE_SECONDS,
            )
        return saved(done.stdout.decode(errors="replace"))


def checkout_argv(app_id: int, url: str, apps: str = APPS) -> list[str]:
    return [
        "sh",
        "-c",
        CHECKOUT_SCRIPT,
        "checkout",
        f"{apps}/{app_id}",
        f"{apps}/.{app_id}.new",
        url,
    ]


def remove_argv(app_id: int, apps: str = APPS) -> list[str]:
    """The folder, and a clone of it that was cut short."""
    return removal_argv(f"{apps}/{app_id}", f"{apps}/.{app_id}.new")


def removal_argv(*folders: str) -> list[str]:
    return ["sh", "-c", REMOVE_SCRIPT, "remove", *folders]


def save_argv(
    current: int | None,
    apps: str = APPS,
    *,
    seconds: int = SAVE_SECONDS,
    each: int = SAVE_ONE_SECONDS,
    push: int = PUSH_SECONDS,
) -> list[str]:
    limits = [str(number) for number in (seconds, each, push)]
    open_one = "" if current is None else str(current)
    return ["sh", "-c", SAVE_SCRIPT, "save", apps, open_one, *limits, SAVE_ONE_SCRIPT]


def saved(output: str) -> Saved:
    """What the script said; whatever else is in its output was put there by the user's own Git."""
    lines = [line.split(" ", 1) for line in output.splitlines()]
    named: dict[str, list[str]] = {"saved": [], "failed": []}
    for line in lines:
        if len(line) == 2 and line[0] in named:
            named[line[0]].append(f"app {line[1]}")
    return Saved(saved=named["saved"], failed=named["failed"])
