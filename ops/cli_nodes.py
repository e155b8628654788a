"""For administrators: the hosts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ops.cli_common import AsJson, studio
from ops.cli_view import as_json, coloured, say, table, when

NodeId = Annotated[str, typer.Argument(metavar="NODE")]


def nodes(context: typer.Context, as_json_: AsJson = False) -> None:
    """The hosts, with their state and load."""
    found = studio(context).get("/api/nodes")
    if as_json_:
        return as_json(found)
    return table(
        [
            "NODE",
            "ROLE",
            "STATUS",
            "SINCE",
            "CPU",
            "MEMORY",
            "DISK FREE",
            "SLOTS",
            "CONTAINERS",
            "PLACED",
        ],
        [
            [
                node["node_id"],
                node["role"],
                coloured(node["status"]),
                when(node["changed_at"]),
                *_figures(node["figures"]),
                str(node["placed"]),
            ]
            for node in found
        ],
    )


def _figures(figures: dict[str, Any] | None) -> list[str]:
    if figures is None:
        return [""] * 5
    slots = f"{figures['slots_busy']}/{figures['slots']}" if figures["slots"] else ""
    return [
        f"{figures['cpu']:.0%}",
        f"{figures['memory']:.0%}",
        f"{figures['disk_free'] / 2**30:.1f} GB",
        slots,
        str(figures["containers"]),
    ]


def drain(context: typer.Context, node: NodeId, as_json_: AsJson = False) -> None:
    """Place nothing new on a host; what runs there stays."""
    _set(context, node, "drain", as_json_)


def undrain(context: typer.Context, node: NodeId, as_json_: AsJson = False) -> None:
    """Let a host take new work again."""
    _set(context, node, "undrain", as_json_)


def _set(context: typer.Context, node: str, what: str, as_json_: bool) -> None:
    now = studio(context).post(f"/api/nodes/{node}/{what}")
    return as_json(now) if as_json_ else say(f"{now['node_id']} is {now['status']}.")
