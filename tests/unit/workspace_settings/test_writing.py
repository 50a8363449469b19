"""Settings as text again, and what of them a runtime leaves aside."""

from __future__ import annotations

import msgspec
import pytest
import yaml

from moorage.workspace_settings import (
    AgentConfiguration,
    RemoteDevelopment,
    complete,
    left_aside,
    parse,
    sooner_ended,
    without_effect,
)

EVERYTHING = """
remote_development:
  dns_zone: dev.example.com
  network_policy: {egress: [{allow: 0.0.0.0/0, except: [10.0.0.0/8]}]}
  image_pull_secrets: [{name: pull, namespace: team}]
  tolerations: [{key: gpu, operator: Exists}]
  affinity: {nodeAffinity: {x: [1, 2]}}
  storage: {size: 10Gi, class: fast}
  labels: {team: "1"}
  ca_bundle: |
    -----BEGIN CERTIFICATE-----
    é
"""


@pytest.mark.parametrize("text", ["", EVERYTHING])
def test_complete_settings_are_the_same_settings(text: str) -> None:
    """Written with all defaults and read again, nothing is lost and nothing is added."""
    assert parse(complete(parse(text))) == parse(text)


def test_complete_settings_name_everything() -> None:
    """Every setting is there, under the name that it is written with."""
    written = yaml.safe_load(complete(AgentConfiguration()))
    assert set(written["remote_development"]) == {
        field.encode_name for field in msgspec.structs.fields(RemoteDevelopment)
    }
    assert written["remote_development"]["max_active_hours_before_stop"] == 36
    assert written["remote_development"]["network_policy"]["egress"][0]["except"][0] == "10.0.0.0/8"
    assert written["observability"]["logging"] == {"level": "info", "grpc_level": "error"}


def test_what_else_a_file_from_gitlab_holds() -> None:
    """It is read as it stands; what says nothing about workspaces is named, and written as it
    was."""
    text = """
    ci_access: {groups: [{id: team, access_as: {agent: {}}}]}
    user_access: {projects: [{id: team/one}], access_as: {agent: {}}}
    container_scanning: {cadence: 0 0 * * *}
    remote_development: {gitlab_workspaces_proxy: {namespace: edge, ssh_enabled: false}}
    """
    settings = parse(text)
    assert left_aside(settings) == [
        "ci_access",
        "container_scanning",
        "user_access",
        "gitlab_workspaces_proxy.ssh_enabled",
    ]
    assert parse(complete(settings)) == settings
    assert left_aside(parse(EVERYTHING)) == []


@pytest.mark.parametrize(
    ("runtime", "text", "idle"),
    [
        ("docker", "", []),
        ("docker", "{remote_development: {workspaces_quota: 3, labels: {a: b}}}", []),
        (
            "docker",
            "{remote_development: {node_selector: {a: b}, priority_class: x}}",
            ["node_selector", "priority_class"],
        ),
        ("podman", "{remote_development: {storage: {size: 1Gi}}}", ["storage"]),
        ("kubernetes", "{remote_development: {node_selector: {a: b}}}", []),
        ("", "{remote_development: {node_selector: {a: b}}}", []),
    ],
)
def test_what_has_no_effect(runtime: str, text: str, idle: list[str]) -> None:
    """On Docker and Podman, what only a cluster can do; a default that stands there unchanged is no
    wish."""
    assert without_effect(parse(text).remote_development, runtime) == idle


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("0", "", ["stopped after 36 hours (before: never)", "deleted, with their files, after 744 hours (31 days) (before: never)"]),
        ("0", "0", []),
        ("", "", []),
        ("", "0", []),
        ("48", "24", ["stopped after 24 hours (before: 48 hours (2 days))", "after 24 hours"]),
        ("24", "48", []),
    ],
)  # fmt: skip
def test_what_ends_sooner_is_said(before: str, after: str, words: list[str]) -> None:
    """Settings that say nothing of an end bring the default's: where there was none before, or a
    later one, that is said."""
    names = ("max_active_hours_before_stop", "max_stopped_hours_before_termination")

    def settings(hours: str) -> RemoteDevelopment:
        text = "".join(f"  {name}: {hours}\n" for name in names) if hours else "  labels: {}\n"
        return parse(f"remote_development:\n{text}").remote_development

    said = sooner_ended(settings(before), settings(after))
    assert len(said) == len(words)
    for sentence, expected, name in zip(said, words, names, strict=False):
        assert expected in sentence
        assert f"{name}: 0 means never" in sentence
