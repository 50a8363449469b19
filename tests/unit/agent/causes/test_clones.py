"""Git's words about a clone, and the causes that they become."""

from __future__ import annotations

import pytest

from moorage.agent import causes

CLONES = [
    ("list", "fatal: unable to access 'http://x/': Could not resolve host: x", "clone-unreachable"),
    ("list", "fatal: unable to access 'http://x/': Failed to connect to x port 80: Connection refused", "clone-unreachable"),
    ("list", "fatal: unable to access 'https://x/': SSL certificate problem: unable to get local issuer certificate", "clone-untrusted"),
    ("list", "fatal: could not read Username for 'https://x': terminal prompts disabled", "clone-refused"),
    ("list", "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://x/'", "clone-refused"),
    ("list", "fatal: unable to access 'https://x/': The requested URL returned error: 403", "clone-refused"),
    ("list", "mkdir: can't create directory '/projects/app/': Permission denied", "volume-not-writable"),
    ("list", "git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.", "clone-refused"),
    ("list", "fatal: repository 'https://x/' not found", "repository-not-found"),
    ("list", "remote: Repository not found.\nfatal: repository 'https://x/a.git/' not found", "repository-not-found"),
    ("fetch", "error: RPC failed; curl 18 transfer closed\nfatal: the remote end hung up unexpectedly", "clone-unreachable"),
    ("checkout", "fatal: write error: No space left on device", "no-space"),
    ("prepare", "mkdir: can't create directory '/projects/app': No space left on device", "no-space"),
    ("prepare", "EACCES: permission denied, mkdir 'app'", "volume-not-writable"),
    ("place", "EROFS: read-only file system, mkdir 'app'", "volume-not-writable"),
    ("place", "ENOSPC: no space left on device, copyfile 'a' -> 'b'", "no-space"),
    ("unknown-ref", "", "ref-not-found"),
    ("list", "Host key verification failed.\nfatal: Could not read from remote repository.", "clone-host-key"),
    ("list", "fatal: unable to access 'https://x/': gnutls_handshake() failed: The TLS connection was non-properly terminated.", "clone-untrusted"),
    ("list", "fatal: unable to access 'https://x/': Empty reply from server", "clone-unreachable"),
    ("fetch", "fatal: couldn't find remote ref v9", "ref-not-found"),
    ("list", "fatal: transport 'file' not allowed", "clone-scheme"),
    ("checkout", "fatal: something new", "clone-failed"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "said", "code"), CLONES)
def test_clones(step: str, said: str, code: str) -> None:
    """Git's words become a cause that keeps them, names the address, and is final."""
    verdict = causes.of_clone("https://x/a.git", "main", step, said)
    assert (verdict.cause.code, verdict.final) == (code, True)
    assert said in verdict.cause.detail
    if code not in ("no-space", "volume-not-writable"):
        assert "https://x/a.git" in verdict.cause.message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@x.org/a.git", "https://x.org/a.git"),
        ("https://x.org/a.git", "https://x.org/a.git"),
        ("git@x.org:a.git", "git@x.org:a.git"),
        ("https://user:secret@[x.org/a.git", "https://[x.org/a.git"),
        ("https://user:se@secret@x.org/a.git", "https://x.org/a.git"),
        ("https://x.org/a@b.git", "https://x.org/a@b.git"),
    ],
)
def test_addresses_are_shown_without_password(url: str, shown: str) -> None:
    """An address in a cause never shows a password."""
    assert causes.without_password(url) == shown
    assert "secret" not in str(
        causes.of_clone(url, "", "list", f"fatal: unable to access '{url}': timed out").cause
    )
    said = "fatal: could not read Password for 'https://secret@x.org': terminal prompts disabled"
    assert "secret" not in str(causes.of_clone(url, "", "list", said).cause)


@pytest.mark.parametrize(
    ("url", "said", "told"),
    [
        ("", "its URL is no http, https or ssh address", "its URL is no http, https or ssh address."),
        ("https://me:secret@x/l.git", "fatal: could not read Username for 'https://x'", "https://x/l.git refuses to be cloned"),
        ("https://x/l.git", "fatal: remote error: upload-pack: not our ref abc", "no branch, tag or commit 'abc'"),
    ],
)  # fmt: skip
def test_a_submodule_that_is_not_there(url: str, said: str, told: str) -> None:
    """It is named, with its project and the reason, without a password, and with what to run."""
    cause = causes.submodule_missing("app", "libs/l", url, "abc", said=said)
    assert cause.code == "submodule-not-cloned"
    assert cause.message.startswith("The submodule libs/l of app was not cloned: ")
    assert told in cause.message
    assert "git submodule update" in cause.hint
    assert "secret" not in str(cause)
