"""From a spec to create requests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes import trust
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.limits import Machine
from moorage.agent.runtimes.docker.objects import Host, ImageConfig
from moorage.agent.runtimes.port import Identity, Role, digest_of
from moorage.agent.runtimes.versioned_settings import VersionedSettings, completed
from moorage.agent.settings import AgentSettings
from moorage.contract import (
    Container,
    Credential,
    DesiredState,
    DesiredWorkspace,
    EditorSpec,
    Project,
    Resources,
    Volume,
    VolumeMount,
    WorkspaceSpec,
)
from moorage.workspace_settings import RemoteDevelopment

NAME = "workspace-7-3-abc123"
CA_VARIABLES = trust.environment(ca_bundle=True)
EDITOR = EditorSpec(
    name="vscode",
    command=("{tools}/editors/x/start", "--bind", "0.0.0.0:{port}", "{folder}", "{unknown}"),
    env={"CONFIG": "{home}/.x"},
)
IMAGE = ImageConfig(
    id="sha256:1",
    env={"PATH": "/image/bin", "A": "1"},
    user="1000",
    entrypoint=("/entry", "x"),
    cmd=("serve",),
)
INIT = ["/opt/moorage/bin/tini", "--"]


def host(**settings: Any) -> Host:
    own = AgentSettings(**settings)
    return Host(
        identity=Identity("inst", 7),
        settings=own,
        tools_image="sha256:tools",
        tools_volume="moorage-tools-1",
        machine=Machine(cpu=2000, memory=8 << 30),
        versioned=VersionedSettings(
            completed(RemoteDevelopment(labels={"team": "a", "moorage.dev/agent": "9"}), own), 3
        ),
    )


def desired(*containers: Container, **fields: Any) -> DesiredWorkspace:
    given = {"editor": EDITOR, "projects": (project(),), **fields}
    main = containers or (Container(name="py", image="i:1", override_command=True),)
    spec = WorkspaceSpec(containers=main, main_container=main[0].name, **given)
    return DesiredWorkspace(
        name=NAME, generation=4, desired=DesiredState.RUNNING, spec=spec, restarts=2, owner=3
    )


def project(**fields: Any) -> Project:
    return Project(**{"name": "app", "clone_path": "app", "url": "https://x.org/app.git", **fields})


def body(
    wish: DesiredWorkspace, name: str = "py", role: Role = "main", **settings: Any
) -> dict[str, Any]:
    container = wish.spec.container(name)
    return objects.container_body(
        wish, host(**settings), container, image=IMAGE, role=role, received=5.5
    )


def env(created: dict[str, Any]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in created["Env"])


def mounts(created: dict[str, Any]) -> dict[str, str]:
    return {m["Target"]: m["Source"] for m in created["HostConfig"]["Mounts"]}


def test_labels() -> None:
    """Every container tells whose it is, and what it was made from."""
    wish = desired()
    expected = {
        "app.kubernetes.io/managed-by": "moorage",
        "moorage.dev/installation": "inst",
        "moorage.dev/agent": "7",
        "moorage.dev/workspace": NAME,
        "moorage.dev/owner": "3",
        "moorage.dev/generation": "4",
        "moorage.dev/restarts": "2",
        "moorage.dev/spec": digest_of(wish.spec),
        "moorage.dev/received": "5.500",
        "moorage.dev/settings": '{"labels":{"moorage.dev/agent":"9","team":"a"}}',
        "moorage.dev/settings-version": "3",
        "moorage.dev/ca": "",
        "team": "a",
    }
    main = body(wish)["Labels"]
    assert main == {**expected, "moorage.dev/container": "py", "moorage.dev/role": "main"}
    sandbox = objects.sandbox_body(wish, host(), 5.5)["Labels"]
    assert sandbox == {
        **expected,
        "moorage.dev/container": "sandbox",
        "moorage.dev/role": "sandbox",
    }


def test_labels_of_a_devfile_do_not_replace_ours() -> None:
    """A devfile's own labels are kept, unless they pretend to be ours."""
    labels = {"team": "a", "moorage.dev/workspace": "other", "app.kubernetes.io/managed-by": "x"}
    created = body(desired(Container(name="py", image="i", labels=labels)))
    assert created["Labels"]["team"] == "a"
    assert created["Labels"]["moorage.dev/workspace"] == NAME
    assert created["Labels"]["app.kubernetes.io/managed-by"] == "moorage"


