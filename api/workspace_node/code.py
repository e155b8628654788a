"""VS Code of a workspace, for the entry."""

from __future__ import annotations

from fastapi import APIRouter

from api.workspace_node.state import Here, UserId

router = APIRouter()


@router.post("/code")
async def start_code(user_id: UserId, here: Here) -> dict[str, bool]:
    """It runs afterwards. It counts as use."""
    here.touch(user_id)
    await here.code.start(user_id)
    return {"started": True}
