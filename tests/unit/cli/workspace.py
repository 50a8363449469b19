"""A workspace as the API says it, for tests."""

from __future__ import annotations

from typing import Any

STAGES = ("queued", "received", "image", "volume", "clone", "containers", "editor", "ready")
NAME = "workspace-1-2-abc123"


def stage(name: str, state: str = "waiting", **changes: Any) -> dict[str, Any]:
    empty = {"started_at": None, "finished_at": None, "duration": None, "detail": ""}
    return {"name": name, "state": state, **empty, **changes}


def stages(**states: str) -> list[dict[str, Any]]:
    return [stage(name, states.get(name, "waiting")) for name in STAGES]


def workspace(**changes: Any) -> dict[str, Any]:
    base = {
        "name": NAME,
        "title": "app",
        "owner": 2,
        "owner_name": "ana",
        "agent": "local",
        "repository": "https://git.example.com/team/app",
        "ref": "main",
        "commit": "0123456789abcdef",
        "devfile_path": ".devfile.yaml",
        "desired": "Running",
        "state": "Running",
        "url": f"http://60001-{NAME}.localhost:8080/?folder=/projects/app",
        "port_url": f"http://{{port}}-{NAME}.localhost:8080/",
        "folder": "/projects/app",
        "generation": 1,
        "created_at": 1_700_000_000.0,
        "updated_at": 1_700_000_000.0,
        "stages": stages(),
        "cause": None,
        "trouble": [],
        "notice": None,
        "containers": [],
        "ports": [
            port(60001, "editor", path="/?folder=/projects/app"),
            port(8080, "http-python"),
        ],
        "warnings": [],
        "post_start": {},
    }
    return base | changes


def port(number: int, name: str, *, path: str = "/") -> dict[str, Any]:
    url = f"http://{number}-{NAME}.localhost:8080{path}"
    return {
        "port": number,
        "name": name,
        "url": url,
        "declared": True,
        "exposure": "public",
        "protocol": "http",
    }


def cause(message: str = "The image cannot be found.", **changes: Any) -> dict[str, Any]:
    base = {
        "code": "image-not-found",
        "message": message,
        "detail": "manifest unknown",
        "hint": "Look.",
        "since": 0.0,
    }
    return base | changes