def test_main_container_runs_the_editor() -> None:
    """The main container's process keeps the editor running; of its placeholders, known ones are
    completed in."""
    created = body(desired())
    assert created["Entrypoint"] == [
        *INIT,
        "/opt/moorage/bin/busybox",
        "sh",
        "/opt/moorage/bin/workspace-main",
    ]
    assert created["Cmd"] == [
        "/opt/moorage/editors/x/start", "--bind", "0.0.0.0:60001", "/projects/app", "{unknown}",
    ]  # fmt: skip
    assert env(created)["CONFIG"] == "/projects/.home/.x"
    assert env(created)["MOORAGE_IMAGE_USER"] == "1000"


COMMANDS = {
    "the image's own": (Container(name="c", image="i"), [*INIT, "/entry", "x"], ["serve"]),
    "the devfile's": (Container(name="c", image="i", command=("a",), args=("b",)), [*INIT, "a"], ["b"]),
    "the devfile's, without arguments": (Container(name="c", image="i", command=("a",)), [*INIT, "a"], []),
    "only arguments": (Container(name="c", image="i", args=("b",)), [*INIT, "/entry", "x"], ["b"]),
    "an init of its own": (Container(name="c", image="i", command=("/usr/bin/tini", "a")), ["/usr/bin/tini", "a"], []),
    "kept alive": (
        Container(name="c", image="i", command=("a",), override_command=True),
        [*INIT, "/opt/moorage/bin/busybox", "sh", "/opt/moorage/bin/workspace-main"], ["--idle"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COMMANDS)
def test_other_containers_commands(case: str) -> None:
    """A sidecar runs what the devfile says, else what its image says, under an init that reaps and
    passes signals on."""
    container, entrypoint, cmd = COMMANDS[case]
    created = body(desired(Container(name="py", image="i"), container), "c", "sidecar")
    assert (created["Entrypoint"], created["Cmd"]) == (entrypoint, cmd)


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "made"),
    [
        ((), ("node", "x"), ([*INIT], ["node", "x"])),
        ((), ("/init",), ([], ["/init"])),
        ((), (), (None, None)),
    ],
)
def test_images_commands(entrypoint: tuple[str, ...], cmd: tuple[str, ...], made: object) -> None:
    """An image's command is put together as the engine does it; where there is none, the engine
    says so."""
    image = ImageConfig(id="sha256:1", entrypoint=entrypoint, cmd=cmd)
    wish = desired(Container(name="py", image="i"), side := Container(name="c", image="i"))
    created = objects.container_body(wish, host(), side, image=image, role="sidecar", received=1)
    assert (created.get("Entrypoint"), created.get("Cmd")) == made


def test_environment() -> None:
    """The tools stand last in PATH; ours are set; a devfile's variable wins over a proxy, not over
    HOME."""
    container = Container(name="py", image="i", env={"HOME": "/x", "http_proxy": "mine", "B": "2"})
    found = env(body(desired(container), http_proxy="http://p:1", no_proxy="localhost"))
    assert found["PATH"] == "/image/bin:/opt/moorage/bin"
    assert found["HOME"] == "/projects/.home"
    assert (found["PROJECTS_ROOT"], found["PROJECT_SOURCE"]) == ("/projects", "/projects/app")
    assert (found["http_proxy"], found["HTTP_PROXY"], found["B"]) == ("mine", "http://p:1", "2")
    assert (found["no_proxy"], "https_proxy" in found) == ("localhost", False)


def test_variables_of_the_image_are_filled_in() -> None:
    """A variable that names the image's own has its value, before what the tools add to PATH."""
    container = Container(name="py", image="i", image_env={"PATH": "$(PATH):/x", "B": "$(A)$$"})
    found = env(body(desired(container)))
    assert (found["PATH"], found["B"]) == ("/image/bin:/x:/opt/moorage/bin", "1$")


def test_a_sidecar_has_the_home_that_its_devfile_says() -> None:
    """Only the main container's is the workspace's own."""
    side = Container(name="db", image="i", env={"HOME": "/var/db"})
    assert (
        env(body(desired(Container(name="py", image="i"), side), "db", "sidecar"))["HOME"]
        == "/var/db"
    )


