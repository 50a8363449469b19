"""The log format."""

import json
import subprocess
import sys

PROGRAM = """
import logging
from moorage.kernel import log
log.configure("server", fmt="json", level="info")
log.get(part="x").info("started", port=8080)
logging.getLogger("some.library").warning("careful %s", "now")
log.get().debug("unseen")
try:
    1 / 0
except ZeroDivisionError:
    log.get().exception("failed")
"""


def test_json_lines_carry_process_time_and_level():
    """Own records and those of libraries have one form; a level below the chosen one is dropped;
    tracebacks are kept."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    own, library, failure = (json.loads(line) for line in run.stderr.splitlines())
    assert (
        own.items()
        >= {
            "process": "server",
            "part": "x",
            "event": "started",
            "port": 8080,
            "level": "info",
        }.items()
    )
    assert (
        library.items() >= {"process": "server", "event": "careful now", "level": "warning"}.items()
    )
    assert "ZeroDivisionError" in failure["exception"]
    assert own["timestamp"].endswith("Z")
