"""A small JSON API. `python main.py` serves it on PORT."""

import os

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

app = FastAPI(title="A FastAPI app")

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>FastAPI on Fun AI Studio</title>
<style>body { font: 1.1rem/1.5 system-ui; max-width: 40rem; margin: 4rem auto }</style>
<h1>It works</h1>
<p>Change <code>main.py</code>, commit, push and deploy.</p>
<p>Try <a href="api/hello?name=you">api/hello?name=you</a>.</p>
"""


@app.get("/", response_class=HTMLResponse)
def index() -> str:
    return PAGE


@app.get("/api/hello")
def hello(name: str = "world") -> dict[str, str]:
    word = os.environ.get("GREETING", "Hello")
    return {"message": f"{word}, {name}!"}


@app.get("/healthz")
def healthz() -> dict[str, bool]:
    return {"ok": True}


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="0.0.0.0",  # noqa: S104  # in its container
        port=int(os.environ.get("PORT", "3000")),
        # The path below which the app is served; links of /docs need it.
        root_path=os.environ.get("BASE_PATH", "/").rstrip("/"),
    )
