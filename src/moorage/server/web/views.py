"""Views of a workspace for pages: pure functions from what services return to what templates draw.

Times are seconds since the epoch; `now` is the server's. A template decides how something looks,
never what is said.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from moorage.contract import ActualState, ContainerState, DesiredState, StageState
from moorage.server.authorization import Action, Person, may
from moorage.server.workspaces import schemas
from moorage.wording import Badge, StageLine, Tone, badge, stage_lines

WEB_PROTOCOLS = frozenset({"", "http", "https", "ws", "wss"})
"""Of a port that a browser can open; a devfile's endpoint may also say `tcp` or `udp`."""


@dataclass(frozen=True)
class Abilities:
    """Actions that this person may take on the workspace, and what makes sense in its state."""

    open: bool
    start: bool
    start_fresh: bool
    """With empty volumes, as its files are lost."""
    rescue: bool
    """Started for repair, as it has failed."""
    stop: bool
    restart: bool
    delete: bool
    logs: bool
    rename: bool
    rebuild: bool
    """See how its devfile has changed, and take that."""


@dataclass(frozen=True)
class ContainerRow:
    name: str
    image: str
    tone: Tone
    said: str
    detail: str
    started_at: float | None


@dataclass(frozen=True)
class PortRow:
    port: int
    name: str
    url: str
    """"" when a browser cannot open it, now or ever."""
    declared: bool
    note: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a postStart step."""

    name: str
    state: str
    """A `StageState`."""
    said: str
    reason: str


@dataclass(frozen=True)
class CommandRow:
    """A command of the devfile."""

    id: str
    group: str
    """With a remark where it is the group's default."""
    what: str
    """Label, or "" where that says no more than the name."""
    line: str
    """The command line, or the names of a composite's commands."""
    where: str
    """The container, unless it is the one that people work in."""
    unable: str
    event: str
    run: str
    """For the command line; "" when it cannot be run by this person."""
    url: str
    """What it serves; "" when a browser cannot open it now."""


@dataclass(frozen=True)
class Detail:
    """The words of a workspace's own page beside the workspace's own fields."""

    badge: Badge
    summary: str
    repository: str
    """Short, and without a password."""
    repository_url: str
    """"" when it is nothing that a browser can open."""
    commit: str
    """Its first ten digits."""
    url: str
    """"" when this person cannot open it, now or ever."""
    opens_later: bool
    """This person can open it once it runs, which it is about to."""
    under_way: bool
    stages: tuple[StageLine, ...]
    total: float | None
    """Seconds from the start's first stage to its last, once it is ready."""
    cause_tone: Tone
    containers: tuple[ContainerRow, ...]
    ports: tuple[PortRow, ...]
    post_start: tuple[Outcome, ...]
    devfile_commands: tuple[CommandRow, ...]
    commands: tuple[tuple[str, str], ...]
    """(what it does, command line)"""
    can: Abilities
    inside: bool
    """Whether what the workspace's programs wrote is among this; else only its owner sees that."""
    gone: bool
    failed: bool


@dataclass(frozen=True)
class DevfileLine:
    number: int
    """From 1; 0 for a gap."""
    text: str
    problems: tuple[str, ...]
    """What is wrong with it, one sentence each."""


@dataclass(frozen=True)
class DevfileProblems:
    summary: str
    lines: tuple[DevfileLine, ...]
    others: tuple[Mapping[str, Any], ...]
    """Those that are about no line of the devfile itself."""


def detail(workspace: schemas.Workspace, actor: Person, now: float) -> Detail:
    shown = badge_of(workspace)
    lines = stage_lines(workspace.stages, now)
    can = abilities(workspace, actor)
    running = workspace.state is ActualState.RUNNING
    return Detail(
        badge=shown,
        summary=summary(workspace, now),
        repository=short_repository(workspace.repository),
        repository_url=_repository_link(workspace.repository),
        commit=workspace.commit[:10],
        url=workspace.url if can.open else "",
        opens_later=_opens_later(workspace, actor),
        under_way=shown.tone == "busy",
        stages=lines,
        total=_total(workspace),
        cause_tone=shown.tone if shown.tone in ("bad", "warn") else "busy",
        containers=tuple(_container(c) for c in workspace.containers),
        ports=tuple(_port(p, running and can.open) for p in workspace.ports),
        post_start=tuple(_outcome(name, said) for name, said in workspace.post_start.items()),
        devfile_commands=tuple(
            _command_row(each, workspace, actor, reachable=running and can.open)
            for each in workspace.commands
        ),
        commands=commands(workspace, actor),
        can=can,
        inside=may(actor, Action.SEE_INSIDE_WORKSPACE, workspace.resource),
        gone=workspace.state is ActualState.TERMINATED,
        failed=workspace.state is ActualState.FAILED,
    )


