"""Git's words. Pure."""

from __future__ import annotations

import re

from moorage.agent.causes.verdict import NO_SPACE, Verdict, make_cause, matches, no_space

_USERINFO = re.compile(r"(?<=://)[^\s/]+@")
"""Of a URL. Some give a token for a name there."""


def of_clone(url: str, ref: str, code: str, said: str) -> Verdict:
    """Of a project that could not be cloned. `code`: the step that failed; `said`: Git's last words."""
    where, said = without_password(url), without_password(said)
    if matches(said, *NO_SPACE):
        return no_space("on the workspace's volume", said)
    # Whoever makes folders, and moves the clone there, says so in other words than Git.
    ours = code in ("prepare", "place")
    if matches(said, "can't create directory", "cannot mkdir", "could not create work tree") or (
        ours and matches(said, "permission denied", "not permitted", "read-only file system")
    ):
        return Verdict(
            make_cause(
                "volume-not-writable",
                "The workspace's volume cannot be written to.",
                said,
                "Its storage must heed fsGroup, or give its folders to group 0: take another storage class.",
            ),
            True,
        )
    if code == "unknown-ref":
        return Verdict(
            make_cause(
                "ref-not-found",
                f"{where} has no branch, tag or commit {ref!r}.",
                said,
                "Check the ref's name, and that it has been pushed.",
            ),
            True,
        )
    if matches(said, "ssl certificate", "server certificate", "certificate verif", "x509"):
        return Verdict(
            make_cause(
                "clone-untrusted",
                f"The certificate of {where} is not trusted.",
                said,
                "Give the agent the CA that signed it (ca_bundle under [agent]).",
            ),
            True,
        )
    if matches(
        said, "authentication failed", "could not read username", "could not read password", "terminal prompts disabled",
        r"returned error: 40[13]", "permission denied", "access denied", "host key verification failed",
    ):  # fmt: skip
        return Verdict(
            make_cause(
                "clone-refused",
                f"{where} refuses to be cloned: it is private, or the credential is not accepted.",
                said,
                "Check the address and the credential.",
            ),
            True,
        )
    if matches(
        said,
        "repository .* not found",
        r"returned error: 404",
        "does not appear to be a git repository",
        "not valid: is this a git repository",
    ):
        return Verdict(
            make_cause(
                "repository-not-found",
                f"There is no repository at {where}, or it is private.",
                said,
                "Check the address; a private repository needs a credential.",
            ),
            True,
        )
    if matches(
        said, "could not resolve", "failed to connect", "couldn't connect", "connection refused", "timed out", "unable to access",
        "connection reset", "network is unreachable", "no route to host", "unable to connect", "hung up",
    ):  # fmt: skip
        return Verdict(
            make_cause(
                "clone-unreachable",
                f"{where} cannot be reached from the workspace.",
                said,
                "Check the address, and the machine's network, DNS and proxy.",
            ),
            True,
        )
    if matches(said, "transport .* not allowed", "protocol .* not (supported|allowed)"):
        return Verdict(
            make_cause(
                "clone-scheme", f"{where} is no http, https or ssh address.", said, "Use one of these."
            ),
            True,
        )
    return Verdict(
        make_cause("clone-failed", f"Cloning {where} failed.", said, "Git's last words are below."), True
    )


def credential_not_taken() -> Verdict:
    """Of a sandbox that gives no sign that it would keep a credential to itself."""
    return Verdict(
        make_cause(
            "credential-not-taken",
            "The workspace's tools are of an earlier version, or do not answer: the repository's credential was not handed over.",
            hint="Restart the workspace. If that does not help, give the agent the tools image of its own version (tools_image).",
        ),
        True,
    )


def clone_timeout(seconds: float) -> Verdict:
    return Verdict(
        make_cause(
            "clone-timeout",
            f"The projects were not cloned after {seconds:.0f} s.",
            hint="Raise clone_timeout under [agent], or use a smaller repository.",
        ),
        True,
    )


def without_password(text: str) -> str:
    """Addresses in it without user and password."""
    return _USERINFO.sub("", text)
