"""`python -m moorage.supervisor --home H [--log-format console|json] [--quiet]`: the resident
process alone.

`moor up` is what a person calls: it looks whether this machine is ready, makes secrets and
settings, and becomes this.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from moorage.kernel.errors import MoorageError
from moorage.kernel.home import GIVEN, Home, narrow_umask
from moorage.supervisor import folder, privileges, state
from moorage.supervisor.logs import Console
from moorage.supervisor.loop import Supervisor
from moorage.supervisor.processes import PROCESSES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m moorage.supervisor")
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--log-format", choices=("console", "json"))
    parser.add_argument("--quiet", action="store_true", help="write to log files only")
    arguments = parser.parse_args()
    home = Home(arguments.home.absolute())
    narrow_umask()
    try:
        home.make()
        held = state.lock(home)
        os.environ.pop(GIVEN, None)
        folder.tighten(home)
        chosen = privileges.choose(home)
    except MoorageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    console = Console(None if arguments.quiet else sys.stdout.fileno())
    code = Supervisor(
        home, PROCESSES, console=console, fmt=arguments.log_format, privileges=chosen
    ).run()
    folder.rest(home)
    os.close(held)
    return code


sys.exit(main())
