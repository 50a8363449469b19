"""Errors about a repository, for a person. Pure."""

from __future__ import annotations

import re

from moorage.contract.git_failures import GitFailure, failure_of
from moorage.kernel.errors import Forbidden, InvalidInput, MoorageError, TooLarge, Unavailable
from moorage.server.repositories.rules import Repository

SAID = 300
"""Characters of a host's own words that are repeated."""


def error_of(words: str, repository: Repository, *, limit: int) -> MoorageError:
    """The error behind what Git wrote. `limit`: bytes that it was allowed to receive."""
    match failure_of(words):
        case GitFailure.NO_SPACE:
            return Unavailable(
                "The server has no space left to read the repository.",
                code="no-space",
                hint="An administrator has to make room where it keeps temporary files.",
            )
        case GitFailure.TOO_LARGE:
            return too_large(repository, limit)
        case GitFailure.HOST_KEY:
            return _error(
                "repository-host-key",
                f"{repository.host} shows another host key than the one that it is known by here, so nothing is read from it.",
                "It may be another host than it says. An administrator compares its key with that in the file of the setting git_ssh.",
            )
        case GitFailure.REFUSED:
            return _private(repository)
        case GitFailure.CERTIFICATE:
            return _error(
                "repository-certificate",
                f"The certificate of {repository.host} is not trusted.",
                "If it is your organisation's own, an administrator adds its authority by the setting ca_bundle.",
                said=_last(words),
            )
        case GitFailure.UNREACHABLE:
            return unreachable(repository, _last(words))
        case GitFailure.ABSENT:
            return _error(
                "repository-not-found",
                f"There is no Git repository at {repository.url}",
                "Look at the URL: it is the one that git clone takes.",
            )
    return _error(
        "repository-unreadable",
        f"Git cannot read {repository.url}: {_last(words)}",
        "Look at the URL.",
    )


def missing_ref(ref: str, branches: list[str]) -> MoorageError:
    """`branches`: those that there are; none at all means that the repository is empty."""
    if not branches:
        return _error(
            "repository-empty",
            "The repository is empty: it has no commit yet.",
            "Push a first commit, with a devfile.",
        )
    shown = _clean(", ".join(branches[:8])) + (", …" if len(branches) > 8 else "")
    if not ref:
        return InvalidInput(
            "The repository's default branch does not exist.",
            code="ref-not-found",
            hint=f"Choose a branch. It has: {shown}.",
            field="ref",
        )
    without = ref.removeprefix("origin/")
    meant = f"Write {without}, without origin/. " if without != ref and without in branches else ""
    return InvalidInput(
        f"The repository has no branch, tag or commit {ref}.",
        code="ref-not-found",
        hint=f"{meant}Its branches: {shown}. A commit is named by all 40 digits.",
        field="ref",
    )


def no_commit(ref: str) -> MoorageError:
    return InvalidInput(
        f"{ref} is no commit: it is a tag of a file or a folder.",
        code="ref-not-found",
        hint="Choose a branch, or a tag of a commit.",
        field="ref",
    )


def no_path(path: str, ref: str) -> MoorageError:
    return InvalidInput(
        f"The repository has no {path} at {ref}.",
        code="path-not-found",
        hint="Look at the address, or give the repository's own.",
        field="repository",
    )


def not_reached(repository: Repository) -> MoorageError:
    """The same for a name that is not known and for one that leads where nothing is read: whoever
    asks learns nothing of what there is inside of the network."""
    return Forbidden(
        f"Nothing is read from {repository.authority}: it is not known here, or is no public address.",
        code="repository-host-denied",
        hint="Look at the URL. An administrator lets a host or network of the organisation's own be read from by the setting"
        " repository_networks under [server]; the server's log has the address.",
        field="repository",
    )


def no_ssh(repository: Repository) -> MoorageError:
    return Forbidden(
        f"This installation reads no repositories from {repository.authority} by SSH.",
        code="repository-ssh-denied",
        hint="Give the repository's https URL; or an administrator names the host and a key for it in the file of the setting"
        " git_ssh.",
        field="repository",
    )


def unreachable(repository: Repository, detail: str) -> MoorageError:
    return _error(
        "repository-unreachable",
        f"{repository.host} cannot be reached: {_clean(detail)}",
        "Look at the URL, and at whether the server can reach this host.",
    )


def timed_out(repository: Repository, seconds: float) -> MoorageError:
    return _error(
        "repository-timeout",
        f"{repository.host} did not answer within {seconds:g} seconds.",
        "Try again; if it goes on, look at whether that host is well.",
    )


def too_large(repository: Repository, limit: int) -> MoorageError:
    return TooLarge(
        f"To read the devfile, more than {limit} bytes of {repository.url} would have to be received.",
        code="repository-too-large",
        hint="Its host cannot send single files (Git's filter); an administrator can raise repository_transfer.",
        field="repository",
        limit=limit,
    )


def no_devfile(path: str, names: tuple[str, ...], ref: str) -> MoorageError:
    """`names`: what was looked for when no path was given."""
    where = f" at {ref}" if ref else ""
    if path:
        message, hint = (
            f"The repository has no file {path}{where}.",
            "Give the path from the repository's top.",
        )
    else:
        message = f"The repository has no devfile{where}. Looked for: {', '.join(names)}."
        hint = "Add one (https://devfile.io), or name another path."
    return InvalidInput(message, code="devfile-not-found", hint=hint, field="devfile")


def devfile_too_large(path: str, size: int, limit: int) -> MoorageError:
    return TooLarge(
        f"The devfile {path} has {size} bytes; at most {limit} are read.",
        code="devfile-too-large",
        field="devfile",
        limit=limit,
    )


def no_text(path: str) -> MoorageError:
    return InvalidInput(
        f"The file {path} is not text in UTF-8.", code="devfile-invalid", field="devfile"
    )


def _private(repository: Repository) -> InvalidInput:
    setting = "git_ssh" if repository.scheme == "ssh" else "git_credentials"
    plain = repository.scheme == "http"
    end = ", and has to allow http there, as this URL does not say https." if plain else "."
    return _error(
        "repository-private",
        f"{repository.host} does not show this repository without signing in.",
        f"It is private, or it is not there. An administrator can set what opens this host, by the setting {setting}{end}",
    )


def _error(code: str, message: str, hint: str, **details: str) -> InvalidInput:
    return InvalidInput(message, code=code, hint=hint, field="repository", **details)


def _last(words: str) -> str:
    """The last thing that Git said, without its prefixes."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"(fatal|error|remote|ssh):", line)]
    line = (told or lines or ["it says nothing"])[0]
    return _clean(re.sub(r"^(fatal|error|remote): (unable to access '[^']*': )?", "", line))


def _clean(words: str) -> str:
    """Words of another host, as they may stand in a sentence: without what a terminal or a browser
    would act on, and short."""
    return "".join(c if c.isprintable() else "?" for c in words)[:SAID]
