"""An organisation's own CA, in a real workspace: every program trusts it, and none would
without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from integration.runtimes.git_server import run
from integration.runtimes.languages.image import languages_image
from integration.runtimes.private_site import SECRET, PrivateSite
from integration.runtimes.test_docker_clone import sh
from integration.runtimes.worlds import DockerWorld, bridge_address, desired_of, simple_spec
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Container, Project

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSite]:
    site = PrivateSite(tmp_path_factory.mktemp("site"), bridge_address())
    yield site
    site.close()


async def test_programs_trust_it(
    docker_world: DockerWorld, site: PrivateSite, tmp_path: Path
) -> None:
    """The clone, and then Git, pip, npm, curl, Node and Java in a workspace, reach hosts that a
    private CA signed; each refuses when its variables are taken away, and Java's own options
    stay."""
    (tmp_path / "ca.pem").write_text(site.ca.certificate)
    agent = await docker_world.agent(
        msgspec.structs.replace(docker_world.settings, ca_bundle=str(tmp_path / "ca.pem"))
    )
    main = Container(
        name="py",
        image=languages_image(docker_world.image),
        override_command=True,
        env={"JAVA_TOOL_OPTIONS": "-Dkept=yes"},
    )
    project = Project(name="app", clone_path="app", url=site.repository)
    desired = desired_of(
        docker_world, spec=simple_spec(docker_world, containers=(main,), projects=(project,))
    )
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    for program, command in site.programs().items():
        said = await sh(agent, desired, f"d=$(mktemp -d); {command} 2>&1")
        assert SECRET in said, (program, said)
        without = "env -i PATH=$PATH HOME=$HOME sh -c 'd=$(mktemp -d); . /tmp/command 2>&1; true'"
        said = await sh(agent, desired, f"cat >/tmp/command <<'END'\n{command}\nEND\n{without}")
        assert SECRET not in said, (program, said)
        assert "cert" in said.lower(), (program, said)
    assert "-Dkept=yes" in await sh(agent, desired, "java -version 2>&1")


async def test_a_bundle_that_is_none(docker_world: DockerWorld, tmp_path: Path) -> None:
    """A CA bundle with something else in it is told as that, rather than breaking every program in
    the workspace."""
    (tmp_path / "ca.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"
    )
    agent = await docker_world.agent(
        msgspec.structs.replace(docker_world.settings, ca_bundle=str(tmp_path / "ca.pem"))
    )
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(desired_of(docker_world))
    assert caught.value.cause.code == "ca-bundle-invalid"


def test_the_store_holds_what_the_bundle_does(docker_world: DockerWorld, tmp_path: Path) -> None:
    """Java reads the store with and without its password, and counts the certificates that the
    bundle has."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt").read_bytes()
    (tmp_path / "ca-bundle.crt").write_bytes(bundle)
    image = languages_image(docker_world.image)
    make = "/opt/moorage/bin/workspace-truststore /w/ca-bundle.crt /tmp/store"
    for password in ("-storepass changeit", ""):
        script = f"{make} && keytool -list -keystore /tmp/store {password} </dev/null 2>&1 | grep -c trustedCertEntry"
        said = run(
            "docker", "run", "--rm", "-u", "0", "-v", f"{tmp_path}:/w:ro", image, "sh", "-c", script
        )
        assert int(said) == bundle.count(b"BEGIN CERTIFICATE")
