"""What postStart commands write, on standard error while somebody waits for them."""

from __future__ import annotations

import codecs
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from moorage.cli import output
from moorage.cli.client import Client
from moorage.contract.agent import POST_START
from moorage.kernel.errors import MoorageError

LAST_WORDS = 2.0
"""Seconds for what is on its way when the commands have ended."""


@contextmanager
def shown(client: Client, workspace: str, until: float) -> Iterator[None]:
    """For as long as the block runs, at most until then (of `time.monotonic`). An agent of an
    earlier version tells nothing, and nothing is shown."""
    reader = threading.Thread(
        target=_show, args=(client, workspace, until), name="postStart", daemon=True
    )
    reader.start()
    yield
    reader.join(max(0.0, min(LAST_WORDS, until - time.monotonic())))


def _show(client: Client, workspace: str, until: float) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    path = f"/workspaces/{workspace}/logs"
    # A connection of its own: the other one tells of the workspace meanwhile.
    with suppress(MoorageError):
        own = Client(client.target)
        try:
            with own.stream(path, until=until, container=POST_START, follow="true") as chunks:
                for data in chunks:
                    click.echo(output.clean(decoder.decode(data)), err=True, nl=False)
                    sys.stderr.flush()
        finally:
            own.close()
