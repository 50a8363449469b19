"""Registries in folders, files beside a devfile, and several resolvers in a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.devfile import NoResolver, Reference, ResolutionError
from moorage.resolvers import FirstOf, LocalFiles, RegistryFolder, Sources, resolver_of
from moorage.resolvers.http import HttpResolver


@pytest.fixture
def registry(tmp_path: Path) -> RegistryFolder:
    for version in ("1.9.0", "1.10.0", "2.0.0-beta", "0.1.0"):
        folder = tmp_path / "registry/go" / version
        folder.mkdir(parents=True)
        (folder / "devfile.yaml").write_text(f"schemaVersion: 2.2.0 # {version}")
    (tmp_path / "registry/empty/1.0.0").mkdir(parents=True)
    (tmp_path / "devfile.yaml").write_text("secret")
    return RegistryFolder(tmp_path / "registry", ["https://registry.example/"])


def _code(resolver: object, reference: Reference) -> str:
    with pytest.raises(ResolutionError) as caught:
        resolver.resolve(reference)  # type: ignore[attr-defined]
    assert caught.value.message
    return caught.value.code


@pytest.mark.parametrize(
    ("version", "found"),
    [("1.9.0", "1.9.0"), ("", "2.0.0-beta"), ("latest", "2.0.0-beta"), ("0.1.0", "0.1.0")],
)
def test_a_version_is_found(registry: RegistryFolder, version: str, found: str) -> None:
    """The named one, or the newest by its numbers."""
    resolved = registry.resolve(
        Reference(id="go", version=version, registry_url="https://registry.example")
    )
    assert resolved.address == f"go/{found}"
    assert resolved.text == f"schemaVersion: 2.2.0 # {found}".encode()


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("{version: 1.9.0, default: true}, {version: 1.10.0}", "1.9.0"),
        ("{version: 1.10.0, default: false}, {version: 0.1.0, default: true}", "0.1.0"),
        ("{version: 9.9.9, default: true}", "2.0.0-beta"),
        ("{version: 1.9.0}", "2.0.0-beta"),
        ("nothing", "2.0.0-beta"),
    ],
)
def test_without_a_version_a_stacks_default_is_meant(
    registry: RegistryFolder, listed: str, found: str
) -> None:
    """`stack.yaml` says which it is, as in the public registry; `latest` is the newest all the
    same."""
    (registry.folder / "go/stack.yaml").write_text(f"name: go\nversions: [{listed}]\n")
    assert registry.resolve(Reference(id="go")).address == f"go/{found}"
    assert registry.stacks() == [("go", found)]
    assert registry.resolve(Reference(id="go", version="latest")).address == "go/2.0.0-beta"


def test_a_broken_list_of_versions_is_as_none(registry: RegistryFolder) -> None:
    """The newest is then taken, as without one."""
    (registry.folder / "go/stack.yaml").write_text("versions: [")
    assert registry.resolve(Reference(id="go")).address == "go/2.0.0-beta"


@pytest.mark.parametrize("below", ["", "stacks"])
def test_a_stack_of_one_version_lies_in_its_own_folder(
    registry: RegistryFolder, below: str
) -> None:
    """`<id>/devfile.yaml` is found by its id, and by the version that it says it has."""
    folder = registry.folder / below / "rust"
    (folder / "docker").mkdir(parents=True)
    text = "schemaVersion: 2.2.0\nmetadata: {version: 1.2.1}\n"
    (folder / "devfile.yaml").write_text(text)
    for version in ("", "latest", "1.2.1"):
        resolved = registry.resolve(Reference(id="rust", version=version))
        assert (resolved.address, resolved.text) == ("rust/1.2.1", text.encode())
    assert _code(registry, Reference(id="rust", version="1.2.0")) == "not-in-registry"
    assert registry.stacks() == [("go", "2.0.0-beta"), ("rust", "1.2.1")]


def test_a_stack_without_any_version_is_found(registry: RegistryFolder) -> None:
    """It is called by its id alone."""
    (registry.folder / "rust").mkdir()
    (registry.folder / "rust/devfile.yaml").write_text("schemaVersion: 2.2.0")
    assert registry.resolve(Reference(id="rust")).address == "rust"
    assert _code(registry, Reference(id="rust", version="1.0.0")) == "not-in-registry"


def test_a_release_is_newer_than_its_beta(registry: RegistryFolder) -> None:
    """Numbers are compared as numbers, and a suffix comes before the release."""
    folder = registry.folder / "go/2.0.0"
    folder.mkdir()
    (folder / "devfile.yaml").write_text("x")
    assert registry.resolve(Reference(id="go")).address == "go/2.0.0"
    assert registry.stacks() == [("go", "2.0.0")]


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        (Reference(id="rust"), "not-in-registry"),
        (Reference(id="empty"), "not-in-registry"),
        (Reference(id="go", version="9.9.9"), "not-in-registry"),
        (Reference(id="go", registry_url="https://other.example"), "registry-unknown"),
        (Reference(uri="devfile.yaml"), "not-by-id"),
        (Reference(name="x"), "not-by-id"),
        (Reference(id="../.."), "bad-reference"),
        (Reference(id=".."), "bad-reference"),
        (Reference(id="go/../.."), "bad-reference"),
        (Reference(id="/etc"), "bad-reference"),
        (Reference(id="go", version=".."), "bad-reference"),
        (Reference(id="go", version="1/../.."), "bad-reference"),
    ],
)
def test_what_is_not_in_the_registry_is_refused(
    registry: RegistryFolder, reference: Reference, code: str
) -> None:
    """Nothing outside of the folder is reached, whatever the id says."""
    assert _code(registry, reference) == code


def test_files_beside_the_devfile(tmp_path: Path) -> None:
    """A relative uri starts at the document that names it, and stays in the folder, links
    included."""
    root = tmp_path / "repo"
    (root / "sub").mkdir(parents=True)
    (root / "base.yaml").write_text("base")
    (root / "sub/mid.yaml").write_text("mid")
    (tmp_path / "secret.yaml").write_text("secret")
    (root / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    files = LocalFiles(root)
    mid = files.resolve(Reference(uri="sub/mid.yaml", base=str(root / "devfile.yaml")))
    assert mid.text == b"mid"
    assert files.resolve(Reference(uri="../base.yaml", base=mid.address)).text == b"base"
    assert _code(files, Reference(uri="../secret.yaml")) == "outside-folder"
    assert _code(files, Reference(uri="/etc/passwd")) == "outside-folder"
    assert _code(files, Reference(uri="link.yaml")) == "outside-folder"
    assert _code(files, Reference(uri="nothing.yaml")) == "file-not-found"
    assert _code(files, Reference(uri="https://x.example/y")) == "not-a-file"
    assert _code(files, Reference(id="go")) == "not-a-file"


def test_several_resolvers_in_a_row(registry: RegistryFolder, tmp_path: Path) -> None:
    """The first that has it answers; of the failures the one counts that the reference was meant
    for."""
    both = FirstOf(LocalFiles(tmp_path), registry, NoResolver())
    assert both.resolve(Reference(id="go")).address == "go/2.0.0-beta"
    assert _code(both, Reference(id="rust")) == "not-in-registry"
    assert _code(both, Reference(uri="nothing.yaml")) == "file-not-found"
    assert _code(both, Reference(uri="https://x.example/y")) == "imports-not-allowed"


def test_settings_make_the_resolver(tmp_path: Path) -> None:
    """Nothing set: nothing is fetched; else the folder, the hosts, or both."""
    assert isinstance(resolver_of(Sources()), NoResolver)
    assert isinstance(resolver_of(Sources(registry=str(tmp_path))), RegistryFolder)
    made = resolver_of(Sources(hosts=("a.example", "*.b.example:8443"), networks=("10.0.0.0/8",)))
    assert isinstance(made, HttpResolver)
    assert made.hosts == ("a.example", "*.b.example:8443")
    assert isinstance(resolver_of(Sources(registry=str(tmp_path), hosts=("a",))), FirstOf)
    with pytest.raises(ValueError, match="network"):
        resolver_of(Sources(hosts=("a",), networks=("10.0.0.0/99",)))
