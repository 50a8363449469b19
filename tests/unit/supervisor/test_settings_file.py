"""`settings.toml` is changed by line, so that what a person wrote there stays."""

from __future__ import annotations

import tomllib

import pytest

from moorage.kernel.errors import Misconfigured
from moorage.supervisor.settings_file import with_values

BY_HAND = """\
# ours
[server]
database = "postgresql://db/moorage"  # in the cellar
zone = "old.example.com"

[gateway]   # in front
port = 80
"""


@pytest.mark.parametrize(
    ("text", "tables", "result"),
    [
        ("", {"gateway": {"port": 9}}, "[gateway]\nport = 9\n"),
        ("[gateway]\nport = 8\n", {"gateway": {"port": 9}}, "[gateway]\nport = 9\n"),
        (
            BY_HAND,
            {"server": {"zone": "new.example.com"}, "gateway": {"zone": "new.example.com"}},
            BY_HAND.replace("old.example", "new.example") + 'zone = "new.example.com"\n',
        ),
        (
            BY_HAND,
            {"agent": {"ca_bundle": '/a "b"'}},
            BY_HAND + '\n[agent]\nca_bundle = "/a \\"b\\""\n',
        ),
        ("[a]\nx = 1\n\n\n[b]\n", {"a": {"y": 2}}, "[a]\nx = 1\ny = 2\n\n\n[b]\n"),
    ],
)
def test_sets_values_and_keeps_the_rest(
    text: str, tables: dict[str, dict[str, str | int]], result: str
) -> None:
    """Only the lines of the values change; a table that was not there comes last."""
    assert with_values(text, tables) == result
    parsed = tomllib.loads(result)
    for table, values in tables.items():
        assert parsed[table] | values == parsed[table]


def test_setting_the_same_again_changes_nothing() -> None:
    """A second `moor up` leaves the file alone."""
    tables = {"gateway": {"port": 80}, "server": {"zone": "old.example.com"}}
    assert with_values(BY_HAND, tables) == BY_HAND


@pytest.mark.parametrize("text", ["gateway = {port = 1}\n", "gateway.port = 1\n"])
def test_refuses_what_it_cannot_change_by_line(text: str) -> None:
    """Rather an error than a file that says something else than before."""
    with pytest.raises(Misconfigured, match="cannot be changed by line"):
        with_values(text, {"gateway": {"port": 2}})


def test_refuses_broken_toml() -> None:
    """A file that is no TOML is named as that."""
    with pytest.raises(Misconfigured, match="no TOML"):
        with_values("[gateway", {})
