"""Kubernetes quantities: text to numbers and back.

Source: the API conventions' serialization format of `resource.Quantity`.
"""

from __future__ import annotations

import re
from decimal import Decimal

_SUFFIXES = {
    "": Decimal(1),
    **{
        unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)
    },
    **{
        unit: Decimal(1024) ** power
        for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)
    },
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
}
_SYNTAX = re.compile(
    r"([-+]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}))(?:[eE]([-+]?[0-9]{1,2})|([numkKMGTPE]i?)|)"
)
"""Digits, and an exponent or a suffix. Longer ones stand for nothing that there is, and would take
long to work with."""


def parse(text: str | float) -> Decimal:
    """The number that a quantity stands for (cores, bytes). Raises `ValueError` when it is none."""
    match = _SYNTAX.fullmatch(str(text).strip())
    digits, exponent, suffix = match.groups() if match is not None else ("", None, None)
    unit = _SUFFIXES.get(suffix or "")
    if match is None or unit is None:
        raise ValueError(f"{str(text)[:100]!r} is no quantity")
    return Decimal(digits).scaleb(int(exponent or 0)) * unit


def amount(text: str) -> Decimal | None:
    """The same of a quantity that is not negative; None when `text` is none such."""
    try:
        number = parse(text)
    except ValueError:
        return None
    return None if number.is_signed() else number


def to_bytes(text: str) -> int | None:
    """Bytes, rounded up; None as for `amount`."""
    number = amount(text)
    return None if number is None else int(number.to_integral_value("ROUND_CEILING"))


def to_millicores(text: str) -> int | None:
    """Thousandths of a core, rounded up; None as for `amount`."""
    number = amount(text)
    return None if number is None else int((number * 1000).to_integral_value("ROUND_CEILING"))


def same(one: object, other: object) -> bool:
    """Whether both stand for the same number, however they are written."""
    if not isinstance(one, str | int | float) or not isinstance(other, str | int | float):
        return False
    try:
        return parse(one) == parse(other)
    except ValueError:
        return False


def cpu(millicores: int) -> str:
    """`500m`, or `2` for whole cores: as the API server itself would write it."""
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def size(count: int) -> str:
    """Bytes in the largest binary unit that takes no fraction: as the API server itself would write
    it."""
    for suffix in ("Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIXES[suffix])
        if count and count % unit == 0:
            return f"{count // unit}{suffix}"
    return str(count)


def in_words(count: int) -> str:
    """Bytes for a person: `1.5 GiB`."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError
