"""The state folder."""

import json
import stat
from pathlib import Path

import pytest

from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import Home, default_home, write_client, write_private


def test_folders_and_secrets_are_the_owners_alone(tmp_path):
    """Nobody but the owner may look into the folder or a secret, also when the file is replaced."""
    home = Home(tmp_path / "home")
    home.make()
    home.make()
    for text in ("one\n", "two\n"):
        write_private(home.secret_file("agent-token"), text)
    assert home.secret("agent-token") == "two"
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.secret_file("agent-token").stat().st_mode) == 0o600
    assert [path.name for path in (home.path / "secrets").iterdir()] == ["agent-token"]


def test_a_missing_secret_is_named(tmp_path):
    """The error says which file."""
    with pytest.raises(Misconfigured, match=r"secrets/gateway-key cannot be read: No such file"):
        Home(tmp_path).secret("gateway-key")


def test_a_path_too_long_for_a_socket_says_so(tmp_path):
    """Linux takes 107 bytes; the error says what to do."""
    with pytest.raises(Misconfigured, match="shorter folder with --home"):
        Home(tmp_path / ("x" * 110)).socket("server")


def test_the_default_is_taken_from_the_environment(monkeypatch):
    """MOORAGE_HOME wins over the default of the account."""
    monkeypatch.setenv("MOORAGE_HOME", "/srv/moorage")
    assert default_home() == Path("/srv/moorage")


def test_the_client_file_is_private_json(tmp_path):
    """The command line finds server, address and token in one file."""
    home = Home(tmp_path)
    write_client(home, server="unix:/x.sock", url="http://localhost:8080", token="t")
    assert json.loads(home.client.read_text()) == {
        "server": "unix:/x.sock",
        "url": "http://localhost:8080",
        "token": "t",
    }
    assert stat.S_IMODE(home.client.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    """As a volume does which its user may not write to: the folder, the reason, and who it would
    have to let in."""
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(Misconfigured) as refused:
        Home(tmp_path / "home").make()
    assert refused.value.code == "home-not-writable"
    assert str(tmp_path / "home") in refused.value.message
    assert "group" in refused.value.hint
