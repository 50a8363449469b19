from __future__ import annotations

import pytest

from moorage import workspace_settings as settings
from moorage.kernel.errors import InvalidInput

REFERENCE = """\
remote_development:
  enabled: true
  dns_zone: "example.dev"
observability:
  logging: {level: debug, grpc_level: warn}
"""


def test_reads_the_reference_example() -> None:
    """The file that the reference shows is read, and what it leaves out takes the reference's
    defaults."""
    read = settings.parse(REFERENCE)
    assert read.remote_development.dns_zone == "example.dev"
    assert read.observability.logging.level == "debug"
    defaults = read.remote_development
    assert defaults.network_policy.enabled
    assert "10.0.0.0/8" in defaults.network_policy.egress[0].except_
    assert (defaults.workspaces_quota, defaults.workspaces_per_user_quota) == (-1, -1)
    assert (
        defaults.max_active_hours_before_stop,
        defaults.max_stopped_hours_before_termination,
    ) == (36, 744)
    assert defaults.allow_privilege_escalation is False
    assert defaults.storage.size == "50Gi"


@pytest.mark.parametrize("text", ["", "{}", "# nothing\n", "remote_development: {}\n"])
def test_nothing_set_is_all_defaults(text: str) -> None:
    """An empty file means the defaults."""
    assert settings.parse(text) == settings.AgentConfiguration()


def test_reads_every_setting() -> None:
    """Each setting has its place, and comes back as it was written."""
    read = settings.parse(
        """\
remote_development:
  shared_namespace: teams
  network_policy:
    egress:
      - {allow: 0.0.0.0/0, except: [10.0.0.0/8]}
      - {allow: "2000::/3"}
  gateway: {namespace: edge, labels: {app: gateway}, ranges: [192.0.2.0/24]}
  default_resources_per_workspace_container:
    requests: {cpu: 100m, memory: 128Mi}
    limits: {cpu: "2", memory: 4Gi}
  max_resources_per_workspace: {limits: {cpu: "4", memory: 8Gi}}
  use_kubernetes_user_namespaces: true
  default_runtime_class: gvisor
  allow_privilege_escalation: true
  image_pull_secrets: [{name: registry, namespace: platform}]
  labels: {team: blue}
  annotations: {example.com/owner: "Blue team"}
  node_selector: {pool: workspaces}
  tolerations: [{key: dedicated, operator: Equal, value: workspaces, effect: NoSchedule}]
  affinity: {nodeAffinity: {}}
  priority_class: low
  storage: {size: 20Gi, class: fast, access_mode: ReadWriteMany}
  proxy: {http: "http://proxy:3128", https: "http://proxy:3128", no_proxy: .example.com}
  editor_tree: copy
"""
    ).remote_development
    assert read.shared_namespace == "teams"
    assert read.network_policy.egress[1].allow == "2000::/3"
    assert read.gateway.ranges == ("192.0.2.0/24",)
    assert read.max_resources_per_workspace.limits.memory == "8Gi"
    assert read.image_pull_secrets[0].namespace == "platform"
    assert read.tolerations[0].effect == "NoSchedule"
    assert (read.storage.class_, read.storage.access_mode) == ("fast", "ReadWriteMany")
    assert read.editor_tree == "copy"
    assert settings.decode(settings.encode(read)) == read


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        (
            "remote_development:\n  enabled: yes please\n",
            2,
            "remote_development.enabled",
            "true or false",
        ),
        (
            "remote_development:\n  dns_zon: x\n",
            2,
            "remote_development.dns_zon",
            "no setting dns_zon",
        ),
        ("remote_developments: {}\n", 1, "remote_developments", "no setting remote_developments"),
        ("a: [\n", 2, "", "not valid YAML"),
        ("- 1\n", 1, "", "not a mapping"),
        (
            "remote_development:\n  storage:\n    size: large\n",
            3,
            "remote_development.storage.size",
            "'large' is no size",
        ),
        (
            "remote_development:\n  network_policy:\n    egress:\n      - allow: 10.0.0.0/8\n      - allow: everywhere\n",
            5,
            "remote_development.network_policy.egress.1.allow",
            "no IP range",
        ),
        (
            "remote_development:\n  network_policy:\n    egress: [{allow: 10.0.0.0/8, except: [192.168.0.0/16]}]\n",
            3,
            "remote_development.network_policy.egress.0.except",
            "192.168.0.0/16 is not part of 10.0.0.0/8",
        ),
        (
            "remote_development:\n  image_pull_secrets:\n    - name: registry\n",
            3,
            "remote_development.image_pull_secrets.0",
            "lacks the setting `namespace`",
        ),
        (
            "remote_development:\n  default_resources_per_workspace_container:\n    requests: {cpu: 2}\n",
            3,
            "remote_development.default_resources_per_workspace_container.requests.cpu",
            "in quotes",
        ),
        (
            "remote_development:\n  max_resources_per_workspace:\n    requests: {cpu: '2'}\n    limits: {cpu: '1'}\n",
            3,
            "remote_development.max_resources_per_workspace.requests.cpu",
            "2 is more than the limit, 1",
        ),
        (
            "remote_development:\n  workspaces_quota: -2\n",
            2,
            "remote_development.workspaces_quota",
            "-1",
        ),
        (
            "remote_development:\n  labels: {moorage.dev/agent: x}\n",
            2,
            "remote_development.labels.moorage.dev/agent",
            "set by the agent",
        ),
        ("remote_development:\n  ca_bundle: secret\n", 2, "remote_development.ca_bundle", "no PEM"),
        (
            "remote_development:\n  editor_tree: mount\n",
            2,
            "remote_development.editor_tree",
            "may not be",
        ),
    ],
)
def test_says_what_is_wrong_and_where(text: str, line: int, field: str, words: str) -> None:
    """A wrong setting is named with its line, its path, and what was expected."""
    with pytest.raises(InvalidInput) as caught:
        settings.parse(text, "agents/one/config.yaml")
    assert caught.value.code == "settings-invalid"
    assert caught.value.details["line"] == line
    assert caught.value.field == field
    assert words in caught.value.message
    assert f"agents/one/config.yaml, line {line}" in caught.value.message


