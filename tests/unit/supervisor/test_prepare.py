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
    assert (plan(home, Options()).zone, plan(home, Options()).port) == ("moorage.localhost", 8080)
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
        "url": "http://moorage.localhost:9000",
        "token": secrets["admin-token"],
    }
    prepare(home, plan(home, Options()))
    assert {name: home.secret(name) for name in SECRETS} == secrets
    settings = tomllib.loads(home.settings.read_text())
    assert settings["gateway"] == {
        "zone": "moorage.localhost",
        "port": 9000,
        "address": "127.0.0.1",
    }
    assert settings["server"] == {"zone": "moorage.localhost", "port": 9000}
    assert settings["agent"] == {"tools_image": "mine:1"}


PROXIED = """\
[server]
# The proxy's port.
zone = "dev.example.com"
port = 443
public_url = "https://dev.example.com"

[gateway]
zone = "dev.example.com"
port = 8080
public_scheme = "https"
public_port = 443
address = "127.0.0.1"
"""


def test_what_an_operator_wrote_for_a_proxy_stays(tmp_path: Path) -> None:
    """`[server] port` is what browsers see, `[gateway] port` what HAProxy listens on: a start, even
    with another port to listen on, changes the second alone."""
    home = Home(tmp_path)
    home.make()
    home.settings.write_text(PROXIED)
    prepare(home, plan(home, Options()))
    assert home.settings.read_text() == PROXIED
    prepare(home, plan(home, Options(port=9000)))
    assert home.settings.read_text() == PROXIED.replace("port = 8080", "port = 9000")
    assert json.loads(home.client.read_text())["url"] == "https://dev.example.com"


def test_a_part_that_an_operator_wrote_stays(tmp_path: Path) -> None:
    """Also where the rest is left to `moor up`."""
    home = Home(tmp_path)
    home.make()
    home.settings.write_text('[server]\nzone = "dev.example.com"\nport = 443\n')
    prepare(home, plan(home, Options()))
    settings = tomllib.loads(home.settings.read_text())
    assert settings["server"] == {"zone": "dev.example.com", "port": 443}
    assert (settings["gateway"]["zone"], settings["gateway"]["port"]) == ("dev.example.com", 8080)


def test_another_port_moves_both_where_nothing_is_in_front(tmp_path: Path) -> None:
    """Browsers see the port that HAProxy listens on."""
    home = Home(tmp_path)
    for port in (8080, 9000):
        prepare(home, plan(home, Options(port=port)))
        settings = tomllib.loads(home.settings.read_text())
        assert (settings["server"]["port"], settings["gateway"]["port"]) == (port, port)


def test_a_public_url_is_apart_from_the_port(tmp_path: Path) -> None:
    """`--public-url` tells server and gateway what browsers see, and is kept; "" takes it back."""
    home = Home(tmp_path)
    zone = "dev.example.com"
    prepare(home, plan(home, Options(zone=zone, port=8081, public_url=f"https://{zone}")))
    for _ in range(2):
        settings = tomllib.loads(home.settings.read_text())
        assert settings["server"] == {"zone": zone, "port": 443, "public_url": f"https://{zone}"}
        assert settings["gateway"]["port"] == 8081
        assert settings["gateway"]["public_scheme"] == "https"
        assert settings["gateway"]["public_port"] == 443
        prepare(home, plan(home, Options()))
    assert json.loads(home.client.read_text())["url"] == f"https://{zone}"
    prepare(home, plan(home, Options(public_url="http://dev.example.com:8443")))
    settings = tomllib.loads(home.settings.read_text())
    assert (settings["server"]["port"], settings["gateway"]["public_port"]) == (8443, 8443)
    prepare(home, plan(home, Options(public_url="")))
    settings = tomllib.loads(home.settings.read_text())
    assert settings["server"] == {"zone": zone, "port": 8081, "public_url": ""}
    assert (settings["gateway"]["public_scheme"], settings["gateway"]["public_port"]) == ("", 0)


@pytest.mark.parametrize(
    "url",
    ["dev.example.com", "ftp://x", "https://x/path", "https://u@x", "https://x:0", "https://x:y"],
)
def test_a_public_url_is_an_origin(tmp_path: Path, url: str) -> None:
    """Anything else is refused, with an example."""
    with pytest.raises(InvalidInput, match="no address of an installation"):
        plan(Home(tmp_path), Options(public_url=url))


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
