"""`moor devfile`: check, flatten, explain and write devfiles. Needs no server.

Exit codes: 0 valid, 1 not valid, 2 not readable.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from moorage.cli import output, words
from moorage.cli.context import Context, output_option, pass_context
from moorage.cli.devfile_source import Source, resolver_for
from moorage.cli.groups import Group
from moorage.kernel.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from moorage.devfile import Devfile, Problem
    from moorage.translation import Translation

Command = TypeVar("Command", bound=Callable[..., Any])

INVALID = 1
file_argument = click.argument(
    "file",
    metavar="[FILE|URL]",
    required=False,
    default=".",
    help="A devfile, its URL, the folder it lies in (here, when left out), or - for standard input.",
)


def registry_options(command: Command) -> Command:
    """`--registry` and `--allow-host`: what parents and plugins are fetched from."""
    registry = click.option(
        "--registry",
        envvar="MOORAGE_DEVFILE_REGISTRY",
        show_envvar=True,
        default="",
        help="Where parents and plugins are found by id: a folder of <id>/<version>/devfile.yaml, or a registry's URL.",
    )
    hosts = click.option(
        "--allow-host",
        metavar="HOST",
        multiple=True,
        help="A host that parents and plugins may be fetched from. May be repeated.",
    )
    return registry(hosts(command))


@click.group(cls=Group)
def devfile() -> None:
    """Check, flatten, explain and write devfiles."""


@devfile.command(
    examples=["moor devfile validate", "moor devfile validate .devfile.yaml --profile gitlab"]
)
@file_argument
@click.option(
    "--profile",
    metavar="NAME",
    default="full",
    show_default=True,
    help="What must accept it: full, strict (the specification to the letter) or gitlab.",
)
@registry_options
@output_option
@pass_context
def validate(
    context: Context, file: str, *, profile: str, registry: str, allow_host: Sequence[str]
) -> None:
    """Say all that is wrong with a devfile. Exit code 0: valid, 1: not valid, 2: not readable."""
    from moorage.devfile import (
        PROFILES,
        DevfileError,
        against_specification,
        flatten,
        parse,
        refusals,
    )

    if profile not in PROFILES:
        raise InvalidInput(
            f"There is no profile {profile!r}.",
            field="--profile",
            hint=f"Choose {' or '.join(PROFILES)}.",
        )
    source = Source(file, registry, allow_host)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    left_out = 0
    try:
        devfile = parse(source.text)
        problems = tuple(
            found for known in PROFILES if known == profile for found in refusals(devfile, known)
        )
        # GitLab refuses a parent as such: then there is nothing to fetch.
        if devfile.is_flat or profile != "gitlab" or not problems:
            warnings = flatten(devfile, source.resolver, base=source.base).warnings
        if profile == "strict":
            against = against_specification(warnings)
            problems = tuple(sorted(against, key=lambda each: (each.source, each.line)))
            warnings = tuple(warning for warning in warnings if warning not in problems)
    except DevfileError as error:
        problems += error.problems
        left_out = error.left_out
    if context.as_json:
        output.show_json(
            {
                "file": source.name,
                "profile": profile,
                "valid": not problems,
                "problems": [problem.to_json() for problem in problems],
                "left_out": left_out,
                "warnings": [warning.to_json() for warning in warnings],
            }
        )
    else:
        _say_problems(source.name, problems, "error", left_out)
        _say_problems(source.name, warnings, "warning")
        if not problems:
            output.say(f"{source.name}: valid" + (f" ({profile})" if profile != "full" else ""))
    if problems:
        raise click.exceptions.Exit(INVALID)


@devfile.command(examples=["moor devfile flatten .devfile.yaml"])
@file_argument
@registry_options
@output_option
@pass_context
def flatten(context: Context, file: str, *, registry: str, allow_host: Sequence[str]) -> None:
    """Print the devfile with its parent, plugins, overrides and variables worked in."""
    from moorage.devfile import dump
    from moorage.devfile.conversion import to_tree

    source = Source(file, registry, allow_host)
    flat = _checked(context, source, source.flattened)
    if context.as_json:
        output.show_json(to_tree(flat.devfile))
    else:
        sys.stdout.write(dump(flat.devfile))
        _say_problems(source.name, flat.warnings, "warning")


@devfile.command(
    examples=["moor devfile explain", "moor devfile explain https://example.com/devfile.yaml"]
)
@file_argument
@registry_options
@output_option
@pass_context
def explain(context: Context, file: str, *, registry: str, allow_host: Sequence[str]) -> None:
    """Say what workspace would come of a devfile, or of a devcontainer.json."""
    import msgspec

    source = Source(file, registry, allow_host)
    translation, warnings = _checked(context, source, source.translated)
    if context.as_json:
        spec = msgspec.to_builtins(translation.spec)
        output.show_json({"spec": spec, "warnings": [warning.to_json() for warning in warnings]})
        return
    for line in _explained(translation):
        output.say(line)
    _say_problems(source.name, warnings, "warning")


@devfile.command(
    "from-devcontainer",
    examples=["moor devfile from-devcontainer .devcontainer/devcontainer.json > .devfile.yaml"],
)
@file_argument
@output_option
@pass_context
def from_devcontainer(context: Context, file: str) -> None:
    """Print the devfile that says what a devcontainer.json says."""
    from moorage.devfile import dump
    from moorage.devfile.conversion import to_tree

    source = Source(file, "", [], devcontainer=True)
    converted = _checked(context, source, source.converted)
    if context.as_json:
        output.show_json(
            {
                "devfile": to_tree(converted.devfile),
                "warnings": [each.to_json() for each in converted.warnings],
            }
        )
        return
    sys.stdout.write(dump(converted.devfile))
    _say_problems(source.name, converted.warnings, "warning")


@devfile.command(
    examples=[
        "moor devfile init",
        "moor devfile init --port 8000",
        "moor devfile init --stack python",
    ]
)
@click.argument(
    "folder",
    metavar="[FOLDER]",
    required=False,
    default=".",
    type=click.Path(path_type=Path),
    help="The repository; here, when left out.",
)
@click.option(
    "--stack",
    metavar="ID[:VERSION]",
    default="",
    help="Begin with this devfile of the registry.",
)
@click.option("--image", default="", help="The image to work in.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="NUMBER",
    default=0,
    help="The port that the application listens on.",
)
@registry_options
@click.option("--yes", "-y", is_flag=True, help="Ask nothing; take what is found.")
@click.option("--force", is_flag=True, help="Replace a devfile that is there.")
@output_option
@pass_context
def init(
    context: Context,
    folder: Path,
    *,
    stack: str,
    image: str,
    port: int,
    registry: str,
    allow_host: Sequence[str],
    yes: bool,
    force: bool,
) -> None:
    """Write a .devfile.yaml for a repository: asks, or takes a registry's devfile; finds language
    and port."""
    from moorage.devfile import FILE_NAMES

    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder.", code="not-readable")
    present = next((folder / name for name in FILE_NAMES if (folder / name).exists()), None)
    if not force and present is None:
        _refuse_to_shadow(folder)
    if present is not None and not force:
        raise Conflict(
            f"{present} is there already.", code="devfile-exists", hint="Replace it with --force."
        )
    if stack:
        text = _from_stack(stack, registry, allow_host)
    else:
        text = _from_repository(
            folder,
            image=image,
            port=port,
            ask=not yes and sys.stdin.isatty(),
            quiet=context.as_json,
        )
    target = present or folder / FILE_NAMES[0]
    target.write_text(text)
    context.tell(
        {"file": str(target)},
        f"{target} is written. 'moor devfile explain {target}' says what comes of it.",
    )


def _refuse_to_shadow(folder: Path) -> None:
    """Raises `Conflict` where a workspace is made from something that a new devfile would stand
    before."""
    from moorage.devfile import FOLDER
    from moorage.translation.devcontainer import FILE_NAMES as DEVCONTAINERS

    devfiles = sorted((folder / FOLDER).glob("*.y*ml"))
    others = [*devfiles, *(folder / name for name in DEVCONTAINERS)]
    present = next((path for path in others if path.is_file()), None)
    if present is None:
        return
    convert = f"'moor devfile convert {present}' shows it as a devfile; "
    raise Conflict(
        f"{present} is there, and a workspace is made from it until there is a devfile in its place.",
        code="devfile-exists",
        hint=f"{'' if present in devfiles else convert}--force writes one all the same.",
    )


def _checked(context: Context, source: Source, work: Callable[[], Any]) -> Any:
    """The work's result; when the devfile is not valid, all that is wrong, and exit code 1."""
    from moorage.devfile import DevfileError

    try:
        return work()
    except DevfileError as error:
        if context.as_json:
            output.show_error(error, as_json=True)
        else:
            _say_problems(source.name, error.problems, "error", error.left_out)
        raise click.exceptions.Exit(INVALID) from error


