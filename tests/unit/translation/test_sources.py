"""Devfile or devcontainer.json, by the file's path."""

from __future__ import annotations

import pytest

from moorage.devfile import DevfileError
from moorage.translation import FILE_NAMES, read

DEVFILE = "schemaVersion: 2.2.0\ncomponents: [{name: a, container: {image: 'i:{{x}}'}}]"


@pytest.mark.parametrize(
    "path", [".devfile.yaml", "devfile.yml", ".devfile/java.yaml", "backend/devfile.yaml"]
)
def test_a_devfile_is_read_as_one(path: str) -> None:
    """Any name but a devcontainer's is a devfile's."""
    flat = read(DEVFILE, path=path)
    assert flat.devfile.components[0].name == "a"
    assert [warning.code for warning in flat.warnings] == ["unknown-variable"]


@pytest.mark.parametrize(
    "path",
    [
        ".devcontainer/devcontainer.json",
        ".devcontainer.json",
        ".devcontainer/web/devcontainer.json",
    ],
)
def test_a_devcontainer_is_read_as_one(path: str) -> None:
    """Its name tells; its warnings are passed on."""
    flat = read('{"image": "i", "features": {}}', path=path)
    assert flat.devfile.components[0].name == "dev"
    assert [(warning.code, warning.source) for warning in flat.warnings] == [
        ("devcontainer-not-carried", path)
    ]
    with pytest.raises(DevfileError):
        read(DEVFILE, path=path)


def test_devfiles_are_looked_for_first() -> None:
    """A repository that has both is taken by its devfile."""
    assert FILE_NAMES.index("devfile.yml") < FILE_NAMES.index(".devcontainer/devcontainer.json")
