from __future__ import annotations

from decimal import Decimal

import pytest

from moorage.kernel import quantities


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", "1"),
        (2, "2"),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        ("1024M", "1024000000"),
        ("1Gi", "1073741824"),
        ("1e3", "1000"),
        ("0.5Ki", "512"),
        ("100n", "1e-7"),
    ],
)
def test_reads_every_form(text: str | int, number: str) -> None:
    """A quantity is read in plain, decimal, binary and exponent form."""
    assert quantities.parse(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "one", "1 G", "1Kib", "1mi", "1ni", "Gi", "1e3M", "--1"])
def test_refuses_what_is_none(text: str) -> None:
    """What is no quantity raises ValueError."""
    with pytest.raises(ValueError, match="no quantity"):
        quantities.parse(text)


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
    ("text", "amount"),
    [("1", 1000), ("500m", 500), ("0.25", 250), ("1u", 1), ("2.5", 2500), ("1n", 1)],
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
def test_what_is_no_amount(text: str) -> None:
    """Anything else, also what is negative or longer than anything there is, is None, however it
    looks."""
    assert quantities.amount(text) is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1024Mi", "1Gi", True),
        ("1000m", "1", True),
        ("1G", "1Gi", False),
        ("x", "x", False),
        (None, "1", False),
    ],
)
def test_compares_by_number(one: object, other: object, expected: bool) -> None:
    """Two quantities are the same when they stand for the same number, however written."""
    assert quantities.same(one, other) is expected


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1024, "1Ki"),
        (1536 * 1024**2, "1536Mi"),
        (2 * 1024**3, "2Gi"),
        (1_024_000_000, "1000000Ki"),
    ],
)
def test_writes_the_largest_whole_unit(count: int, text: str) -> None:
    """Bytes are written in the largest binary unit without a fraction, and read back to the same
    number."""
    assert quantities.size(count) == text
    assert quantities.parse(text) == count


def test_writes_cores() -> None:
    """Whole cores are written without a unit, others as millicores."""
    assert [quantities.cpu(value) for value in (2000, 500, 1250)] == ["2", "500m", "1250m"]


def test_says_bytes_in_words() -> None:
    """A number of bytes is said in the unit that a person would take."""
    assert [quantities.in_words(n) for n in (12, 2048, 1536 * 1024**2, 3 * 1024**4)] == [
        "12 bytes",
        "2 KiB",
        "1.5 GiB",
        "3 TiB",
    ]
