"""Git of a workspace: the user's real repository, and somebody's traps in it."""

from __future__ import annotations

from tests.support.user import App, User, ok
from tests.support.workspace import OpenApp

TRAP = """
printf '#!/bin/sh\\nid -u >> /workspace/ran\\n' > /workspace/trap; chmod +x /workspace/trap;
cp /workspace/trap .git/hooks/pre-commit; cp /workspace/trap .git/hooks/post-checkout;
git config core.fsmonitor /workspace/trap; git config filter.x.clean /workspace/trap;
git config diff.external /workspace/trap; echo '*.js filter=x' > .gitattributes
"""


async def other_clone(user: User, app: OpenApp) -> App:
    """The same repository on the user's laptop."""
    (made,) = [a for a in ok(await user.api.get("/api/apps")) if a["id"] == app.id]
    laptop = App(user, made)
    await laptop.push({"laptop.txt": "from the laptop\n"}, "from the laptop")
    return laptop


async def test_commit_push_pull_restore_discard(user: User) -> None:
    app = await OpenApp.opened(user, "express-api")
    first = ok(await app.get("git/log"))["commits"][0]["commit"]
    ok(await app.put("server.js", "// changed\n"))
    ok(await app.put("new file.txt", "new\n"))
    status = ok(await app.get("git/status"))
    assert {(f["path"], f["worktree"]) for f in status["files"]} == {
        ("server.js", "M"),
        ("new file.txt", "?"),
    }
    assert "+// changed" in ok(await app.get("git/diff"))["patch"]
    assert (await app.post("git/commit", message="  ")).status_code == 422
    one = ok(await app.post("git/commit", message="only one", paths=["new file.txt"]))["commit"]
    two = ok(await app.post("git/commit", message="-m $(reboot) `id`\n\nbody"))["commit"]
    assert (await app.post("git/commit", message="again")).status_code == 409
    log = ok(await app.get("git/log"))["commits"]
    assert [c["commit"] for c in log] == [two, one, first]
    assert log[0]["subject"] == "-m $(reboot) `id`"
    assert log[0]["email"].endswith("@tests.example")
    assert ok(await app.post("git/push"))["commit"] == two

    await other_clone(user, app)
    ok(await app.put("mine.txt", "mine\n"))
    ok(await app.post("git/commit", message="mine"))
    refused = await app.post("git/push")
    assert refused.status_code == 409
    assert "pull" in refused.json()["hint"]
    diverged = await app.post("git/pull")
    assert diverged.status_code == 409
    assert "1 here, 1 there" in diverged.json()["detail"]
    assert "Success" in await app.shell("git pull -q --rebase && git push -q && echo Success")
    assert await app.text("laptop.txt") == "from the laptop\n"

    restored = ok(await app.post("git/restore", commit=first))["commit"]
    assert "express" in await app.text("server.js")
    assert (await app.get("files/content", path="mine.txt")).status_code == 404
    assert ok(await app.get("git/log"))["commits"][0]["commit"] == restored
    ok(await app.put("server.js", "broken"))
    ok(await app.put("junk/junk", "junk"))
    assert (await app.post("git/restore", commit=two)).status_code == 409
    ok(await app.post("git/discard"), 204)
    assert ok(await app.get("git/status"))["files"] == []
    for commit in ("main", "--all", "0" * 40):
        answer = await app.post("git/restore", commit=commit)
        assert answer.status_code in (404, 422)


async def test_pull_goes_forward(user: User) -> None:
    app = await OpenApp.opened(user, "express-api")
    await other_clone(user, app)
    pulled = ok(await app.post("git/pull"))
    assert pulled["changed"]
    assert await app.text("laptop.txt") == "from the laptop\n"
    assert not ok(await app.post("git/pull"))["changed"]


async def test_what_was_not_committed_is_saved_before_a_workspace_stops(user: User) -> None:
    """To a branch of its own, on the Git server; one's own branch and index stay as they are."""
    app = await OpenApp.opened(user, "express-api")
    laptop = await other_clone(user, app)
    ok(await app.put("mine.txt", "mine\n"))
    ok(await app.put("staged.txt", "staged\n"))
    await app.shell("git add staged.txt")
    look = "git status --porcelain; git rev-parse HEAD; git branch"
    before = await app.shell(look)
    ok(await user.api.post("/api/workspace/close"))

    await laptop.git("fetch", "-q", "origin", "studio/autosave")
    for path, text in (("mine.txt", "mine\n"), ("staged.txt", "staged\n")):
        assert await laptop.git("show", f"FETCH_HEAD:{path}") == text
    ok(await user.api.post("/api/workspace/open", json={"app_id": app.id}))
    assert await app.shell(look) == before


async def test_traps_run_only_in_the_container_as_its_user(user: User) -> None:
    app = await OpenApp.opened(user, "express-api")
    await app.shell(TRAP.strip().replace("\n", " "))
    ok(await app.put("x.js", "x"))
    for what in ("git/status", "git/diff", "git/log", "files/tree"):
        ok(await app.get(what))
    answer = await app.post("git/commit", message="trapped")
    assert answer.status_code in (200, 409)
    ran = set((await app.shell("cat /workspace/ran")).split())
    assert ran == {"1000"}


async def test_a_repository_that_is_none(user: User) -> None:
    app = await OpenApp.opened(user)
    await app.shell("rm -rf .git && ln -s /etc .git")
    assert (await app.get("git/status")).status_code == 404
    assert (await app.post("git/commit", message="x")).status_code == 409
    assert (await app.post("git/push")).status_code == 409
