"""Which URLs, refs and paths are accepted, and what Git's words become."""

from __future__ import annotations

import pytest

from moorage.kernel.errors import Forbidden, InvalidInput, TooLarge, Unavailable
from moorage.server.repositories import errors, rules


@pytest.mark.parametrize(
    ("text", "url", "authority"),
    [
        (
            "https://git.example.com/team/x.git",
            "https://git.example.com/team/x.git",
            "git.example.com",
        ),
        (" http://10.0.0.1:3000/x ", "http://10.0.0.1:3000/x", "10.0.0.1:3000"),
        (
            "ssh://git@git.example.com:2222/x.git",
            "ssh://git@git.example.com:2222/x.git",
            "git.example.com:2222",
        ),
        (
            "git@git.example.com:team/x.git",
            "ssh://git@git.example.com/team/x.git",
            "git.example.com",
        ),
        ("http://[::1]:80/x.git", "http://[::1]:80/x.git", "[::1]:80"),
        ("https://[2001:DB8:0::1]/x.git", "https://[2001:db8::1]/x.git", "[2001:db8::1]"),
        ("git@[::1]:team/x.git", "ssh://git@[::1]/team/x.git", "[::1]"),
        ("https://Git.Example.com./x", "https://git.example.com/x", "git.example.com"),
        ("https://git.example.com:/x", "https://git.example.com/x", "git.example.com"),
    ],
)
def test_repositories_that_are_accepted(text: str, url: str, authority: str) -> None:
    """http, https and ssh, also in Git's short form. The host is written in its one form: what is
    checked is what Git gets."""
    found = rules.check_repository(text)
    assert (found.url, found.authority) == (url, authority)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--upload-pack=/bin/sh",
        "-oProxyCommand=x:y",
        "ext::sh -c whoami",
        "ext::whoami",
        "file:///etc",
        "/etc/passwd",
        "../x",
        "git://git.example.com/x",
        "ftp://git.example.com/x",
        "fd::17/x",
        "https::http://x/y",
        "https://",
        "https:///x",
        "https://git.example.com",
        "https://git.example.com/",
        "https://git.example.com/x\ny",
        "https://git.example.com/x y",
        "https://git.example.com\\@evil.example.com/x",
        "https://-evil/x",
        "ssh://-oProxyCommand=x/y",
        "ssh://-x@host/y",
        "-x@host:y",
        "host:-x",
        "https://git.example.com:99999/x",
        "https://git.example.com:x/x",
        "https://git.example.com/x?service=y",
        "https://git.example.com/x#y",
        "https://git.example.com/\x00",
        "https://[::1/x",
        "https://ex$(id).com/x",
        "https://git.example.com../x",
        "https://git.example.com:0/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://0x7f.0.0.1/x",
        "https://0177.0.0.1/x",
        "https://[fe80::1%25eth0]/x",
        "https://[::1%eth0]/x",
        "git@[fe80::1%eth0]:x",
        "https://\uff11\uff12\uff17.0.0.1/x",
        "https://127\u30020\u30020\u30021/x",
        "https://git\u2024example.com/x",
        "https://\u212a.example.com/x",
        "https://a%2eexample.com/x",
        "ssh://-oProxyCommand=id@host/x",
        "ssh://a b@host/x",
        "ssh://$(id)@host/x",
    ],
)
def test_repositories_that_are_refused(text: str) -> None:
    """Options, other transports, control characters, and what is no URL."""
    with pytest.raises(InvalidInput) as refused:
        rules.check_repository(text)
    assert (refused.value.field, refused.value.code) == ("repository", "repository-invalid")


@pytest.mark.parametrize(
    "text", ["https://u:p@git.example.com/x", "https://token@git.example.com/x", "ssh://u:p@h/x"]
)
def test_passwords_in_urls(text: str) -> None:
    """Refused with a hint, and not repeated."""
    with pytest.raises(InvalidInput) as refused:
        rules.check_repository(text)
    assert refused.value.code == "repository-password"
    assert "git_credentials" in refused.value.hint
    assert "token" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "allowed", "denied", "passes"),
    [
        ("git.example.com", ("*",), (), True),
        ("git.example.com", ("*.example.com",), (), True),
        ("GIT.example.com", ("git.EXAMPLE.com",), (), True),
        ("example.org", ("*.example.com",), (), False),
        ("git.example.com", ("*",), ("git.example.com",), False),
        ("git.example.com:3000", ("git.example.com:3000",), (), True),
        ("git.example.com:22", ("git.example.com:3000",), (), False),
        ("git.example.com", (), (), False),
        ("git.example.com", ("git.example.com:443",), (), True),
        ("git.example.com:443", ("git.example.com:443",), (), True),
        ("git.example.com:8443", ("git.example.com:443",), (), False),
        ("git.example.com", ("*",), ("git.example.com:443",), False),
        ("git.example.com", ("*",), ("*.example.com:4*",), False),
        ("git.example.com", ("*",), ("Git.Example.com.",), False),
        ("git.example.com", ("*",), ("[a-g]it.example.com:443",), False),
        ("[2001:db8::7]", ("*",), ("[2001:db8::7]",), False),
        ("[2001:db8::7]", ("*",), ("2001:DB8:0::7",), False),
        ("[2001:db8::7]", ("*",), ("[2001:DB8:0::7]:443",), False),
        ("[2001:db8::7]:8443", ("*",), ("[2001:db8::7]:443",), True),
        ("[2001:db8::7]:8443", ("[2001:db8::7]:8443",), (), True),
        ("d", ("[2001:db8::7]",), (), False),
    ],
)
def test_hosts(host: str, allowed: tuple[str, ...], denied: tuple[str, ...], passes: bool) -> None:
    """The settings' patterns; what is denied stays so, whatever is allowed, and however the URL or
    the setting writes its host or port."""
    repository = rules.check_repository(f"https://{host}/x")
    if passes:
        rules.check_host(repository, allowed=allowed, denied=denied)
    else:
        with pytest.raises(Forbidden, match="reads no repositories from"):
            rules.check_host(repository, allowed=allowed, denied=denied)


