"""From a devfile's text to the spec that is stored: step 1 and step 2a, and what only the server
knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from moorage import translation
from moorage.contract import Container, EditorSpec, Project, WorkspaceSpec
from moorage.contract.hosts import PORT, port_pattern
from moorage.devfile import DevfileError, Problem, Resolver, dump
from moorage.server.repositories.commits import Missing, Reading
from moorage.server.repositories.refs import Ref, short_name
from moorage.server.workspaces import schemas
from moorage.server.workspaces.decisions import repository_name

PROXY_VARIABLE = "VSCODE_PROXY_URI"
"""Tells VS Code how a port that it forwards is reached; VS Code itself replaces `{{port}}`."""
PAGE_VARIABLE = "MOORAGE_WORKSPACE_PAGE"
"""Tells what runs in the main container where the workspace's page is; the editor's link back to it
is made from it."""

HOSTS_VARIABLES = ("__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS", "RAILS_DEVELOPMENT_HOSTS")
"""Name hosts by which development servers (Vite, Rails) may be called: those of the zone."""
GIT_NAME, GIT_EMAIL = "MOORAGE_GIT_NAME", "MOORAGE_GIT_EMAIL"
OWN_VARIABLES = frozenset({PROXY_VARIABLE, PAGE_VARIABLE, *HOSTS_VARIABLES, GIT_NAME, GIT_EMAIL})
"""What the server itself sets in a workspace."""


@dataclass(frozen=True)
class DevfileParents:
    """Where the parents and plugins of devfiles are found."""

    resolver: Resolver


class Translated(NamedTuple):
    spec: WorkspaceSpec
    warnings: list[schemas.Warning]
    flat: str
    """The devfile, flattened: with its parents, plugins and variables."""


def translate(
    reading: Reading,
    editor: EditorSpec,
    resolver: Resolver | None = None,
    *,
    folder: str = "",
    default_image: str = "",
) -> Translated:
    """`folder`: where the repository is cloned to; "": its name. `default_image`: for a devfile
    without a container.

    Raises `DevfileError`, with all that is wrong. Takes a while for a large devfile: run it in a
    thread."""
    name = folder or repository_name(reading.url)
    project = Project(
        name=name,
        clone_path=name,
        url=reading.url,
        ref=short_name(reading.ref.full_name) or reading.commit,
        full_ref=reading.ref.full_name,
        commit=reading.commit,
    )
    try:
        flat = translation.read(reading.file.text, path=reading.file.path, resolver=resolver)
        made = translation.to_workspace_spec(
            flat.devfile,
            project=project,
            editor=editor,
            options=translation.Options(default_image=default_image),
        )
    except DevfileError as error:
        raise translation.shown(error, reading.file.text, path=reading.file.path) from None
    warnings = [_warning(problem) for problem in (*flat.warnings, *made.warnings)]
    told = [
        *_ref_warnings(reading.ref),
        *_default_warnings(reading),
        *map(_missing, reading.missing),
    ]
    told += warnings
    return Translated(_opened_at(made.spec, reading.folder), told, dump(flat.devfile))


def _opened_at(spec: WorkspaceSpec, folder: str) -> WorkspaceSpec:
    """The spec of a workspace whose editor opens a folder below the project's own."""
    if not folder or spec.editor is None:
        return spec
    open_path = spec.editor.open_path.replace("{folder}", f"{{folder}}/{quote(folder)}")
    return msgspec.structs.replace(
        spec, editor=msgspec.structs.replace(spec.editor, open_path=open_path)
    )


def _missing(part: Missing) -> schemas.Warning:
    match part:
        case Missing.LFS:
            return schemas.Warning(
                code="lfs-not-fetched",
                message="Files that the repository keeps by Git LFS are not fetched: pointers stand in their place.",
                path=".gitattributes",
                hint="Fetch them in the workspace: git lfs pull, with git-lfs in its image.",
            )


def _default_warnings(reading: Reading) -> list[schemas.Warning]:
    if not reading.chosen:
        return []
    hint = "Push a devfile of its own to have another: 'moor devfile init' in a clone writes one."
    return [schemas.Warning(code="devfile-default", message=reading.chosen, hint=hint)]


