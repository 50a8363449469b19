"""Kubernetes quantities: `512Mi`, `1.5G`, `500m`, `2e3`.

Source: the Kubernetes API conventions, resource quantities. Value = digits × suffix.
"""

from __future__ import annotations

import re
from decimal import Decimal

_SYNTAX = re.compile(
    r"(\+?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}))([a-zA-Z]{0,2}|[eE][-+]?[0-9]{1,2})"
)
_SUFFIXES = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
}


def parse(text: str) -> Decimal | None:
    """The amount in its base unit (bytes, cores); None when `text` is no quantity, or a negative one."""
    match = _SYNTAX.fullmatch(text.strip())
    if match is None:
        return None
    digits, suffix = match.groups()
    if suffix in _SUFFIXES:
        return Decimal(digits) * _SUFFIXES[suffix]
    if len(suffix) > 1 and suffix[0] in "eE" and suffix[1:].lstrip("+-").isdigit():
        return Decimal(digits).scaleb(int(suffix[1:]))
    return None


def to_bytes(text: str) -> int | None:
    """Bytes, rounded up; None when `text` is no quantity."""
    amount = parse(text)
    return None if amount is None else int(amount.to_integral_value("ROUND_CEILING"))


def to_millicores(text: str) -> int | None:
    """Thousandths of a core, rounded up; None when `text` is no quantity."""
    amount = parse(text)
    return None if amount is None else int((amount * 1000).to_integral_value("ROUND_CEILING"))