@pytest.mark.parametrize(
    "ref", ["", "main", "feature/x-1", "v1.0", "refs/tags/v1", "0" * 40, "ä", "a@b", "@a"]
)
def test_refs_that_are_accepted(ref: str) -> None:
    """Branches, tags, whole names, commits."""
    assert rules.check_ref(ref) == ref


@pytest.mark.parametrize(
    "ref",
    ["-x", "--upload-pack=x", "a..b", "a b", "a~1", "a^", "a:b", "+a:b", "a?", "a*", "a[", "a\\b", "a@{1}", "@", "/a",
     "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a\x00", "a\n", "a\x7f"],
)  # fmt: skip
def test_refs_that_are_refused(ref: str) -> None:
    """As git-check-ref-format has it, and what would be an option or a refspec."""
    if ref == "+a:b":
        assert ":" in ref
    with pytest.raises(InvalidInput) as refused:
        rules.check_ref(ref)
    assert (refused.value.field, refused.value.code) == ("ref", "ref-invalid")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "-x", "a\nb", "a\0b"]
)
def test_paths_that_are_refused(path: str) -> None:
    """Only a path inside the repository."""
    assert rules.check_path("backend/my devfile.yaml")
    with pytest.raises(InvalidInput) as refused:
        rules.check_path(path)
    assert refused.value.field == "devfile"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (
            "fatal: could not read Username for 'https://h': terminal prompts disabled",
            "repository-private",
        ),
        ("fatal: Authentication failed for 'https://h/x/'", "repository-private"),
        (
            "git@h: Permission denied (publickey).\nfatal: Could not read from remote",
            "repository-private",
        ),
        (
            "fatal: unable to access 'x': The requested URL returned error: 403",
            "repository-private",
        ),
        ("remote: Repository not found.\nfatal: repository 'x' not found", "repository-not-found"),
        ("fatal: x/info/refs not valid: is this a git repository?", "repository-not-found"),
        (
            "fatal: unable to access 'x': SSL certificate problem: self-signed certificate",
            "repository-certificate",
        ),
        (
            "fatal: unable to access 'x': server certificate verification failed. CAfile: none",
            "repository-certificate",
        ),
        ("fatal: unable to access 'x': Could not resolve host: h", "repository-unreachable"),
        (
            "fatal: unable to access 'x': Failed to connect to h port 80 after 0 ms",
            "repository-unreachable",
        ),
        ("ssh: connect to host h port 22: Connection refused", "repository-unreachable"),
        (
            "Host key verification failed.\nfatal: Could not read from remote repository.",
            "repository-host-key",
        ),
        ("remote: HTTP Basic: Access denied", "repository-private"),
        ("fatal: unable to access 'x': x509: unknown authority", "repository-certificate"),
        ("fatal: the remote end hung up unexpectedly", "repository-unreachable"),
        ("something that nobody foresaw", "repository-unreadable"),
        ("", "repository-unreadable"),
    ],
)
def test_errors_of_git(words: str, code: str) -> None:
    """What Git says becomes an error with a code, a sentence and a hint."""
    error = errors.error_of(words, rules.check_repository("https://h/x"), limit=1)
    assert isinstance(error, InvalidInput)
    assert (error.code, error.field) == (code, "repository")
    assert error.message
    assert error.hint


@pytest.mark.parametrize("kind", ["remote", "fatal"])
def test_what_a_host_says_is_repeated_in_plain_letters(kind: str) -> None:
    """Nothing of it reaches a terminal or a page that either would act on, and it is short."""
    said = f"{kind}: \x1b[2Jred\x1b]0;title\x07 \u202eleft \x9b31m\u2028line" + "x" * 5000
    for error in (
        errors.error_of(said, rules.check_repository("https://h/x"), limit=1),
        errors.unreachable(rules.check_repository("https://h/x"), said),
        errors.missing_ref("main", [said]),
    ):
        assert str(error).isprintable()
        assert len(str(error)) < 600
    assert "red" in str(error)


def test_errors_about_size_and_space() -> None:
    """Too much to receive is the repository's fault, a full disk is ours."""
    repository = rules.check_repository("https://h/x")
    words = "warning: filtering not recognized by server, ignoring\nfatal: fetch-pack: invalid index-pack output\n"
    assert isinstance(errors.error_of(words, repository, limit=1), TooLarge)
    words = f"fatal: write error: No space left on device\n{words}"
    assert isinstance(errors.error_of(words, repository, limit=1), Unavailable)
