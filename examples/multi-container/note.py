"""Adds a note to the volume that both containers mount, and reads it back from the container that
serves it."""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

NOTES = Path("/data/notes.txt")
WAIT_SECONDS = 30


def add(note: str) -> None:
    """Appends a line with the time."""
    with NOTES.open("a") as file:
        file.write(f"{time.strftime('%H:%M:%S')} {note}\n")


def served() -> str:
    """What the other container says the notes are; it may still be starting."""
    url = os.environ["NOTES_URL"] + "/notes.txt"
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return str(response.read().decode())
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    add(" ".join(sys.argv[1:]) or "A note")
    print(served(), end="")
