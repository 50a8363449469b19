"""What the owner of a workspace asked for: where its devfile is read, and what is added to it.
Pure."""

from __future__ import annotations

import msgspec

from moorage.contract import WorkspaceSpec
from moorage.server.repositories.commits import Reading
from moorage.server.repositories.refs import RefKind
from moorage.server.repositories.web_addresses import read_address
from moorage.server.workspaces.specs import OWN_VARIABLES


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The same place is read again, later: a branch goes on, and so does the default one."""

    repository: str
    ref: str = ""
    """"": the default branch, whichever that is."""
    named: str = ""
    """Folder or file that the repository's address named."""
    devfile: str = ""
    """Path; "": the usual names, then a default."""
    env: dict[str, str] = {}
    editor: str = ""
    """"": the first that is defined."""
    cloned: str = ""
    """The ref that the clone was made from: another devfile leaves the clone as it is."""


def settled(asked: Asked, reading: Reading) -> Asked:
    """The same, once it was read: what the address named stands on its own, so that another ref may
    be asked for beside it."""
    address = read_address(asked.repository)
    named = asked.ref or address.ref or address.tail
    return msgspec.structs.replace(
        asked,
        repository=address.repository,
        ref=reading.ref.name if named else "",
        named=asked.named or reading.named,
        cloned=asked.cloned or reading.ref.name,
    )


def changed(asked: Asked, *, ref: str | None, devfile: str | None) -> Asked:
    """`ref`, `devfile`: what is asked for instead; None: as before."""
    return msgspec.structs.replace(
        asked,
        ref=asked.ref if ref is None else ref,
        devfile=asked.devfile if devfile is None else devfile,
    )


def encode(asked: Asked) -> str:
    return msgspec.json.encode(asked).decode()


def decode(stored: str) -> Asked | None:
    """None: it was not kept."""
    return msgspec.json.decode(stored, type=Asked) if stored else None


def owners_variables(spec: WorkspaceSpec, devfiles: WorkspaceSpec) -> dict[str, str]:
    """The variables that a workspace's owner has set, where nobody has kept them: what its main
    container has, and the devfile (as `devfiles`) and Moorage have not."""
    env, known = _main_env(spec), _main_env(devfiles)
    return {
        name: value
        for name, value in env.items()
        if name not in OWN_VARIABLES and known.get(name) != value
    }


def clone_words(cloned: str, reading: Reading, folder: str, remote: str) -> tuple[str, str]:
    """Tells that the clone is not what the devfile is of, and how to change that: a sentence, and a
    command line. ("", "") when there is nothing to tell."""
    ref = reading.ref
    if not cloned or not ref.name or cloned == ref.name:
        return "", ""
    fetch = f"git fetch {remote} {ref.fetched_as}"
    switch = "git switch --detach FETCH_HEAD"
    if ref.kind is RefKind.BRANCH:
        fetch, switch = f"git fetch {remote}", f"git switch {ref.name}"
    message = (
        f"The devfile is of {ref.name}. The clone in {folder} was made from {cloned}, and stays on"
        " whatever is checked out there, with all that is not committed."
    )
    return message, f"{fetch} && {switch}"


def _main_env(spec: WorkspaceSpec) -> dict[str, str]:
    return next((c.env for c in spec.containers if c.name == spec.main_container), {})