def test_commands_name_variables() -> None:
    """`$(NAME)` in a devfile's command is the container's variable, as in Kubernetes: not one of
    the image's, as PATH is; `$$` is `$`."""
    words = ("$(A)", "$(HOME)", "$(PATH)", "$$(A)", "$A", "$(NO)")
    side = Container(name="db", image="i", env={"A": "b"}, command=words, args=words)
    created = body(desired(Container(name="py", image="i"), side), "db", "sidecar")
    expected = ["b", "/projects/.home", "$(PATH)", "$(A)", "$A", "$(NO)"]
    assert (created["Entrypoint"], created["Cmd"]) == ([*INIT, *expected], expected)
    own = msgspec.structs.replace(side, env={"PATH": "/x"}, args=("$(PATH)",))
    assert body(desired(Container(name="py", image="i"), own), "db", "sidecar")["Cmd"] == ["/x"]


def test_ca_bundle() -> None:
    """With a CA bundle, it is mounted read-only, and programs are told where it is; without,
    nothing is set."""
    with_ca = Host(
        **{**{f: getattr(host(), f) for f in host().__struct_fields__}, "ca_volume": "moorage-ca-1"}
    )
    container = desired().spec.containers[0]
    created = objects.container_body(
        desired(), with_ca, container, image=IMAGE, role="main", received=1
    )
    assert mounts(created)["/etc/moorage"] == "moorage-ca-1"
    assert {name: env(created)[name] for name in CA_VARIABLES} == CA_VARIABLES
    sandbox = objects.sandbox_body(desired(), with_ca, 1)
    assert env(sandbox)["GIT_SSL_CAINFO"] == "/etc/moorage/ca-bundle.crt"
    assert not env(body(desired())).keys() & set(CA_VARIABLES)


def test_mounts() -> None:
    """The workspace's volume, the tools read-only, and the devfile's volumes; none is completed
    from the image."""
    side = Container(
        name="db",
        image="i",
        source_mapping="/src",
        volume_mounts=(VolumeMount(volume="data", path="/var/data"),),
    )
    wish = desired(Container(name="py", image="i"), side, volumes=(Volume(name="data"),))
    created = body(wish, "db", "sidecar")
    assert mounts(created) == {
        "/opt/moorage": "moorage-tools-1", "/src": NAME, "/var/data": f"{NAME}.data",
    }  # fmt: skip
    assert all(m["VolumeOptions"] == {"NoCopy": True} for m in created["HostConfig"]["Mounts"])
    assert [m["Target"] for m in created["HostConfig"]["Mounts"] if m.get("ReadOnly")] == [
        "/opt/moorage"
    ]
    assert env(created)["HOME"] == "/src/.home"


def test_no_sources() -> None:
    """A container that wants no sources has neither the volume nor its variables."""
    side = Container(name="db", image="i", mount_sources=False)
    created = body(desired(Container(name="py", image="i"), side), "db", "sidecar")
    assert mounts(created) == {"/opt/moorage": "moorage-tools-1"}
    assert not {"HOME", "PROJECTS_ROOT"} & env(created).keys()


def test_confinement() -> None:
    """No container of a workspace has any privilege; each joins the sandbox's network, which is the
    workspace's own."""
    wish = desired()
    for created in (body(wish), objects.sandbox_body(wish, host(), 1)):
        given = created["HostConfig"]
        assert created["User"] == "5001:0"
        assert given["CapDrop"] == ["ALL"]
        assert given["SecurityOpt"] == ["no-new-privileges:true"]
        assert given["IpcMode"] == "private"
        assert given["RestartPolicy"] == {"Name": "no"}
        assert not {"Privileged", "CapAdd", "Binds", "PortBindings", "Devices"} & given.keys()
    assert body(wish)["HostConfig"]["NetworkMode"] == f"container:{NAME}.sandbox"
    assert objects.sandbox_body(wish, host(), 1)["HostConfig"]["NetworkMode"] == NAME


LIMITS = [
    (Resources(), {}, {"PidsLimit": 4096, "Memory": 4 << 30, "MemorySwap": 4 << 30}),
    (Resources(memory_request=6 << 30), {}, {"Memory": 6 << 30, "MemoryReservation": 6 << 30}),
    (Resources(memory_limit=64 << 30), {}, {"Memory": 6 << 30, "MemorySwap": 6 << 30}),
    (Resources(), {"default_memory_limit": 0}, {"Memory": None, "MemorySwap": None, "ShmSize": None}),
    (Resources(memory_limit=2 << 30), {}, {"ShmSize": 1 << 30}),
    (Resources(memory_limit=100 << 20), {}, {"ShmSize": 64 << 20}),
    (Resources(cpu_request=200_000), {}, {"CpuShares": 2048}),
    (Resources(cpu_limit=1500, cpu_request=500), {}, {"NanoCpus": 1_500_000_000, "CpuShares": 512}),
    (Resources(cpu_limit=64000), {}, {"NanoCpus": 2_000_000_000}),
    (Resources(memory_limit=100, memory_request=200), {}, {"Memory": 100, "MemorySwap": 100, "MemoryReservation": 100}),
    (Resources(pids_limit=10), {}, {"PidsLimit": 10}),
    (Resources(), {"default_cpu_limit": 250, "default_memory_limit": 64}, {"NanoCpus": 250_000_000, "Memory": 64}),
]  # fmt: skip


