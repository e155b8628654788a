"""Whether a workspace is as its record says: asked by the entry before it troubles the workflow."""

from __future__ import annotations

from fastapi import APIRouter

from activities.boundary import in_thread
from activities.workspace_home import OpenTree
from activities.workspace_spec import MONGO_LABEL
from api.workspace_node.state import AppId, Here, UserId
from ops.errors import StudioError

router = APIRouter()


@router.get("/ready")
async def ready(
    user_id: UserId, app_id: AppId, here: Here, dev_mongo: bool = False
) -> dict[str, bool]:
    """The container runs as it was asked for, and the app's folder is in it. It counts as use."""

    def has_files() -> bool:
        with here.homes.app(user_id, app_id) as folder:
            return not OpenTree.of(folder).is_empty()

    try:
        found = await here.execs.container_state(user_id)
        as_asked = (found["Config"]["Labels"].get(MONGO_LABEL) == "on") == dev_mongo
        is_ready = as_asked and await in_thread(has_files)
    except StudioError:
        is_ready = False
    if is_ready:
        here.touch(user_id)
    return {"ready": is_ready}
