"""An app is made in the page from what somebody has already: a zip, or a public Git repository."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support import git_server
from tests.support.apps import zipped
from tests.support.platform import Platform
from tests.support.user import App, User, ok

UPLOAD_BYTES = 1024 * 1024
BYTES_A_SECOND = 1024 * 1024
IMPORT_MS = 60_000


async def asked_for(page: Page, source: str) -> Locator:
    await page.goto("/apps")
    await page.get_by_role("button", name="New app").click()
    dialog = page.get_by_role("dialog", name="New app")
    await dialog.get_by_role("button", name=source).click()
    return dialog


async def only_app(user: User) -> App:
    (made,) = ok(await user.api.get("/api/apps"))
    return App(user, made)


async def test_from_a_zip(page: Page, user: User, tmp_path: Path) -> None:
    """On a line so slow that there is something to be told meanwhile."""
    packed = tmp_path / "Shop front.zip"
    packed.write_bytes(
        zipped({"index.html": "packed", "deep/b.txt": "b", "blob": os.urandom(UPLOAD_BYTES)})
    )
    dialog = await asked_for(page, "Zip file")
    create = dialog.get_by_role("button", name="Create app")
    await create.click()
    field = dialog.get_by_label("Zip file")
    await expect(field).to_have_accessible_description("Choose a file")

    # What is no zip is refused beside the field, and no app is left of it.
    (tmp_path / "no.zip").write_bytes(b"no archive")
    await field.set_input_files(tmp_path / "no.zip")
    await expect(dialog.get_by_label("Name")).to_have_value("no")
    await create.click()
    await expect(field).to_have_accessible_description("This is no zip archive that can be read.")
    await expect(dialog.get_by_role("progressbar")).to_have_count(0)

    await dialog.get_by_label("Name").fill("")
    await field.set_input_files(packed)
    await expect(dialog.get_by_label("Name")).to_have_value("Shop front")
    line = await page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1}
    await line.send("Network.enable")
    await line.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": BYTES_A_SECOND})
    await create.click()
    progress = dialog.get_by_role("progressbar", name="Sending")
    await expect(progress).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_disabled()
    await expect(page.get_by_role("heading", name="Shop front")).to_be_visible(timeout=IMPORT_MS)
    await expect(page.get_by_text("Not deployed yet")).to_be_visible()
    app = await only_app(user)
    await app.push({})
    assert (app.tree / "deep" / "b.txt").read_text() == "b"
    assert (app.tree / "blob").stat().st_size == UPLOAD_BYTES


@pytest.fixture(scope="module")
def server(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if platform.settings.import_ca is None:
        pytest.skip("the platform trusts no Git server of the tests' own")
    folder = tmp_path_factory.mktemp("git")
    git_server.make_trusted(platform.settings.import_ca, folder)
    git_server.publish(folder, "shop", {"index.html": b"from elsewhere"})
    with git_server.serving(folder) as url:
        yield url


async def test_from_a_git_repository(page: Page, user: User, server: str) -> None:
    dialog = await asked_for(page, "Git address")
    await dialog.get_by_label("Name").fill("Shop")
    address = dialog.get_by_label("Address of a public repository")
    await address.fill("git@example.org:ada/shop.git")
    await page.keyboard.press("Enter")
    await expect(address).to_have_attribute("aria-invalid", "true")

    # Its server takes its time, and the page says what it waits for.
    await address.fill(f"{server}/slow/shop.git")
    await page.keyboard.press("Enter")
    fetching = page.get_by_role("status").filter(has_text=f"{server}/slow/shop.git")
    await expect(fetching).to_be_visible()
    await expect(page.get_by_role("heading", name="Shop")).to_be_visible()
    await expect(fetching).to_have_count(0, timeout=IMPORT_MS)
    await expect(page.get_by_role("alert")).to_have_count(0)
    app = await only_app(user)
    await app.push({})
    assert (app.tree / "index.html").read_text() == "from elsewhere"
