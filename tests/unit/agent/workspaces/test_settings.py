"""From what the server sends, or the agent's own file, to the backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.agent.runtimes.bounds import Bounds
from moorage.agent.runtimes.memory import MemoryBackend
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces.settings import SettingsReceiver
from moorage.contract.agent import Settings, SettingsTaken
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import Misconfigured
from moorage.workspace_settings import RemoteDevelopment

TEXT = "remote_development: {storage: {size: 9Gi}}\n"
SHARED = "remote_development: {shared_namespace: team}\n"


class Listening(MemoryBackend):
    """Keeps what it was configured with."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.heard: list[tuple[RemoteDevelopment, int]] = []

    def configure(self, settings: RemoteDevelopment, version: int) -> None:
        super().configure(settings, version)
        self.heard.append((settings, version))


def test_what_the_server_sends_is_taken() -> None:
    """The backend begins with the defaults, and makes workspaces by each version that comes; no
    text means the defaults again."""
    backend = Listening()
    settings = SettingsReceiver(AgentSettings(https_proxy="http://p:3128"), backend, Bounds())
    assert settings.receive(Settings(version=3, text=TEXT)) == SettingsTaken(version=3)
    assert settings.receive(Settings(version=0, text="")) == SettingsTaken(version=0)
    assert [(heard.storage.size, version) for heard, version in backend.heard] == [
        ("50Gi", 0),
        ("9Gi", 3),
        ("50Gi", 0),
    ]
    assert {heard.proxy.https for heard, _ in backend.heard} == {"http://p:3128"}, (
        "filled from the agent's own"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("remote_development: {of_tomorrow: 1}", "version 4, line 1"),
        ("remote_development: {shared_namespace: team}", "shared_namespaces"),
    ],
)
def test_what_cannot_be_used_changes_nothing(text: str, words: str) -> None:
    """The answer says why, and the agent goes on with what it had."""
    backend = Listening()
    settings = SettingsReceiver(AgentSettings(), backend, Bounds())
    settings.receive(Settings(version=3, text=TEXT))
    taken = settings.receive(Settings(version=4, text=text))
    assert taken.version == 4
    assert words in taken.problem
    assert [version for _, version in backend.heard] == [0, 3]


def test_a_file_of_its_own_is_free_and_alone(tmp_path: Path) -> None:
    """It holds from the start, is not bounded by what holds for the server, and nothing else is
    taken."""
    file = tmp_path / "config.yaml"
    file.write_text(SHARED)
    backend = Listening()
    settings = SettingsReceiver(AgentSettings(workspace_settings=str(file)), backend, Bounds())
    assert settings.file == SHARED
    assert settings.receive(Settings(version=7, text=SHARED)) == SettingsTaken(version=7)
    assert "file of its own" in settings.receive(Settings(version=8, text=TEXT)).problem
    assert [(heard.shared_namespace, version) for heard, version in backend.heard] == [
        ("team", 0),
        ("team", 7),
    ]


def test_an_unusable_file_is_named(tmp_path: Path) -> None:
    """The agent does not start with a file that is not there, is no text, or says what is no
    setting."""
    file = tmp_path / "config.yaml"
    for content, words in (
        (None, "cannot be read"),
        (b"\xff\xfe", "no text"),
        (b"a: 1", r"config\.yaml, line 1"),
    ):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(Misconfigured, match=words):
            SettingsReceiver(AgentSettings(workspace_settings=str(file)), Listening())
