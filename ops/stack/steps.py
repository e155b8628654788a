"""What a person sees while the platform comes up: a line a step with its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ops.errors import StudioError


class Step:
    """A running step: ``note`` says what was found or done, ``progress`` moves a long one's bar."""

    def __init__(self, title: str, bar: Progress | None, console: Console) -> None:
        self.title = title
        self.detail = ""
        self._bar = bar
        self._console = console
        self._task: TaskID | None = bar.add_task(escape(title), total=None) if bar else None
        self._told = time.monotonic()

    def note(self, detail: str) -> None:
        self.detail = detail

    def progress(self, done: int, total: int, what: str = "") -> None:
        if self._bar is not None and self._task is not None:
            text = escape(f"{self.title}  {what}".rstrip())
            self._bar.update(self._task, completed=done, total=total, description=text)
        elif time.monotonic() - self._told > 20:
            self._told = time.monotonic()
            self._console.print(f"      {self.title}: {done}/{total} {what}".rstrip(), markup=False)


class Steps:
    """Prints steps; on a terminal with a live bar, elsewhere as plain lines."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        begun = time.monotonic()
        bar = self._new_bar() if self.console.is_terminal else None
        if bar:
            bar.start()
        step = Step(title, bar, self.console)
        try:
            yield step
        except BaseException as error:
            self._end(bar)
            if isinstance(error, StudioError):
                self._line("✗", "red", title, "", begun)
            raise
        self._end(bar)
        self._line("✓", "green", title, step.detail, begun)

    def warn(self, what: str) -> None:
        self.console.print(f"[yellow]![/] {escape(what)}", highlight=False, soft_wrap=True)

    def _new_bar(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )

    def _end(self, bar: Progress | None) -> None:
        if bar:
            bar.stop()

    def _line(self, mark: str, colour: str, title: str, detail: str, begun: float) -> None:
        seconds = f"{time.monotonic() - begun:6.1f} s"
        self.console.print(
            f"[{colour}]{mark}[/] {escape(title):<28} [dim]{seconds}[/]  {escape(detail)}",
            highlight=False,
            soft_wrap=True,
        )
