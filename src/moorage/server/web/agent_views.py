"""Views of an agent for pages: pure functions from what services return to what templates draw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from moorage.kernel import quantities
from moorage.server.agents import schemas
from moorage.wording import Badge, Tone

_FEWEST_LINES, _MOST_LINES = 8, 30


@dataclass(frozen=True)
class Note:
    """Something about an agent that a person should know, and what to do about it."""

    tone: Tone
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Question:
    """A question before something that cannot be undone."""

    id: str
    """Also the last part of the address that does it."""
    label: str
    question: str
    explanation: str
    confirm: str
    danger: bool = True


@dataclass(frozen=True)
class Row:
    """An agent in the list."""

    agent: schemas.Agent
    badge: Badge
    runs: str
    capacity: str


@dataclass(frozen=True)
class Detail:
    """An agent on its own page."""

    agent: schemas.Agent
    badge: Badge
    runs: str
    capacity: str
    notes: tuple[Note, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class SettingsPanel:
    """One version of an agent's settings, to be read and, where that is possible, changed."""

    version: int
    newest: int
    """The version that a change is based on."""
    text: str
    lines: int
    """Height of the text's field."""
    said: str
    older: bool
    editable: bool
    effective: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class VersionRow:
    version: int
    by: str
    created_at: float


def rows(agents: Iterable[schemas.Agent]) -> tuple[Row, ...]:
    return tuple(Row(agent, badge(agent), runs(agent), capacity(agent)) for agent in agents)


def detail(agent: schemas.Agent, settings: schemas.WorkspaceSettings | None = None) -> Detail:
    """`settings`: None for somebody who may not see them."""
    told = (*notes(agent), *_settings_notes(settings)) if settings is not None else notes(agent)
    return Detail(agent, badge(agent), runs(agent), capacity(agent), told, questions(agent))


def settings_panel(settings: schemas.WorkspaceSettings, text: str | None = None) -> SettingsPanel:
    """`text`: what somebody has written instead, and could not be saved."""
    written = settings.text if text is None else text
    return SettingsPanel(
        version=settings.version,
        newest=settings.newest,
        text=written,
        lines=min(max(written.count("\n") + 2, _FEWEST_LINES), _MOST_LINES),
        said=f"Version {settings.version}"
        if settings.version
        else "Nobody has set anything: defaults",
        older=settings.version != settings.newest,
        editable=not settings.file,
        effective=settings.effective,
        warnings=tuple(settings.warnings),
    )


def versions(found: Iterable[schemas.SettingsVersion]) -> tuple[VersionRow, ...]:
    return tuple(
        VersionRow(
            v.version, "from the agent's file" if v.source == "file" else _author(v), v.created_at
        )
        for v in found
    )


def _author(version: schemas.SettingsVersion) -> str:
    return f"by {version.author}" if version.author else "by Moorage"


def _settings_notes(settings: schemas.WorkspaceSettings) -> Iterable[Note]:
    taken = settings.taken
    if taken.problem:
        goes_on = f"version {taken.version}" if taken.version else "what it had before"
        yield Note(
            "bad",
            f"The agent cannot use its newest settings, and goes on with {goes_on}.",
            taken.problem,
        )


def badge(agent: schemas.Agent) -> Badge:
    if agent.connected:
        return Badge("Connected", "good", "What is asked of its workspaces is done at once.")
    if agent.revoked:
        return Badge(
            "Revoked", "bad", "Its tokens were taken back: it cannot connect until it has new ones."
        )
    if agent.last_seen:
        return Badge(
            "Not connected",
            "bad",
            "Its workspaces go on, and stay reachable; what is asked of them is done when it is back.",
        )
    return Badge(
        "Never connected", "quiet", "It has not been installed yet, or cannot reach this server."
    )


def runs(agent: schemas.Agent) -> str:
    """`Kubernetes v1.20.2`; a dash while it is not known."""
    names = {
        "docker": "Docker",
        "podman": "Podman",
        "kubernetes": "Kubernetes",
        "memory": "nothing (memory)",
    }
    return f"{names.get(agent.runtime, agent.runtime)} {agent.runtime_version}".strip() or "–"


def capacity(agent: schemas.Agent) -> str:
    """`8 cores, 31.2 GiB`; a dash while it is not known."""
    parts = []
    if cores := agent.capacity.cpu / 1000:
        parts.append(f"{cores:g} core{'' if cores == 1 else 's'}")
    if agent.capacity.memory:
        parts.append(quantities.in_words(agent.capacity.memory))
    return ", ".join(parts) or "–"


def notes(agent: schemas.Agent) -> tuple[Note, ...]:
    found = []
    if agent.second_seen is not None:
        found.append(
            Note(
                "busy",
                "Another process with the same token tries to connect, and waits.",
                "Each agent needs a token of its own: add another agent, or end the second process.",
            )
        )
    if agent.set_back_at is not None:
        found.append(
            Note(
                "bad",
                "This server’s database was set back to an earlier state: the agent knows of newer things.",
                "Was a backup restored, or did the database fail over? Workspaces go on as the agent has them, and nothing is deleted for it.",
            )
        )
    if not agent.enabled:
        found.append(Note("busy", "It takes no new workspaces. Those that it has go on."))
    return tuple(found)


def questions(agent: schemas.Agent) -> tuple[Question, ...]:
    """Those that make sense for this agent now."""
    if agent.local:
        return ()
    asked = [
        Question(
            "token",
            "New tokens",
            f"New tokens for {agent.name}?",
            "The present ones end at once: agent and gateway are cut off until they have the new ones. Workspaces go on, and people who are in them stay in.",
            "Make new tokens",
            danger=False,
        )
    ]
    if not agent.revoked:
        asked.append(
            Question(
                "revoke",
                "Revoke",
                f"Revoke the tokens of {agent.name}?",
                "Agent and gateway are cut off at once, and cannot connect until you make new tokens. Its workspaces go on, and who is signed in to them stays in until that ends (12 hours at most, unless set otherwise): the gateway hears of nothing more.",
                "Revoke them",
            )
        )
    if not agent.workspaces:
        asked.append(
            Question(
                "remove",
                "Remove",
                f"Remove the agent {agent.name}?",
                "It is forgotten, with its settings. What runs it (a Helm release, a service) is yours to uninstall.",
                "Remove it",
            )
        )
    return tuple(asked)
