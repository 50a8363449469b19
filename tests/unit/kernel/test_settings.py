"""Settings of a process."""

import msgspec
import pytest

from moorage.kernel import settings
from moorage.kernel.errors import Misconfigured


class Example(msgspec.Struct, frozen=True, kw_only=True):
    port: int = 8080
    zone: str = "localhost"
    hosts: tuple[str, ...] = ()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "settings.toml"


def test_the_nearest_source_wins(file):
    """A command line's value wins over the environment, that over the file, that over the
    default."""
    file.write_text('[example]\nport = 1\nzone = "file"\nhosts = ["a", "b"]\n')
    environ = {"MOORAGE_EXAMPLE_PORT": "2", "MOORAGE_EXAMPLE_ZONE": "environment"}
    loaded = settings.load(Example, "example", file, environ, port=3, zone=None)
    assert loaded == Example(port=3, zone="environment", hosts=("a", "b"))


def test_lists_in_the_environment(file):
    """Their items are apart by commas."""
    environ = {"MOORAGE_EXAMPLE_HOSTS": "a.example.com, b.example.com,"}
    assert settings.load(Example, "example", file, environ).hosts == (
        "a.example.com",
        "b.example.com",
    )


def test_no_file_means_defaults(file):
    """The settings file need not exist."""
    assert settings.load(Example, "example", file, {"PATH": "/bin"}) == Example()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[example]\nprot = 1\n", "prot.*It has: hosts, port, zone"),
        ("[example]\nport = 'many'\n", "port"),
        ("[example\n", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_named(file, text, message):
    """An unknown field, a value of the wrong type and broken TOML each say which file and what."""
    file.write_text(text)
    with pytest.raises(Misconfigured, match=message) as caught:
        settings.load(Example, "example", file, {"PATH": "/bin"})
    assert str(file) in str(caught.value)
