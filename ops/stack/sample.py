"""A sample app, live at the end of ``ops/up``: proof that the whole path works, and a start."""

from __future__ import annotations

from ops.admin_api import AdminApi
from ops.settings import Settings

NAME = "hello"
TEMPLATE = "express-api"
SAMPLE_URL_FILE = "sample-url"


def deploy_sample(settings: Settings) -> str:
    """Create and deploy it unless it is there; answers its URL, or says that it was taken away.

    It is made once: who stops or deletes it does not find it again after the next ``ops/up``.
    """
    made = settings.home / SAMPLE_URL_FILE
    api = AdminApi(settings)
    found = [app for app in api.apps() if app["template"] == TEMPLATE and app["name"] == NAME]
    if not found and made.exists():
        return ""
    app = found[0] if found else api.create(NAME, TEMPLATE)
    if app["status"] in ("NEW", "FAILED"):
        api.ended(api.begin(app["id"]))
    url: str = app["url"]
    made.write_text(url)
    return url if app["status"] != "STOPPED" else ""
