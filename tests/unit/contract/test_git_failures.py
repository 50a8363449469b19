"""What Git means by its words."""

from __future__ import annotations

import pytest

from moorage.contract.git_failures import GitFailure, failure_of, names_missing_ref

WORDS = [
    ("fatal: write error: No space left on device", GitFailure.NO_SPACE),
    ("fatal: write error: Disk quota exceeded", GitFailure.NO_SPACE),
    ("fatal: fetch-pack: invalid index-pack output", GitFailure.TOO_LARGE),
    ("error: index-pack died of signal 25", GitFailure.TOO_LARGE),
    ("Host key verification failed.\nfatal: Could not read from remote.", GitFailure.HOST_KEY),
    (
        "fatal: could not read Username for 'https://h': terminal prompts disabled",
        GitFailure.REFUSED,
    ),
    ("remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'x'", GitFailure.REFUSED),
    ("fatal: unable to access 'x': The requested URL returned error: 401", GitFailure.REFUSED),
    ("git@h: Permission denied (publickey).", GitFailure.REFUSED),
    ("fatal: unable to access 'x': SSL certificate problem: expired", GitFailure.CERTIFICATE),
    ("fatal: unable to access 'x': server certificate verification failed", GitFailure.CERTIFICATE),
    ("fatal: unable to access 'x': Could not resolve host: h", GitFailure.UNREACHABLE),
    ("ssh: connect to host h port 22: Connection timed out", GitFailure.UNREACHABLE),
    ("fatal: unable to access 'x': Recv failure: Connection reset", GitFailure.UNREACHABLE),
    ("fatal: the remote end hung up unexpectedly", GitFailure.UNREACHABLE),
    ("fatal: unable to access 'x': something new of curl's", GitFailure.UNREACHABLE),
    ("fatal: unable to access 'x': The requested URL returned error: 500", GitFailure.UNKNOWN),
    ("fatal: couldn't find remote ref refs/heads/none", GitFailure.MISSING_REF),
    ("fatal: unable to access 'x': The requested URL returned error: 404", GitFailure.ABSENT),
    ("remote: Not found.", GitFailure.ABSENT),
    ("ERROR: Repository not found.\nfatal: the remote end hung up", GitFailure.ABSENT),
    ("fatal: '/x' does not appear to be a git repository", GitFailure.ABSENT),
    ("fatal: transport 'file' not allowed", GitFailure.PROTOCOL),
    ("fatal: protocol 'ext' is not supported", GitFailure.PROTOCOL),
    ("sh: git-lfs: not found", GitFailure.UNKNOWN),
    ("bash: git-lfs: command not found", GitFailure.UNKNOWN),
    ("", GitFailure.UNKNOWN),
]


@pytest.mark.parametrize(("words", "failure"), WORDS)
def test_words(words: str, failure: GitFailure) -> None:
    """Git's own words, and those of the programs that it calls, have one meaning on server and
    agent."""
    assert failure_of(words) is failure


def test_a_missing_ref_beside_other_words() -> None:
    """A ref that is not there is known as such, whatever the host says after it."""
    assert names_missing_ref(
        "error: Server does not allow request for unadvertised object 1\nhung up"
    )
    assert not names_missing_ref("fatal: repository 'x' not found")
