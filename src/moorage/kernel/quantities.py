"""Kubernetes quantities: text to numbers and back.

Source: the API conventions' serialization format of `resource.Quantity`.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY = re.compile(r"([+-]?[0-9]*\.?[0-9]+|[+-]?[0-9]+\.)([eE][+-]?[0-9]+)?([numkKMGTPE]i?|)")


def parse(text: str | float) -> Decimal:
    """The number that a quantity stands for (cores, bytes). Raises `ValueError` when it is none."""
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None or (found[2] and found[3]) or found[3] not in _SUFFIXES:
        raise ValueError(f"{text!r} is no quantity")
    try:
        return Decimal(found[1] + (found[2] or "")) * _SUFFIXES[found[3]]
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no quantity") from error


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
    """Bytes in the largest binary unit that takes no fraction: as the API server itself would write it."""
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
