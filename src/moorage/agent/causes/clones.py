"""Why cloning a repository fails.

Pure; `contract.git_failures` says what Git means by its words.
"""

from __future__ import annotations

import re

from moorage.agent.causes.verdict import Verdict, make_cause, matches, no_space
from moorage.contract import Cause
from moorage.contract.git_failures import GitFailure, failure_of

_USERINFO = re.compile(r"(?<=://)[^\s/]+@")
"""User and password of a URL. Some give a token for a name there."""


def of_clone(url: str, ref: str, code: str, said: str) -> Verdict:
    """Why a project could not be cloned. `code`: the step that failed; `said`: Git's last words."""
    where, said = without_password(url), without_password(said)
    failure = failure_of(said)
    if failure is GitFailure.NO_SPACE:
        return no_space("on the workspace's volume", said)
    if _is_about_the_volume(code, said):
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
        failure = GitFailure.MISSING_REF
    return Verdict(_cause_of(failure, where, ref, said), True)


def _is_about_the_volume(code: str, said: str) -> bool:
    """Whoever makes folders, and moves the clone there, says so in other words than Git."""
    if matches(said, "can't create directory", "cannot mkdir", "could not create work tree"):
        return True
    ours = code in ("prepare", "place")
    return ours and matches(said, "permission denied", "not permitted", "read-only file system")


def _cause_of(failure: GitFailure, where: str, ref: str, said: str) -> Cause:
    match failure:
        case GitFailure.MISSING_REF:
            return make_cause(
                "ref-not-found",
                f"{where} has no branch, tag or commit {ref!r}.",
                said,
                "Check the ref's name, and that it has been pushed.",
            )
        case GitFailure.CERTIFICATE:
            return make_cause(
                "clone-untrusted",
                f"The certificate of {where} is not trusted.",
                said,
                "Give the agent the CA that signed it (ca_bundle under [agent]).",
            )
        case GitFailure.HOST_KEY:
            return make_cause(
                "clone-host-key",
                f"The host of {where} shows no host key that the workspace knows it by.",
                said,
                "Add its key to ~/.ssh/known_hosts in the workspace, or take the https address.",
            )
        case GitFailure.REFUSED:
            return make_cause(
                "clone-refused",
                f"{where} refuses to be cloned: it is private, or the credential is not accepted.",
                said,
                "Check the address and the credential.",
            )
        case GitFailure.ABSENT:
            return make_cause(
                "repository-not-found",
                f"There is no repository at {where}, or it is private.",
                said,
                "Check the address; a private repository needs a credential.",
            )
        case GitFailure.UNREACHABLE:
            return make_cause(
                "clone-unreachable",
                f"{where} cannot be reached from the workspace.",
                said,
                "Check the address, and the machine's network, DNS and proxy.",
            )
        case GitFailure.PROTOCOL:
            return make_cause(
                "clone-scheme",
                f"{where} is no http, https or ssh address.",
                said,
                "Use one of these.",
            )
    return make_cause(
        "clone-failed", f"Cloning {where} failed.", said, "Git's last words are below."
    )


def submodule_missing(project: str, submodule: str, url: str, ref: str, *, said: str) -> Cause:
    """What is told of a submodule that could not be cloned, of a project that could. `said`: why,
    in our own words or, where there is a `url`, in Git's."""
    where, said = without_password(url), without_password(said)
    why = said
    if where:
        why = _cause_of(failure_of(said), where, ref, said).message.rstrip(".")
    return make_cause(
        "submodule-not-cloned",
        f"The submodule {submodule} of {project} was not cloned: {why}.",
        said if where else "",
        f"Its folder is empty. What can be mended, mend, then run in {project}: git submodule update --init --recursive",
    )


def history_late(project: str, url: str, said: str, *, again: bool) -> Cause:
    """What is told of a project that has its newest commit, and not its history yet. `again`:
    whether it is tried again by itself."""
    where, said = without_password(url), without_password(said)
    why = _cause_of(failure_of(said), where, "", said).message
    until = "Until it is there, git log, blame and other branches show what is there."
    return make_cause(
        "history-not-fetched",
        f"The history of {project} has not come. {why}",
        said,
        f"It is tried again by itself. {until}"
        if again
        else f"Restart the workspace to have it tried again. {until}",
    )


def credential_not_taken() -> Verdict:
    """The cause of a sandbox that gives no sign that it would keep a credential to itself."""
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
