"""Kubernetes quantities."""

from __future__ import annotations

import pytest

from moorage.devfile import quantities


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("512", 512),
        ("1k", 1000),
        ("1M", 10**6),
        ("2G", 2 * 10**9),
        ("1T", 10**12),
        ("1P", 10**15),
        ("1E", 10**18),
        ("1Ki", 1024),
        ("1.5Gi", 1610612736),
        (".5Gi", 536870912),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12e-1", 2),
        ("+1", 1),
        ("1500m", 2),
        ("1.", 1),
        (" 1Gi ", 1024**3),
    ],
)
def test_bytes(text: str, amount: int) -> None:
    """An amount of memory is a number of bytes, rounded up."""
    assert quantities.to_bytes(text) == amount


@pytest.mark.parametrize(
    ("text", "amount"), [("1", 1000), ("500m", 500), ("0.25", 250), ("1u", 1), ("2.5", 2500), ("1n", 1)]
)
def test_millicores(text: str, amount: int) -> None:
    """An amount of cpu is a number of millicores, rounded up."""
    assert quantities.to_millicores(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1GB",
        "Gi",
        "1 Gi",
        "1gi",
        "lots",
        "1e",
        "1ee3",
        "1e999",
        "1K",
        "0x10",
        "1_000",
        "٣",
        "1" * 40,
    ],
)
def test_what_is_no_quantity(text: str) -> None:
    """Anything else is None, however it looks."""
    assert quantities.parse(text) is None