def doubled(levels: int, last: str = "") -> str:
    """Each level holds the one before eight times."""
    lines = [
        f"    a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 8)}]\n"
        for level in range(1, levels)
    ]
    return "remote_development:\n  affinity:\n    a0: &a0 [1]\n" + "".join(lines) + last


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "remote_development:\n  workspaces_quota: !!int many\n",
            "'tag:yaml.org,2002:int' has no meaning in a settings file, or does not fit",
        ),
        (
            f"remote_development:\n  workspaces_quota: {'9' * 5000}\n",
            "is no number that a settings file can hold",
        ),
        ("[" * 3000, "nested deeper than 100 levels"),
        (doubled(40), "more than 50000 values"),
        ("remote_development:\n  affinity: &a {x: *a}\n", "stands inside of what it names"),
        ("remote_development:\n  labels: &a\n    <<: *a\n", "stands inside of what it names"),
    ],
    ids=["no number", "long number", "deep", "doubled", "itself", "merged with itself"],
)
def test_hostile_text_is_refused(text: str, words: str) -> None:
    """Whatever it is, it is refused in words, at once: the server reads what agents elsewhere
    send."""
    with pytest.raises(InvalidInput) as caught:
        settings.parse(text)
    assert caught.value.code == "settings-invalid"
    assert words in caught.value.message


def test_aliases_may_be_used() -> None:
    """YAML's own way of saying something twice is read."""
    read = settings.parse(
        "remote_development:\n  labels: &all {team: blue}\n  node_selector: *all\n"
    )
    assert read.remote_development.node_selector == {"team": "blue"}
    assert settings.complete(settings.parse(doubled(4)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("allow_privilege_escalation: yes", True),
        ("allow_privilege_escalation: On", True),
        ("allow_privilege_escalation: yes\n  allow_privilege_escalation: OFF", False),
        ("<<: {allow_privilege_escalation: true}", True),
        ("<<: [{allow_privilege_escalation: off}, {allow_privilege_escalation: on}]", False),
        ("<<: {allow_privilege_escalation: true}\n  allow_privilege_escalation: no", False),
    ],
)
def test_yaml_is_read_as_gitlab_reads_it(text: str, expected: bool) -> None:
    """A file that was written for GitLab means the same: older words for booleans, merged mappings,
    the last of repeated keys."""
    read = settings.parse(f"remote_development:\n  {text}\n")
    assert read.remote_development.allow_privilege_escalation is expected


def test_dates_are_text() -> None:
    """What looks like a date or a time stays as it was written."""
    read = settings.parse(
        "remote_development:\n  labels: {since: 2024-02-30, at: 1.30}\n".replace("1.30", "'1.30'")
    )
    assert read.remote_development.labels == {"since": "2024-02-30", "at": "1.30"}


def test_settings_of_another_version_are_given_up() -> None:
    """Stored settings that this version does not know are not guessed at."""
    assert settings.decode('{"enabled": "perhaps"}') is None
    assert settings.decode("") is None


def test_stored_settings_hold_only_what_differs() -> None:
    """What is stored with a workspace stays small: defaults are left out."""
    assert settings.encode(settings.RemoteDevelopment()) == "{}"
    assert settings.encode(settings.RemoteDevelopment(dns_zone="x.dev")) == '{"dns_zone":"x.dev"}'