def abilities(workspace: schemas.Workspace, actor: Person) -> Abilities:
    def allowed(action: Action) -> bool:
        return may(actor, action, workspace.resource)

    state, desired = workspace.state, workspace.desired
    staying = desired is not DesiredState.TERMINATED and state is not ActualState.TERMINATED
    wanted = desired is DesiredState.RUNNING
    failed = state is ActualState.FAILED
    settled = state in (ActualState.RUNNING, ActualState.ERROR, ActualState.UNKNOWN)
    start = staying and (not wanted or failed) and allowed(Action.START_WORKSPACE)
    lost = workspace.cause is not None and workspace.cause.code == "files-lost"
    return Abilities(
        open=bool(workspace.url)
        and wanted
        and state is ActualState.RUNNING
        and allowed(Action.OPEN_WORKSPACE),
        start=start,
        start_fresh=start and lost,
        rescue=staying and wanted and failed and not lost and allowed(Action.START_WORKSPACE),
        stop=staying and wanted and allowed(Action.STOP_WORKSPACE),
        restart=staying and wanted and settled and allowed(Action.RESTART_WORKSPACE),
        delete=staying and allowed(Action.DELETE_WORKSPACE),
        logs=staying and allowed(Action.READ_LOGS),
        rename=staying and allowed(Action.RENAME_WORKSPACE),
        rebuild=staying and allowed(Action.REBUILD_WORKSPACE),
    )


def _opens_later(workspace: schemas.Workspace, actor: Person) -> bool:
    coming = (ActualState.CREATION_REQUESTED, ActualState.STARTING, ActualState.STOPPED)
    wanted = workspace.desired is DesiredState.RUNNING and workspace.state in coming
    return wanted and bool(workspace.url) and may(actor, Action.OPEN_WORKSPACE, workspace.resource)


def badge_of(workspace: schemas.Workspace) -> Badge:
    troubled = bool(workspace.trouble) or workspace.cause is not None
    return badge(workspace.desired, workspace.state, troubled=troubled, rescue=workspace.rescue)


def summary(workspace: schemas.Workspace, now: float) -> str:
    """One sentence: the cause when there is one, else what is under way, else what the state
    means."""
    if workspace.cause is not None:
        return workspace.cause.message
    if workspace.trouble:
        more = len(workspace.trouble) - 1
        also = f" ({more} more thing{'' if more == 1 else 's'} wrong.)" if more else ""
        return workspace.trouble[0].message + also
    if workspace.notice is not None:
        return workspace.notice.message
    shown = badge_of(workspace)
    steps = [name for name, outcome in workspace.post_start.items() if not outcome]
    if steps and shown.tone == "good":
        verb = "goes" if len(steps) == 1 else "go"
        return f"It runs. After its start, {' and '.join(steps)} {verb} on."
    if shown.tone != "busy" or workspace.desired is not DesiredState.RUNNING:
        return shown.explanation
    for line in stage_lines(workspace.stages, now):
        if line.state == StageState.RUNNING:
            return f"{line.title}: {line.detail}" if line.detail else f"{line.title} is under way."
    return shown.explanation


def short_repository(url: str) -> str:
    """`https://user@git.example.com/team/app.git` → `git.example.com/team/app`: never what could be
    a password."""
    if "://" in url:
        parts = urlsplit(url)
        url = f"{parts.netloc.rpartition('@')[2]}{parts.path}"
    return url.rstrip("/").removesuffix(".git")


def commands(workspace: schemas.Workspace, actor: Person) -> tuple[tuple[str, str], ...]:
    """Commands for the command line. A title is only unique among one's own."""
    own = workspace.owner == actor.user_id
    name = shlex.quote(workspace.title if own else workspace.name)
    if not own:
        return (("How it is", f"moor show {name}"),)
    return (
        ("A shell in it", f"moor exec {name} -- sh"),
        ("Its log, as it goes on", f"moor logs {name} -f"),
        ("The address of a port", f"moor open {name} 8080"),
    )


