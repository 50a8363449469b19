"""Which names a user may have. Pure."""

from __future__ import annotations

import re

from moorage.kernel.errors import InvalidInput

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def check_user_name(name: str) -> str:
    """Raises `InvalidInput`, field `name`."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "A user's name has 1 to 64 lower-case letters, digits, dots, dashes and underscores, with a letter or digit at "
            "both ends.",
            code="user-name-invalid",
            field="name",
        )
    return name
