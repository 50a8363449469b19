"""Settings of the server, and credentials that it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.kernel.errors import Misconfigured
from moorage.server.settings import Settings, load_credentials

OWN = "http://moorage.localhost:8080"


def test_settings_and_their_zone() -> None:
    """The zone's address follows the public URL's scheme; ports that are the scheme's own are left
    out."""
    assert Settings().zone_url == Settings().origin == OWN
    secure = Settings(public_url="https://moorage.example.com/", zone="w.example.com", port=443)
    assert (secure.origin, secure.zone_url, secure.secure) == (
        "https://moorage.example.com",
        "https://w.example.com",
        True,
    )
    assert Settings(zone="Dev.Example.COM", port=80).origin == "http://dev.example.com"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://moorage.example.com", "https://moorage.example.com"),
        ("HTTPS://Moorage.Example.COM/", "https://moorage.example.com"),
        ("https://moorage.example.com:443", "https://moorage.example.com"),
        ("http://moorage.example.com:80/", "http://moorage.example.com"),
        ("http://moorage.example.com:443", "http://moorage.example.com:443"),
        ("https://moorage.example.com:8443", "https://moorage.example.com:8443"),
        (" https://moorage:0443 ", "https://moorage"),
        ("http://10.0.0.7:8080", "http://10.0.0.7:8080"),
        ("http://[2001:DB8:0:0::1]:80", "http://[2001:db8::1]"),
        ("https://my_host.example.com?#", "https://my_host.example.com"),
    ],
)
def test_the_public_url_as_browsers_write_it(text: str, origin: str) -> None:
    """What a browser sends as `Origin` has no capitals and no port that is the scheme's own."""
    settings = Settings(public_url=text, zone="w.example.com", port=443)
    settings.check()
    assert settings.origin == origin
    assert settings.secure == origin.startswith("https:")


@pytest.mark.parametrize(
    "text",
    [
        "moorage.example.com",
        "ftp://x",
        "https://x/path",
        "https://x?query",
        "https://x#fragment",
        "https://",
        "https://me@x",
        "https://x:port",
        "https://x:99999",
        "https://x:0",
        "https://[x",
        "https://[fe80::1%eth0]",
        "https://10.0.0",
        "https://10.0.0.256",
        "https://x y",
        "https://m\u00fcnchen.example",
    ],
)
def test_a_public_url_that_is_no_origin(text: str) -> None:
    """It is refused at the start, and what one looks like is said."""
    with pytest.raises(Misconfigured, match="must be an origin"):
        Settings(public_url=text).check()


def test_credentials_must_be_private(tmp_path: Path) -> None:
    """A file that others can read is refused; one that is no such file says what it should hold;
    none is none."""
    file = tmp_path / "git.toml"
    file.write_text('["Git.example.com"]\nusername = "u"\npassword = "p"\n')
    file.chmod(0o644)
    with pytest.raises(Misconfigured, match="can be read by others"):
        load_credentials(str(file))
    file.chmod(0o600)
    credentials = load_credentials(str(file))
    url = "https://git.example.com/team/app.git"
    assert credentials.of(url, asked=url) == ("u", "p")
    assert repr(credentials) == "Credentials(origins=['https://git.example.com'])"
    file.write_text('["git.example.com"]\nusername = "u"\n')
    with pytest.raises(Misconfigured, match="password"):
        load_credentials(str(file))
    file.write_text('["git.example.com/team"]\nusername = "u"\npassword = "p"\n')
    with pytest.raises(Misconfigured, match="no host"):
        load_credentials(str(file))
    assert load_credentials("").of(url, asked=url) is None


@pytest.mark.parametrize(
    ("line", "scope"),
    [("", "folder"), ('submodules = "host"', "host"), ('submodules = "none"', "")],
)
def test_which_submodules_a_credential_opens(tmp_path: Path, line: str, scope: str) -> None:
    """Those beside the repository, unless the host's table says otherwise; another word is
    refused, and a host that has no table opens nothing."""
    file = tmp_path / "git.toml"
    file.touch(0o600)
    table = '["git.example.com"]\nusername = "u"\npassword = "p"\n'
    file.write_text(table + line)
    assert load_credentials(str(file)).scope_of("https://Git.example.com:443/a/b") == scope
    file.write_text(table + 'submodules = "all"')
    with pytest.raises(Misconfigured, match="none, folder, host"):
        load_credentials(str(file))


@pytest.mark.parametrize(
    ("table", "url", "given"),
    [
        ("h", "https://h/x", True),
        ("h", "http://h/x", False),
        ("h", "https://h:444/x", False),
        ("h", "ssh://h/x", False),
        ("H:443", "https://h/x", True),
        ("h:444", "https://h:444/x", True),
        ("h:444", "http://h:444/x", False),
        ("https://h", "https://h/x", True),
        ("http://h", "http://h/x", True),
        ("http://h", "https://h/x", False),
        ("http://h:3000", "http://h:3000/x", True),
        ("http://h:3000", "http://h/x", False),
    ],
)
def test_credentials_are_for_https_unless_the_file_says_http(
    tmp_path: Path, table: str, url: str, given: bool
) -> None:
    """A table names a host for https, or says http itself; it opens that host on that port by that
    protocol."""
    file = tmp_path / "git.toml"
    file.touch(mode=0o600)
    file.write_text(f'["{table}"]\nusername = "u"\npassword = "p"\n')
    assert (load_credentials(str(file)).of(url, asked=url) is not None) == given


def test_credentials_that_a_pod_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes mounts a Secret as a file of root's that the pod's group may read: that is taken,
    but not what all may read."""
    file = tmp_path / "credentials.toml"
    file.write_text('["git.example.com"]\nusername = "u"\npassword = "p"\n')
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)
    file.chmod(0o440)
    url = "https://git.example.com/app"
    assert load_credentials(str(file)).of(url, asked=url) == ("u", "p")
    for mode in (0o444, 0o460):
        file.chmod(mode)
        with pytest.raises(Misconfigured) as refused:
            load_credentials(str(file))
        assert refused.value.code == "credentials-readable"


@pytest.mark.parametrize("text", ["javascript:alert(1)", "docs.example.com", "/docs"])
def test_documentation_is_at_an_address_of_the_web(text: str) -> None:
    """What no browser can be led to, or should not be, is refused at the start."""
    Settings(documentation_url="https://docs.example.com/moorage").check()
    with pytest.raises(Misconfigured, match="documentation_url"):
        Settings(documentation_url=text).check()
