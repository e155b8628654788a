"""``studio bench page``: the studio in a real browser, medians, in one run."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ops.bench import browser as browsers
from ops.bench.developer import Developer
from ops.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, StorageState

ROUNDS = 7
KEYS = 100
LOG_LINES = 5_000
HOUR_OF_LINES = 360_000
"""A hundred lines a second, for an hour."""
TREE_FILES = 10_000
SOURCE_LINES = 2_000
SCROLL_PIXELS = 40_000
SCROLL_SPEED = 10_000
PATIENCE_MS = 120_000

TEXT = ".pane-editor .view-lines"
PRINTS = """const count = %d
for (let n = 1; n <= count; n += 1) console.log(`line ${n} of ${count}: what an app says`)
"""
BUILDS = '{"scripts": {"dev": "node small.js", "build": "node print.js"}}'
SERVES = "require('http').createServer((q, a) => a.end('hi')).listen(3000)\n"
FILLS = """const fs = require('fs')
fs.mkdirSync('many', {recursive: true})
for (let n = 0; n < %d; n += 1) fs.writeFileSync(`many/file-${String(n).padStart(5, '0')}.js`, '')
"""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scroll:
    """Frames a second while scrolling; milliseconds that 95 of 100 frames did not exceed."""

    per_second: float
    p95_ms: float


@dataclass(frozen=True)
class Memory:
    """Of the page after so many lines of a log: bytes of heap, nodes of the document."""

    lines: int
    heap: int
    nodes: int


@dataclass
class Report:
    """Seconds, compressed bytes, milliseconds, by name."""

    opens: dict[str, float] = field(default_factory=dict)
    loads: dict[str, int] = field(default_factory=dict)
    typing_ms: tuple[float, float] = (0.0, 0.0)
    scrolls: dict[str, Scroll] = field(default_factory=dict)
    memory: list[Memory] = field(default_factory=list)


def run(settings: Settings, say: Say, *, rounds: int = ROUNDS) -> Report:
    """Runs everything once in turn; what it makes it removes. Raises PlatformError without a
    browser."""
    report = Report()
    with browsers.chromium() as browser:
        developer = Developer(settings)
        try:
            bench = _Bench(settings, say, report, rounds, developer, browser)
            bench.loads()
            bench.openings()
            bench.long_log()
            bench.large_tree()
            bench.typing()
        finally:
            developer.delete()
    return report


class _Bench:
    def __init__(
        self,
        settings: Settings,
        say: Say,
        report: Report,
        rounds: int,
        developer: Developer,
        browser: Browser,
    ) -> None:
        self._settings = settings
        self._say = say
        self._report = report
        self._rounds = rounds
        self._developer = developer
        self._browser = browser
        self._app = developer.app("static")
        developer.open(self._app)
        self._state = self._signed_in()

    @contextmanager
    def _window(self, state: StorageState | None) -> Iterator[Page]:
        """A browser that was never here, but for the cookie in ``state``."""
        context = self._browser.new_context(
            base_url=self._settings.studio_url,
            storage_state=state,
            locale="en-US",
            viewport={"width": 1280, "height": 800},
        )
        context.set_default_timeout(PATIENCE_MS)
        try:
            yield context.new_page()
        finally:
            context.close()

    def _signed_in(self) -> StorageState:
        with self._window(None) as page:
            page.goto("/sign-in")
            page.get_by_label("Email").fill(self._developer.email)
            page.get_by_label("Password", exact=True).fill(self._developer.password)
            page.keyboard.press("Enter")
            page.get_by_role("article").first.wait_for()
            return page.context.storage_state()

    def loads(self) -> None:
        """Compressed bytes of a first visit to each of the pages, the editor's apart."""
        self._say("first loads")
        editor = 0
        for name, path, state in (
            ("sign-up", "/sign-up", None),
            ("apps", "/apps", self._state),
            ("studio", f"/studio/{self._app}", self._state),
        ):
            with self._window(state) as page:
                page.goto(path, wait_until="networkidle")
                loaded: dict[str, int] = page.evaluate(browsers.LOADED)
            editor = sum(size for name, size in loaded.items() if _is_editor(name))
            self._report.loads[f"{name}, before the editor"] = sum(loaded.values()) - editor
        self._report.loads["the editor (Monaco)"] = editor

    def openings(self) -> None:
        """From the click on an app to the first key shown in the editor."""
        taken: dict[str, list[float]] = {}
        for number in range(self._rounds):
            self._say(f"opening, round {number + 1}")
            with self._window(self._state) as page:
                for name in ("first visit, container runs", "container runs"):
                    taken.setdefault(name, []).append(self._opens(page))
                self._developer.close()
                taken.setdefault("container is stopped", []).append(self._opens(page))
        for name, all_of_it in taken.items():
            self._report.opens[name] = statistics.median(all_of_it)

    def _opens(self, page: Page) -> float:
        page.goto("/apps", wait_until="networkidle")
        typed = secrets.token_hex(2)
        button = page.locator(f'a[href="/studio/{self._app}"]').first
        button.wait_for()
        started = time.perf_counter()
        button.click()
        text = page.locator(TEXT).first
        text.locator(".view-line").first.click()
        page.keyboard.type(typed)
        text.filter(has_text=typed).wait_for()
        taken = time.perf_counter() - started
        page.keyboard.press("Control+KeyS")
        page.get_by_role("tablist", name="Open files").get_by_text("unsaved").wait_for(
            state="detached"
        )
        return taken

    def long_log(self) -> None:
        """A log of 5,000 lines scrolled through, then an hour's worth of lines."""
        self._developer.write(self._app, "package.json", BUILDS)
        self._developer.write(self._app, "small.js", SERVES)
        with self._studio() as page:
            page.locator(".run button.state").click()
            for lines in (LOG_LINES, HOUR_OF_LINES // 10, HOUR_OF_LINES):
                self._say(f"a log of {lines} lines")
                self._prints(page, PRINTS % lines, f"line {lines} of {lines}")
                if lines == LOG_LINES:
                    page.locator(".run-log .box").evaluate("(box) => { box.scrollTop = 0 }")
                    self._scrolls(page, ".run-log .box", f"a log of {lines} lines")
                self._report.memory.append(Memory(lines, *browsers.memory(page)))

    def large_tree(self) -> None:
        """A folder of 10,000 files, open in the tree."""
        self._say(f"a tree of {TREE_FILES} files")
        with self._studio() as page:
            self._prints(page, FILLS % TREE_FILES, "")
            tree = page.get_by_role("tree", name="Files")
            tree.get_by_role("treeitem", name="many", exact=True).click()
            tree.get_by_role("treeitem", name="file-00001.js").wait_for()
            self._scrolls(page, "[role=tree]", f"a tree of {TREE_FILES} files")

    def typing(self) -> None:
        """A key until the frame that shows it is drawn, in a file of 2,000 lines."""
        self._say("typing")
        source = "".join(f"export const value{n} = [{n}, 'a text'];\n" for n in range(SOURCE_LINES))
        self._developer.write(self._app, "long.js", source)
        with self._studio() as page:
            page.get_by_role("treeitem", name="long.js", exact=True).click()
            text = page.locator(TEXT).first
            text.filter(has_text="value5").locator(".view-line").nth(5).click()
            page.evaluate(browsers.WATCH_KEYS)
            for _ in range(KEYS):
                page.keyboard.press("x")
                page.wait_for_timeout(30)
            taken = sorted(page.evaluate("window.keysTaken"))
            text.filter(has_text="x" * KEYS).wait_for()
        self._report.typing_ms = (statistics.median(taken), taken[round(len(taken) * 0.95) - 1])

    @contextmanager
    def _studio(self) -> Iterator[Page]:
        with self._window(self._state) as page:
            page.goto(f"/studio/{self._app}")
            page.locator(TEXT).first.wait_for()
            yield page

    def _prints(self, page: Page, script: str, last: str) -> None:
        """Runs a script as the app's build; until its last line is shown."""
        self._developer.write(self._app, "print.js", script)
        self._developer.stop()
        self._developer.run(self._app, "build")
        if last:
            page.locator(".run-log .line").filter(has_text=last).wait_for()

    def _scrolls(self, page: Page, selector: str, name: str) -> None:
        frames = browsers.scroll_frames(page, selector, distance=SCROLL_PIXELS, speed=SCROLL_SPEED)
        per_second = len(frames) / sum(frames) * 1000
        slow = sorted(frames)[round(len(frames) * 0.95) - 1]
        self._report.scrolls[name] = Scroll(per_second, slow)


def _is_editor(address: str) -> bool:
    """Whether a file of the page is Monaco's: its code, its style, its workers and its font."""
    name = address.rpartition("/")[2]
    return ".worker-" in name or name.startswith(("monaco-", "editor.api-", "editor-", "codicon-"))