def _ref_warnings(ref: Ref) -> list[schemas.Warning]:
    if not ref.shadowed_tag:
        return []
    return [
        schemas.Warning(
            code="ref-twice",
            message=f"The repository has a branch and a tag of the name {ref.name}: the branch is taken.",
            hint=f"The tag is refs/tags/{ref.name}.",
        )
    ]


def for_workspace(
    spec: WorkspaceSpec, *, name: str, zone_url: str, origin: str, owner: str, env: dict[str, str]
) -> WorkspaceSpec:
    """The spec with what depends on the workspace's name and its owner's, and with what its owner
    wants to be set. `origin`: of Moorage's own pages."""
    own = {PROXY_VARIABLE: _proxy_address(zone_url, name), **author(owner, zone_url)}

    def extended(container: Container) -> Container:
        defaults = _allowed_hosts(zone_url)
        defaults |= own if container.name == spec.main_container else {}
        added = env if container.mount_sources else {}
        return msgspec.structs.replace(
            container,
            env=defaults | container.env | added,
            image_env={k: v for k, v in container.image_env.items() if k not in added},
        )

    extended_spec = msgspec.structs.replace(
        spec,
        containers=tuple(map(extended, spec.containers)),
        init_containers=tuple(map(extended, spec.init_containers)),
    )
    return _with_page(extended_spec, name, origin)


def author(owner: str, zone_url: str) -> dict[str, str]:
    """Variables that say whose commits are made in a workspace. Moorage knows no address to write
    to: one that reaches nobody stands in its place."""
    host = urlsplit(zone_url).hostname or "localhost"
    email = owner if "@" in owner else f"{owner}@users.noreply.{host}"
    return {GIT_NAME: owner, GIT_EMAIL: re.sub(r"[\s<>]", "", email)}


def moved_to(spec: WorkspaceSpec, *, name: str, zone_url: str, origin: str) -> WorkspaceSpec:
    """The spec of a workspace that is to start anew, when its zone, or the `origin` of Moorage's
    own pages, may have changed since it was made.

    The address of its ports becomes that of the zone; one that the devfile or the owner has set is
    left as it is.
    """
    made_here = re.compile(rf"https?://\{{\{{port\}}\}}-{re.escape(name)}\.([^/]+)/")

    mains = [c.env for c in spec.containers if c.name == spec.main_container]
    zone = made_here.fullmatch(mains[0].get(PROXY_VARIABLE, "")) if mains else None
    before = f".{zone[1].partition(':')[0]}" if zone is not None else None

    def moved(container: Container) -> Container:
        env = dict(container.env)
        if made_here.fullmatch(env.get(PROXY_VARIABLE, "")):
            env[PROXY_VARIABLE] = _proxy_address(zone_url, name)
        for variable, hosts in _allowed_hosts(zone_url).items():
            if env.get(variable, before) == before:  # of a workspace of before, not set at all
                env[variable] = hosts
        return msgspec.structs.replace(container, env=env)

    moved_spec = msgspec.structs.replace(spec, containers=tuple(map(moved, spec.containers)))
    return _with_page(moved_spec, name, origin)


def _allowed_hosts(zone_url: str) -> dict[str, str]:
    """Development servers refuse hosts that they do not know; these take more by a variable."""
    zone = urlsplit(zone_url).hostname or ""
    return dict.fromkeys(HOSTS_VARIABLES, f".{zone}")


def encoded(spec: WorkspaceSpec) -> str:
    """As it is stored."""
    return msgspec.json.encode(spec).decode()


def _proxy_address(zone_url: str, name: str) -> str:
    return port_pattern(zone_url, name).replace(PORT, "{{port}}")


def _with_page(spec: WorkspaceSpec, name: str, origin: str) -> WorkspaceSpec:
    """The main container knows the workspace's page. Nobody else says where it is: the editor takes
    people there without asking."""

    def told(container: Container) -> Container:
        if container.name != spec.main_container:
            return container
        env = container.env | {PAGE_VARIABLE: f"{origin}/workspaces/{name}"}
        return msgspec.structs.replace(container, env=env)

    return msgspec.structs.replace(spec, containers=tuple(map(told, spec.containers)))


def _warning(problem: Problem) -> schemas.Warning:
    return schemas.Warning(
        code=problem.code,
        message=problem.message,
        path=problem.path,
        line=problem.line or None,
        column=problem.column or None,
        hint=problem.hint,
    )
