from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.objects import objects_of
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan, PullSecretContent
from moorage.agent.runtimes.port import Identity
from moorage.contract import DesiredWorkspace
from moorage.workspace_settings import PullSecret, decode, parse

CASES = Path(__file__).parent / "objects"
ABILITIES = {"image_volume": Abilities(image_volumes=True, assigns_user=True)}
REGISTRY = PullSecretContent(
    PullSecret(name="registry", namespace="platform"),
    type="kubernetes.io/dockerconfigjson",
    data={".dockerconfigjson": "e30="},
)


def plan_of(case: str) -> Plan:
    folder = CASES / case
    workspace = msgspec.convert(
        yaml.safe_load((folder / "workspace.yaml").read_text()), DesiredWorkspace
    )
    settings = parse((folder / "settings.yaml").read_text(), "settings.yaml").remote_development
    return Plan(
        workspace=workspace,
        identity=Identity("inst1", 12),
        namespace=names.namespace_of(workspace.name, settings),
        settings=settings,
        abilities=ABILITIES.get(case, Abilities()),
        tools_image="registry.example.com/moorage/tools:1",
        run="run-1",
        pull_secrets=(REGISTRY,) if settings.image_pull_secrets else (),
    )


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_makes_these_objects(case: str) -> None:
    """A workspace and settings make exactly the objects that stand beside them in objects.yaml, in
    that order."""
    expected = list(yaml.safe_load_all((CASES / case / "objects.yaml").read_text()))
    assert objects_of(plan_of(case)) == expected


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_everything_carries_the_labels(case: str) -> None:
    """Every object can be found by the agent's selector, and names its workspace."""
    plan = plan_of(case)
    for item in objects_of(plan):
        assert (
            item["metadata"]["labels"].items()
            >= ownership.labels_for(plan.identity, plan.name).items()
        )


def test_no_credential_in_any_object() -> None:
    """What opens a repository is in none of the objects: the agent hands it over when the sandbox
    runs."""
    assert (
        "never-in-an-object" not in msgspec.json.encode(objects_of(plan_of("everything"))).decode()
    )


def test_environment_is_in_secrets_alone() -> None:
    """Values of the devfile's environment stand in Secrets, and no process's arguments or pod shows
    them."""
    for item in objects_of(plan_of("everything")):
        if item["kind"] != "Secret":
            assert "s3cret" not in msgspec.json.encode(item).decode()


def test_keeps_the_settings_it_was_made_with() -> None:
    """The Deployment's annotation gives the settings back, but for the CA bundle, which lies in a
    Secret."""
    plan = plan_of("everything")
    kept = objects_of(plan)[-1]["metadata"]["annotations"][ownership.SETTINGS]
    assert decode(kept) == msgspec.structs.replace(plan.settings, ca_bundle="")


def test_a_bundle_is_too_long_for_an_annotation() -> None:
    """With a bundle as long as Debian's, and longer, the Deployment's annotations leave room for
    what a halt keeps."""
    plan = plan_of("everything")
    for size in (220_000, 500_000):
        bundle = ("-----BEGIN CERTIFICATE-----\n" + "A" * 64 + "\n") * (size // 93)
        settings = msgspec.structs.replace(plan.settings, ca_bundle=bundle)
        annotations = objects_of(msgspec.structs.replace(plan, settings=settings))[-1]["metadata"][
            "annotations"
        ]
        assert sum(len(name) + len(text) for name, text in annotations.items()) < 8_000


def test_long_names_stay_unique_and_legal() -> None:
    """A part whose name would be too long for an object is shortened, and still told from its
    neighbour."""
    one, other = (names.part_name("workspace-1-7-2vxdxq", "env-" + "x" * 60 + end) for end in "ab")
    assert one != other
    assert max(len(one), len(other)) <= 63


@pytest.mark.parametrize("case", ["plain", "image_volume"])
def test_the_editor_beside_the_main_containers_own_command(case: str) -> None:
    """With `overrideCommand: false`, the kubelet runs the container's own command, the image's too;
    the editor is started by a hook that ends by itself."""
    plan = plan_of(case)
    spec = plan.spec
    own = msgspec.structs.replace(spec.containers[0], override_command=False)
    changed = msgspec.structs.replace(
        plan.workspace, spec=msgspec.structs.replace(spec, containers=(own,))
    )
    made = objects_of(msgspec.structs.replace(plan, workspace=changed))
    [deployment] = [item for item in made if item["kind"] == "Deployment"]
    [main] = [c for c in deployment["spec"]["template"]["spec"]["containers"] if c["name"] == "py"]
    assert "command" not in main
    hook = main["lifecycle"]["postStart"]["exec"]["command"]
    assert hook[3].endswith("&")
    assert "workspace-main --beside TERM" in hook[3]
    assert ("until [" in hook[3]) == (case == "plain")
    assert hook[5] == "/opt/moorage/editors/code-server/start"
