"""A small server, and a client of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.cli.client import Client, Target
from unit.cli.serving import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    serving = Server(tmp_path / "s.sock")
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[Client]:
    made = Client(Target(f"unix:{tmp_path}/s.sock", "moor_token"))
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path, server: Server) -> Path:
    """A state folder whose server is the small one."""
    client = {"server": f"unix:{tmp_path}/s.sock", "url": "http://localhost", "token": "moor_admin"}
    (tmp_path / "client.json").write_text(json.dumps(client))
    return tmp_path
