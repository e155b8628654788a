"""``studio``: the platform on the command line.

It talks to the same API as the browser does. Text that comes from there is printed as text, never
as markup; with ``--json`` a command prints one JSON document and nothing else. Exit codes: 0 done,
1 it failed (or was refused), 2 wrong usage, 3 the server is away, 130 detached by Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ops import (
    cli_account,
    cli_admin,
    cli_apps,
    cli_bench,
    cli_create,
    cli_deploy,
    cli_doctor,
    cli_figures,
    cli_files,
    cli_logs,
    cli_nodes,
    cli_share,
    cli_shell,
    cli_workspace,
)
from ops.cli_client import DETACHED, CliError
from ops.cli_common import Choice
from ops.cli_view import as_json, say_error


class _Commands(TyperGroup):
    """Turns an error of any command into its two lines (or, with ``--json``, a document)."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CliError as error:
            if "--json" in sys.argv[1:]:
                as_json({"error": error.what, "hint": error.hint})
            else:
                say_error(error.what, error.hint)
            raise typer.Exit(error.code) from None
        except KeyboardInterrupt:
            raise typer.Exit(DETACHED) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Write code, see it live, publish it.",
)


@app.callback()
def options(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(help="The studio's address; else STUDIO_URL, else the last one."),
    ] = None,
) -> None:
    context.obj = Choice(server=server)


_COMMANDS: dict[str, Callable[..., None]] = {
    "register": cli_account.register,
    "login": cli_account.login,
    "logout": cli_account.logout,
    "password": cli_account.change_password,
    "apps": cli_apps.apps,
    "create": cli_create.create,
    "import": cli_create.import_,
    "templates": cli_apps.templates,
    "status": cli_apps.status,
    "open": cli_workspace.open_,
    "run": cli_workspace.run,
    "code": cli_workspace.code,
    "sh": cli_shell.sh,
    "share": cli_share.share,
    "push": cli_files.push,
    "cp": cli_files.cp,
    "url": cli_apps.url,
    "delete": cli_apps.delete,
    "deploy": cli_deploy.deploy,
    "cancel": cli_deploy.cancel,
    "rollback": cli_deploy.rollback,
    "retry": cli_deploy.retry,
    "start": cli_deploy.start,
    "stop": cli_deploy.stop,
    "deployments": cli_deploy.deployments,
    "logs": cli_logs.logs,
    "metrics": cli_figures.metrics,
    "changes": cli_figures.changes,
    "doctor": cli_doctor.doctor,
    "nodes": cli_nodes.nodes,
    "drain": cli_nodes.drain,
    "undrain": cli_nodes.undrain,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(cli_apps.env, name="env")
app.add_typer(cli_account.account, name="account")
app.add_typer(cli_account.ssh_keys, name="ssh-key")
app.add_typer(cli_account.tokens, name="token")
app.add_typer(cli_workspace.workspace, name="workspace")
app.add_typer(cli_admin.admin, name="admin")
app.add_typer(cli_bench.bench, name="bench")

if __name__ == "__main__":
    app()
