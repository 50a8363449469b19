"""The devfile of a repository that has none."""

from __future__ import annotations

import pytest

from moorage.server.repositories.default_devfile import load_default

HEAD = "schemaVersion: 2.2.0\ncomponents:\n"
SIDE = "- name: db\n  container: {image: 'registry.corp.example/db:1'}\n"
MARKED = (
    "- name: dev\n  attributes: {gl/inject-editor: true}\n"
    "  container: {image: 'registry.corp.example/dev:2'}\n"
)
VARIABLE = "- name: dev\n  container: {image: '{{image}}'}\n"


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("", ""),
        (HEAD + SIDE + MARKED, "registry.corp.example/dev:2"),
        (HEAD + SIDE, "registry.corp.example/db:1"),
        (HEAD + VARIABLE, ""),
    ],
    ids=["none", "the marked one", "the only one", "not known before it is read"],
)
def test_its_image_is_that_of_the_container_that_people_work_in(text: str, image: str) -> None:
    """Workspaces are repaired from it, too."""
    assert load_default(text).image == image