def _say_problems(name: str, problems: Iterable[Problem], kind: str, left_out: int = 0) -> None:
    """On standard error, as compilers do: file, line and column first."""
    for problem in problems:
        place = f":{problem.line}:{problem.column}" if problem.line else ""
        path = f" (at {problem.path})" if problem.path else ""
        output.note(f"{problem.source or name}{place}: {kind}: {problem.message}{path}")
        if problem.hint:
            output.note(f"    {problem.hint}")
    if left_out:
        output.note(f"{name}: {kind}: {words.more_problems(left_out)}")


def _explained(translation: Translation) -> list[str]:
    spec = translation.spec
    lines = [
        f"Project {project.name}: {project.url} into /projects/{project.clone_path}"
        for project in spec.projects
    ]
    for container in (*spec.init_containers, *spec.containers):
        role = "runs first, to its end" if container in spec.init_containers else "runs beside"
        main = container.name == spec.main_container and container not in spec.init_containers
        lines.append(
            f"Container {container.name} ({'editor and terminals' if main else role}): {container.image}"
        )
        resources = container.resources
        amounts = [
            f"cpu {resources.cpu_request or 0} to {resources.cpu_limit or 'any'} millicores"
            if resources.cpu_request or resources.cpu_limit
            else "",
            f"memory {words.size(resources.memory_request or 0)} to {words.size(resources.memory_limit) if resources.memory_limit else 'any'}"
            if resources.memory_request or resources.memory_limit
            else "",
        ]
        lines += [f"  {amount}" for amount in amounts if amount]
        for endpoint in container.endpoints:
            lines.append(
                f"  port {endpoint.port} ({endpoint.name}): {endpoint.protocol}, {endpoint.exposure}"
            )
        lines += [f"  {name}={value}" for name, value in container.env.items()]
        lines += [f"  volume {mount.volume} at {mount.path}" for mount in container.volume_mounts]
    for volume in spec.volumes:
        kept = "lost at a stop" if volume.ephemeral else "kept until the workspace is deleted"
        lines.append(
            f"Volume {volume.name}: {words.size(volume.size) if volume.size else 'default size'}, {kept}"
        )
    for event, steps in (("After the start", spec.post_start), ("Before the stop", spec.pre_stop)):
        for step in steps:
            how = " (side by side)" if step.parallel else ""
            lines.append(
                f"{event}{how}: "
                + "; ".join(f"{c.container}: {c.command_line}" for c in step.commands)
            )
    return lines


