"""VS Code in the workspace of whoever asks."""

from __future__ import annotations

from fastapi import APIRouter

from api.entry import previews
from api.entry.deps import Me, Use
from api.entry.problems import errors
from api.entry.schemas_workspace import CodeOut, OpenApp, WorkspaceState
from api.entry.workspace import open_workspace
from api.entry.workspace_node import asked
from ops.error_codes import ErrorCode
from ops.errors import Conflict, NodeUnavailable

router = APIRouter(prefix="/api/workspace", tags=["workspace"])


@router.post("/code", responses=errors(401, 403, 404, 409, 422, 503, 507))
async def open_code(body: OpenApp, me: Me, use: Use) -> CodeOut:
    """Starts VS Code in your workspace, unless it runs, and answers an address that opens it.

    It is private to you, shares the memory of what else runs there, and ends by itself when nobody
    has used it for a while. The workspace is opened where it is not. 409: this installation has no
    names of their own for workspaces. 503: VS Code is not installed, or the memory does not do.
    """
    if use.settings.routing == "path":
        raise Conflict(
            "VS Code needs a name of its own, which this installation has not",
            code=ErrorCode.CODE_NEEDS_NAME,
            hint="an administrator can set STUDIO_ROUTING=names and a wildcard name in the DNS",
        )
    if (await open_workspace(body, me, use)).status is not WorkspaceState.RUNNING:
        raise NodeUnavailable(
            "your workspace is still being opened",
            code=ErrorCode.WORKSPACE_OPENING,
            hint="try again soon",
        )
    await asked(use, me, "/code", params={})
    ticket = await previews.new_ticket(use, me.id, me.token_id, "code")
    return CodeOut(url=previews.enter_code_url(use.settings, me.id, ticket, body.app_id))
