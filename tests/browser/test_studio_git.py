"""What has changed is looked at and discarded; an earlier commit comes back as a new one."""

from __future__ import annotations

import re

from playwright.async_api import Page, Route, expect

from tests.browser.studio import Studio
from tests.browser.support import refusing
from tests.support.user import User, ok
from tests.support.workspace import OpenApp


async def test_a_change_is_looked_at_and_one_is_discarded(page: Page, user: User) -> None:
    app = await user.app({"README.md": "# Mine\n", "menu.txt": "soup\nbread\n"})
    studio = await Studio.opened(page, app.id)
    await studio.open("README.md")
    files = OpenApp(user, app.id)
    for path, text in (("README.md", "# Yours\n"), ("menu.txt", "soup\ncake\n"), ("new.txt", "x")):
        ok(await files.put(path, text))
    await expect(studio.text).to_have_text("# Yours")
    await page.get_by_role("button", name="Changes: 3").click()
    changed = studio.changes.get_by_role("list", name="Changes").get_by_role("listitem")
    await expect(changed).to_have_count(3)

    await changed.filter(has_text="menu.txt").get_by_role("button").first.click()
    # One above the other, as there is no room for both sides.
    gone = page.get_by_role("main").locator(".modified .view-lines.line-delete")
    now = page.get_by_role("main").locator(".modified .view-lines:not(.line-delete)")
    await expect(gone).to_have_text("bread")
    await expect(now).to_have_text("soupcake")
    # It goes on with the file.
    ok(await files.put("menu.txt", "soup\npie\n"))
    await expect(now).to_have_text("souppie")

    async def discarded(name: str) -> None:
        words = f"Discard the changes of {name}"
        await studio.changes.get_by_role("button", name=words).click()
        confirm = page.get_by_role("alertdialog", name=words)
        await confirm.get_by_role("button", name="Discard").click()
        await expect(changed.filter(has_text=name)).to_have_count(0)

    await discarded("README.md")
    await discarded("new.txt")
    await expect(changed).to_have_count(1)
    await expect(now).to_have_text("souppie")
    assert await files.text("README.md") == "# Mine\n"
    assert await files.text("menu.txt") == "soup\npie\n"
    assert (await files.get("files/content", path="new.txt")).status_code == 404
    await studio.tab("README.md").click()
    await expect(studio.text).to_have_text("# Mine")


async def test_an_earlier_commit_comes_back_as_a_new_one(page: Page, user: User) -> None:
    app = await user.app({"menu.txt": "soup\n"})
    first = (await app.git("rev-parse", "HEAD")).strip()
    await app.push({"menu.txt": "cake\n", "later.txt": "x"}, message="Cake for soup")
    studio = await Studio.opened(page, app.id)
    await studio.open("menu.txt")
    await expect(studio.text).to_have_text("cake")
    await page.get_by_role("button", name="Changes").click()
    log = studio.changes.get_by_role("list", name="History").get_by_role("listitem")
    await expect(log).to_have_count(2)

    words = f"Restore {first[:7]}"
    await log.nth(1).get_by_role("button", name=words).click()
    confirm = page.get_by_role("alertdialog", name=words)
    await expect(confirm).to_contain_text("as a new commit")
    await confirm.get_by_role("button", name="Restore").click()
    await expect(log).to_have_count(3)
    await expect(log.nth(0)).to_contain_text("Restore")
    await expect(log.nth(1)).to_contain_text("Cake for soup")
    await expect(studio.text).to_have_text("soup")
    await expect(studio.changes.get_by_text("Nothing has changed")).to_be_visible()

    await studio.changes.get_by_role("button", name="Push 1 commit").click()
    await expect(page.get_by_text("Pushed", exact=True)).to_be_visible()
    await app.git("pull", "-q", "origin", "main")
    assert (await app.git("rev-list", "--count", "HEAD")).strip() == "3"
    assert await app.git("diff", first, "HEAD") == ""


async def test_what_is_deployed_is_the_branch_that_is_worked_on(page: Page, user: User) -> None:
    app = await user.app({"README.md": "# Mine\n"})
    studio = await Studio.opened(page, app.id)
    files = OpenApp(user, app.id)
    await files.shell("git switch -q -c feature")
    ok(await files.put("new.txt", "x"))
    asked: list[str] = []

    # What comes of it is shown elsewhere.
    async def deploys(route: Route) -> None:
        if route.request.method == "POST":
            asked.append((route.request.post_data_json or {})["ref"])
            await refusing(409)(route)
        else:
            await route.continue_()

    await page.route(re.compile(rf"/api/apps/{app.id}/deployments"), deploys)
    await studio.command("Deploy")
    branch = studio.drawer.get_by_label("Branch")
    deploy = studio.drawer.get_by_role("button", name="Deploy", exact=True)
    refusal = studio.drawer.get_by_role("alert")
    await expect(branch).to_have_value("feature")
    await deploy.click()
    await page.get_by_role("button", name="Commit and deploy").click()
    await expect(refusal).to_contain_text("Not possible just now")
    assert asked == ["feature"]
    assert await app.git("ls-remote", "--heads", "origin", "feature")

    # Another one that was typed is none of the workspace's business: nothing is committed for it.
    ok(await files.put("newer.txt", "x"))
    await branch.fill("main")
    await deploy.click()
    await expect(refusal).to_contain_text("Not possible just now")
    await expect(deploy).to_be_enabled()
    assert asked == ["feature", "main"]

    # Where the workspace cannot be looked at, nothing is deployed past it.
    await page.route("**/api/workspace/git/status*", refusing(503))
    await branch.fill("")
    await deploy.click()
    await expect(refusal).to_contain_text("A part of the platform is away")
    assert asked == ["feature", "main"]
