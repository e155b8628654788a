"""A browser for the benchmark, and what is read off its pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ops.errors import PlatformError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

#: Chromium without what draws windows, which nobody sees here: a quarter of the processor for a new page.
CHROMIUM = "/usr/bin/chromium-headless-shell"
CHROMIUM_OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage"]

#: Bytes as they were sent, of each file that the page has loaded, by its address.
LOADED = """() => Object.fromEntries(
  [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .map((one) => [one.name, one.encodedBodySize]))"""

#: Milliseconds from each key to the end of the frame that shows it, and of the frame alone.
WATCH_KEYS = """() => {
  window.keysTaken = [];
  addEventListener('keydown', (event) => {
    const pressed = event.timeStamp;
    requestAnimationFrame(() => {
      const drawn = new MessageChannel();
      drawn.port1.onmessage = () => window.keysTaken.push(performance.now() - pressed);
      drawn.port2.postMessage(0);
    });
  }, {capture: true});
}"""

#: Milliseconds between the page's frames, until it is told to end.
WATCH_FRAMES = """() => {
  window.frames_ = [];
  window.watching = true;
  let before = performance.now();
  const next = (now) => {
    window.frames_.push(now - before);
    before = now;
    if (window.watching) requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}"""
FRAMES = "() => { window.watching = false; return window.frames_.slice(1); }"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises PlatformError where Playwright or Chromium is missing."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise PlatformError(
            "this benchmark needs Playwright", hint="STUDIO_DEV=1 ops/studio bench page"
        ) from None
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        except Error as error:
            raise PlatformError(
                f"Chromium does not start: {error}", hint="apt-get install chromium-headless-shell"
            ) from error
        try:
            yield browser
        finally:
            browser.close()


def scroll_frames(page: Page, selector: str, *, distance: int, speed: int) -> list[float]:
    """Scrolls by a gesture, as a finger or a wheel does, not by script. Milliseconds of each frame.

    ``distance`` in pixels downwards, ``speed`` in pixels a second.
    """
    box = page.locator(selector).bounding_box()
    assert box
    page.evaluate(WATCH_FRAMES)
    with devtools(page) as session:
        session.send(
            "Input.synthesizeScrollGesture",
            {
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "yDistance": -distance,
                "speed": speed,
                "preventFling": True,
            },
        )
    return list(page.evaluate(FRAMES))


def memory(page: Page) -> tuple[int, int]:
    """Bytes of the script's heap after a collection, and how many nodes the document has."""
    with devtools(page) as session:
        session.send("HeapProfiler.collectGarbage")
        heap: dict[str, Any] = session.send("Runtime.getHeapUsage")
        nodes: dict[str, Any] = session.send("Memory.getDOMCounters")
    return int(heap["usedSize"]), int(nodes["nodes"])


@contextmanager
def devtools(page: Page) -> Iterator[CDPSession]:
    session = page.context.new_cdp_session(page)
    try:
        yield session
    finally:
        session.detach()