@pytest.mark.parametrize(("resources", "settings", "expected"), LIMITS)
def test_limits(resources: Resources, settings: dict[str, Any], expected: dict[str, int]) -> None:
    """Limits are the devfile's, else the agent's, and never above what the machine has."""
    created = body(desired(Container(name="py", image="i", resources=resources)), **settings)
    given = created["HostConfig"]
    assert {name: given.get(name) for name in expected} == expected


def test_no_credential_in_any_body() -> None:
    """A credential is in no body, digest or label; for which project there is one is all that the
    sandbox is told."""
    secret = Credential(host="x.org", username="u", password="hunter2")
    wish, same = desired(projects=(project(credential=secret),)), desired()
    sandbox = objects.sandbox_body(wish, host(), 1)
    assert "hunter2" not in str(sandbox) + str(body(wish))
    assert env(sandbox)["MOORAGE_CREDENTIALS_FOR"] == "app"
    assert "MOORAGE_CREDENTIALS_FOR" not in env(objects.sandbox_body(same, host(), 1))
    assert digest_of(wish.spec) == digest_of(same.spec)


def test_only_the_sandbox_reaches_where_git_works() -> None:
    """The volume in which Git clones is mounted in the sandbox alone, and goes with the run."""
    wish = desired()
    stage = objects.stage_name(NAME)
    made = [
        volume
        for volume in objects.volume_bodies(wish, host().identity)
        if objects.EPHEMERAL in volume["Labels"]
    ]
    assert [volume["Name"] for volume in made] == [stage]
    mounts = {
        m["Source"]: m["Target"]
        for m in objects.sandbox_body(wish, host(), 1)["HostConfig"]["Mounts"]
    }
    assert mounts[stage] == env(objects.sandbox_body(wish, host(), 1))["MOORAGE_STAGE"]
    assert stage not in str(body(wish))


def test_names_do_not_meet() -> None:
    """A component called like our own container, or like a preStart step's, has another name."""
    names = [
        objects.sandbox_name(NAME),
        objects.container_name(NAME, "sandbox", "sidecar"),
        objects.container_name(NAME, "py", "main"),
        objects.container_name(NAME, "py", "init"),
    ]
    assert len(set(names)) == 4


OWN = {
    "the image's": ({}, "/entry.sh serve --all"),
    "the devfile's": ({"command": ("a b", "$(WHO)"), "args": ("c",)}, "'a b' me c"),
    "the devfile's, without the image's arguments": ({"command": ("a",)}, "a"),
    "the image's, with the devfile's arguments": ({"args": ("b",)}, "/entry.sh b"),
}


@pytest.mark.parametrize("case", OWN)
def test_the_editor_beside_the_main_containers_own_command(case: str) -> None:
    """With `overrideCommand: false`, what an engine would run is run, and the editor beside it."""
    fields, line = OWN[case]
    container = Container(name="py", image="i", env={"WHO": "me"}, **fields)
    image = objects.ImageConfig(id="x", entrypoint=("/entry.sh",), cmd=("serve", "--all"))
    created = objects.container_body(
        desired(container), host(), container, image=image, role="main", received=5.5
    )
    words = [*created["Entrypoint"], *created["Cmd"]]
    at = words.index("/opt/moorage/bin/workspace-main")
    assert words[at + 1 : at + 4] == ["--own", line, "/opt/moorage/editors/x/start"]


def test_a_main_container_without_a_command_of_its_own_has_the_editor() -> None:
    """Where neither devfile nor image names a command, there is nothing to run beside it."""
    container = Container(name="py", image="i")
    created = objects.container_body(
        desired(container), host(), container, image=objects.ImageConfig(id="x"), role="main", received=5.5
    )  # fmt: skip
    assert "--own" not in created["Cmd"]