def _from_stack(stack: str, registry: str, hosts: Sequence[str]) -> str:
    """The registry's devfile, flat, with the mark for the editor."""
    from moorage.devfile import DevfileError, Reference, ResolutionError, dump, flatten, parse

    name, _, version = stack.partition(":")
    resolver = resolver_for(registry, hosts)
    try:
        resolved = resolver.resolve(Reference(id=name, version=version))
        devfile = flatten(parse(resolved.text), resolver, base=resolved.address).devfile
    except (ResolutionError, DevfileError) as error:
        hint = getattr(error, "hint", "")
        raise InvalidInput(
            f"The stack {stack!r} cannot be used: {error}", code="not-readable", hint=hint
        ) from error
    return dump(_marked(devfile))


def _marked(devfile: Devfile) -> Devfile:
    """With the editor's attribute on its first container, when none has it."""
    import dataclasses

    import msgspec

    from moorage.devfile.attributes import INJECT_EDITOR
    from moorage.translation.workspace import is_marked

    if any(is_marked(component) for component in devfile.components):
        return devfile
    components = list(devfile.components)
    for index, component in enumerate(components):
        if component.container is not None:
            attributes = {**component.attributes, INJECT_EDITOR: True}
            components[index] = msgspec.structs.replace(component, attributes=attributes)
            break
    return dataclasses.replace(devfile, components=tuple(components))


def _from_repository(folder: Path, *, image: str, port: int, ask: bool, quiet: bool) -> str:
    from moorage.devfile import dump, parse, to_yaml
    from moorage.translation.repository import first_devfile, guess

    found = guess(_files(folder))
    name = (
        "".join(c if c.isalnum() else "-" for c in folder.resolve().name.lower()).strip("-")
        or "workspace"
    )
    image = image or found.image
    chosen = port or found.port or 0
    if found.why and not quiet:
        output.note(f"{found.why} says that this is {found.language.name}.")
    for note in () if quiet else found.notes:
        output.note(note)
    if ask:
        name = click.prompt("Name", default=name)
        image = click.prompt("Image", default=image)
        chosen = click.prompt("Port of the application (0 for none)", default=chosen, type=int)
    tree = first_devfile(name, found.language, image=image, port=chosen or None)
    return dump(parse(to_yaml(tree)))


def _files(folder: Path) -> dict[str, str]:
    """The names at the top, and the beginnings of the files that tell something."""
    from moorage.translation.repository import READ

    found = {path.name: "" for path in folder.iterdir() if path.is_file()}
    for name in READ:
        path = folder / name
        if path.is_file():
            with path.open(errors="replace") as stream:
                found[name] = stream.read(100_000)
    return found
