"""``python -m ops.stack up|down``, which ``ops/up`` and ``ops/down`` call."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from ops.errors import StudioError
from ops.settings import load_settings
from ops.stack import misspelt, studio_page
from ops.stack.config import config_file
from ops.stack.down import down as stop
from ops.stack.steps import Steps
from ops.stack.summary import facts, show
from ops.stack.up import Up, ensure_network

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

Count = Annotated[int | None, typer.Option(min=1, max=4)]


@app.command()
def up(
    workspaces: Count = None,
    runners: Count = None,
    runtimes: Count = None,
    only_servers: Annotated[
        bool, typer.Option(help="Start the servers, not the platform's own processes.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print where things are as JSON; steps go to stderr.")
    ] = False,
) -> None:
    """Bring the platform up on this machine. Safe to repeat; finds what is already there."""
    counts = {"WORKSPACES": workspaces, "RUNNERS": runners, "RUNTIMES": runtimes}
    for name, count in counts.items():
        if count is not None:
            os.environ[f"STUDIO_{name}"] = str(count)
    settings = load_settings()
    steps = Steps(Console(stderr=as_json))
    for told in misspelt.warnings(os.environ, config_file(settings)):
        steps.warn(told)
    admin_is_new = Up(settings, steps).run(only_servers=only_servers)
    if as_json:
        print(json.dumps(facts(settings)))
    else:
        seconds = time.monotonic() - steps.started
        show(settings, steps.console, admin_is_new=admin_is_new, seconds=seconds)


@app.command()
def down(
    purge: Annotated[
        bool, typer.Option(help="Also remove all data, containers and images.")
    ] = False,
    take_engine: Annotated[
        bool,
        typer.Option(help="Even if other platforms here use the Docker engine that this one runs."),
    ] = False,
) -> None:
    """Stop what ``up`` started, and nothing else."""
    stop(load_settings(), Steps(Console()), purge=purge, take_engine=take_engine)


@app.command()
def firewall() -> None:
    """Settle what user code may reach; before Docker starts, when the machine does."""
    ensure_network(load_settings())


@app.command()
def install() -> None:
    """Build and fetch what a platform is made of, and start nothing."""
    settings = load_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    Up(settings, Steps(Console())).install()


@app.command()
def check_page() -> None:
    """Check the types of the studio page's source."""
    studio_page.check_types(load_settings())


def main() -> None:
    try:
        app()
    except ValidationError as invalid:
        for found in invalid.errors():
            name = "_".join(["STUDIO", *(str(part).upper() for part in found["loc"])])
            print(f"{name}: {found['msg']}", file=sys.stderr)
        sys.exit(1)
    except StudioError as error:
        console = Console(stderr=True)
        console.print(f"\n[bold red]{escape(error.what)}[/]", highlight=False)
        for line in error.log_tail or []:
            console.print(f"    {line}", markup=False, highlight=False)
        if error.hint:
            console.print(f"[bold]{escape(error.hint)}[/]", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
