"""What Git means by its words when it fails, for servers and agents, which both run it. Pure.

Git is to run with `LC_ALL=C`: it has no other sign of why it failed than what it writes, and what
the programs that it calls write (curl, ssh).
"""

from __future__ import annotations

import re
from enum import StrEnum


class GitFailure(StrEnum):
    NO_SPACE = "no-space"
    TOO_LARGE = "too-large"
    """More than a limit of this side lets it receive or hold."""
    HOST_KEY = "host-key"
    """The host of an SSH address shows no key that is known to be its own."""
    REFUSED = "refused"
    """The host wants to know who asks, or does not let them in."""
    CERTIFICATE = "certificate"
    UNREACHABLE = "unreachable"
    MISSING_REF = "missing-ref"
    ABSENT = "absent"
    """The host has no such repository, or does not say that it has."""
    PROTOCOL = "protocol"
    """The address is none that Git may use here."""
    UNKNOWN = "unknown"


_MARKS: tuple[tuple[GitFailure, tuple[str, ...]], ...] = (
    (GitFailure.NO_SPACE, ("no space left", "enospc", "disk quota")),
    # A program that writes more than RLIMIT_FSIZE allows is ended by SIGXFSZ, 25 on Linux; Git then
    # misses its output. One that needs more memory than RLIMIT_DATA allows says so.
    (
        GitFailure.TOO_LARGE,
        ("file too large", "signal 25", "invalid index-pack output", "out of memory"),
    ),
    (GitFailure.HOST_KEY, ("host key verification failed", "no matching host key type")),
    (
        GitFailure.REFUSED,
        (
            "authentication failed",
            "could not read username",
            "could not read password",
            "terminal prompts disabled",
            "returned error: 40[13]",
            "permission denied",
            "access denied",
        ),
    ),
    (
        GitFailure.CERTIFICATE,
        (
            "ssl certificate",
            "server certificate",
            "certificate verif",
            "x509",
            "ssl routines",
            "gnutls",
            "tls connect",
        ),
    ),
    (
        GitFailure.UNREACHABLE,
        (
            "could not resolve",
            "failed to connect",
            "couldn't connect",
            "unable to connect",
            "connection refused",
            "connection reset",
            "connection closed",
            "timed out",
            "no route to host",
            "network is unreachable",
            "empty reply from server",
            "operation too slow",
            "recv failure",
        ),
    ),
    (
        GitFailure.MISSING_REF,
        (
            "couldn't find remote ref",
            "not our ref",
            "no such remote ref",
            "unadvertised object",
        ),
    ),
    (
        GitFailure.ABSENT,
        (
            "returned error: 404",
            # A repository, and no program of this side's ("sh: git-lfs: not found").
            "(remote|error|fatal): not found",
            "(?<!command )(?<!: )not found",
            "does not appear to be a git repository",
            "does not exist",
            "not valid: is this a git repository",
        ),
    ),
    (
        GitFailure.PROTOCOL,
        ("transport .* not allowed", "protocol .* not (supported|allowed)"),
    ),
    # Said of failures that have one of the reasons above, too: it decides where nothing else does.
    # A host that answers with an error of its own has been reached.
    (GitFailure.UNREACHABLE, ("unable to access(?!.*returned error: 5)", "hung up")),
)
"""Regular expressions in small letters, the most telling first."""


def failure_of(words: str) -> GitFailure:
    """The reason behind what Git wrote."""
    said = words.lower()
    for failure, marks in _MARKS:
        if any(re.search(mark, said) for mark in marks):
            return failure
    return GitFailure.UNKNOWN


def names_missing_ref(words: str) -> bool:
    """Whether Git says that a ref is not there, whatever else it says."""
    marks = next(marks for failure, marks in _MARKS if failure is GitFailure.MISSING_REF)
    return any(mark in words.lower() for mark in marks)