def _command_row(
    command: schemas.Command, workspace: schemas.Workspace, actor: Person, *, reachable: bool
) -> CommandRow:
    own = workspace.owner == actor.user_id and not command.unable
    line = " ".join(command.command_line.split())
    if command.members:
        line = (" and " if command.parallel else ", then ").join(command.members)
    containers = {each.container for each in workspace.commands if each.container}
    return CommandRow(
        id=command.id,
        group=f"{command.group}, its default" if command.default else command.group,
        what=command.label if command.label != command.id else "",
        line=line,
        where=command.container if len(containers) > 1 else "",
        unable=command.unable,
        event=command.event,
        run=f"moor run {shlex.quote(workspace.title)} {shlex.quote(command.id)}" if own else "",
        url=command.url if reachable else "",
    )


def devfile_problems(
    text: str, problems: Sequence[Mapping[str, Any]], *, left_out: int = 0, around: int = 2
) -> DevfileProblems:
    """Problems (as `devfile.Problem.to_json` has them) beside the lines that they are about, with
    `around` lines before and after; what is about no line of `text` stands by itself. `left_out`:
    how many more there are."""
    lines = text.splitlines()
    by_line: dict[int, list[str]] = {}
    others = []
    for problem in problems:
        number = problem.get("line") or 0
        if 1 <= number <= len(lines) and not problem.get("source"):
            hint = f" {problem['hint']}" if problem.get("hint") else ""
            by_line.setdefault(number, []).append(f"{problem['message']}{hint}")
        else:
            others.append(problem)
    count = len(problems)
    summary = (
        "The devfile is not valid."
        if count == 1
        else f"The devfile is not valid: {count} things are wrong."
    )
    if left_out:
        summary = f"The devfile is not valid: these {count} things are wrong, and {left_out} more at least."
    return DevfileProblems(summary, _excerpt(lines, by_line, around), tuple(others))


def _excerpt(
    lines: Sequence[str], by_line: Mapping[int, list[str]], around: int
) -> tuple[DevfileLine, ...]:
    near = sorted(
        {n for at in by_line for n in range(at - around, at + around + 1) if 1 <= n <= len(lines)}
    )
    shown: list[DevfileLine] = []
    for number in near:
        if shown and number > shown[-1].number + 1:
            shown.append(DevfileLine(0, "", ()))
        shown.append(DevfileLine(number, lines[number - 1][:500], tuple(by_line.get(number, ()))))
    return tuple(shown)


@dataclass(frozen=True)
class DiffLine:
    kind: str
    """`added`, `removed`, `place` (which lines follow), `same`."""
    text: str


def diff_lines(diff: str) -> tuple[DiffLine, ...]:
    """Lines of `diff -u`, without the two that name what is compared."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return tuple(
        DiffLine(kinds.get(line[:1], "same"), line[:500]) for line in diff.splitlines()[2:]
    )


def _repository_link(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _total(workspace: schemas.Workspace) -> float | None:
    times = [(s.started_at, s.finished_at) for s in workspace.stages if s.state is StageState.DONE]
    starts = [start for start, _ in times if start is not None]
    ends = [end for _, end in times if end is not None]
    if workspace.state is not ActualState.RUNNING or not starts or not ends:
        return None
    return max(0.0, max(ends) - min(starts))


def _container(container: schemas.Container) -> ContainerRow:
    tone, said = _container_state(container)
    if container.restarts:
        said += f", restarted {container.restarts} time{'' if container.restarts == 1 else 's'}"
    running = container.state is ContainerState.RUNNING
    return ContainerRow(
        container.name,
        container.image,
        tone,
        said,
        container.detail,
        container.started_at if running else None,
    )


def _container_state(container: schemas.Container) -> tuple[Tone, str]:
    match container.state:
        case ContainerState.RUNNING:
            return "good", "runs"
        case ContainerState.WAITING:
            return ("bad", "could not be started") if container.detail else ("busy", "waits")
        case ContainerState.EXITED:
            if container.exit_code is None:
                return (
                    ("bad", "could not be started") if container.detail else ("quiet", "has ended")
                )
            tone: Tone = "bad" if container.exit_code else "quiet"
            return tone, f"has ended, exit code {container.exit_code}"


def _port(port: schemas.Port, reachable: bool) -> PortRow:
    notes = []
    if port.protocol not in WEB_PROTOCOLS:
        notes.append(f"{port.protocol}, not for a browser")
    if port.exposure == "none":
        notes.append("only inside the workspace")
    opens = reachable and port.protocol in WEB_PROTOCOLS
    return PortRow(port.port, port.name, port.url if opens else "", port.declared, ", ".join(notes))


def _outcome(name: str, said: str) -> Outcome:
    if not said:
        return Outcome(name, "running", "runs", "")
    if said == "done":
        return Outcome(name, "done", "done", "")
    return Outcome(name, "failed", "failed", said)
