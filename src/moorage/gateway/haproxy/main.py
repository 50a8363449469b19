"""`python -m moorage.gateway.haproxy --home H`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from moorage.gateway.haproxy.launch import launch
from moorage.gateway.settings import GatewaySettings
from moorage.kernel import log
from moorage.kernel import settings as kernel_settings
from moorage.kernel.errors import MoorageError
from moorage.kernel.home import Home, default_home, narrow_umask


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m moorage.gateway.haproxy")
    parser.add_argument("--home", type=Path, default=None)
    narrow_umask()
    home = Home((parser.parse_args().home or default_home()).absolute())
    try:
        settings = kernel_settings.load(GatewaySettings, "gateway", home.settings)
        log.configure("haproxy", fmt=settings.log_format, level=settings.log_level)
        launch(home, settings)
    except MoorageError as error:
        print(error, file=sys.stderr)  # noqa: T201 - its last words, which the supervisor repeats
        sys.exit(error.exit_code)
