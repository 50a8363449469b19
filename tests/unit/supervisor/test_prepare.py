"""Which settings hold, and what is written before the first start."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from moorage.kernel.errors import InvalidInput, Misconfigured
from moorage.kernel.home import Home
from moorage.supervisor.prepare import SECRETS, Options, plan, prepare


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEWAY_ZONE", "GATEWAY_PORT", "AGENT_DOCKER_HOST"):
        monkeypatch.delenv(f"MOORAGE_{name}", raising=False)


def test_an_option_wins_over_environment_file_and_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearer to the person, the more it counts."""
    home = Home(tmp_path)
    assert (plan(home, Options()).zone, plan(home, Options()).port) == ("localhost", 8080)
    home.settings.write_text('[gateway]\nzone = "file.example.com"\nport = 81\n')
    assert plan(home, Options()).zone == "file.example.com"
    monkeypatch.setenv("MOORAGE_GATEWAY_ZONE", "env.example.com")
    monkeypatch.setenv("MOORAGE_GATEWAY_PORT", "82")
    assert (plan(home, Options()).zone, plan(home, Options()).port) == ("env.example.com", 82)
    told = plan(home, Options(zone="told.example.com", port=80))
    assert (told.zone, told.port, told.url) == ("told.example.com", 80, "http://told.example.com")


def test_everything_is_written_once(tmp_path: Path) -> None:
    """Secrets are made once, private, and stay; what was told is read again by the next `moor
    up`."""
    home = Home(tmp_path / "h")
    prepare(home, plan(home, Options(port=9000, tools_image="mine:1")))
    secrets = {name: home.secret(name) for name in SECRETS}
    assert len(set(secrets.values())) == len(SECRETS)
    for file in [home.secret_file(name) for name in SECRETS] + [home.client, home.settings]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    client = json.loads(home.client.read_text())
    assert client == {
        "server": f"unix:{home.run}/server.sock",
        "url": "http://localhost:9000",
        "token": secrets["admin-token"],
    }
    prepare(home, plan(home, Options()))
    assert {name: home.secret(name) for name in SECRETS} == secrets
    settings = tomllib.loads(home.settings.read_text())
    assert settings["gateway"] == {"zone": "localhost", "port": 9000, "address": "127.0.0.1"}
    assert settings["server"] == {"zone": "localhost", "port": 9000}
    assert settings["agent"] == {"tools_image": "mine:1"}


def test_a_setting_can_be_taken_back(tmp_path: Path) -> None:
    """A default that is told again replaces what was kept."""
    home = Home(tmp_path)
    prepare(home, plan(home, Options(tools_image="mine:1")))
    prepare(home, plan(home, Options(tools_image="moorage/tools:latest")))
    assert (
        tomllib.loads(home.settings.read_text())["agent"]["tools_image"] == "moorage/tools:latest"
    )


def test_places_of_repositories_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is kept beside those that a person wrote, once, and nothing else of the file changes."""
    home = Home(tmp_path)
    home.settings.write_text('[server]\n# ours\nrepository_networks = ["10.1.0.0/16"]\n')
    for _ in range(2):
        prepare(home, plan(home, Options(repository_networks=("172.17.0.1:8418", "[fd00::1]:80"))))
    text = home.settings.read_text()
    listed = ["10.1.0.0/16", "172.17.0.1:8418", "[fd00::1]:80"]
    assert tomllib.loads(text)["server"]["repository_networks"] == listed
    assert "# ours\n" in text
    home.settings.write_text('[server]\nrepository_networks = [\n  "10.1.0.0/16",\n]\n')
    prepare(home, plan(home, Options()))
    assert tomllib.loads(home.settings.read_text())["server"]["repository_networks"] == [
        "10.1.0.0/16"
    ]
    monkeypatch.setenv("MOORAGE_SERVER_REPOSITORY_NETWORKS", "10.2.0.0/16, 10.3.0.0/16")
    assert plan(home, Options()).repository_networks == ("10.2.0.0/16", "10.3.0.0/16")


def test_unusable_options(tmp_path: Path) -> None:
    """A port that is none, a file that is not there and a network that is none are refused by
    name."""
    with pytest.raises(InvalidInput) as refused:
        plan(Home(tmp_path), Options(repository_networks=("10.1.2.3/16",)))
    assert refused.value.field == "repository-network"
    for port in (0, 65535, 99999):
        with pytest.raises(InvalidInput) as refused:
            plan(Home(tmp_path), Options(port=port))
        assert refused.value.field == "port"
    with pytest.raises(InvalidInput) as refused:
        plan(Home(tmp_path), Options(ca_bundle=tmp_path / "none.pem"))
    assert refused.value.field == "ca-bundle"


def test_unusable_settings(tmp_path: Path) -> None:
    """A settings file with a wrong type is named."""
    home = Home(tmp_path)
    home.settings.write_text('[gateway]\nport = "many"\n')
    with pytest.raises(Misconfigured, match="not usable") as refused:
        plan(home, Options())
    assert str(home.settings) in refused.value.hint
