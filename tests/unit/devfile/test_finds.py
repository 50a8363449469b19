"""What fuzzing has found: each find, and what it must give."""

from __future__ import annotations

import pytest

from moorage.devfile import Devfile, dump, flatten, parse

FINDS = {
    "metadata of a later version, of another type": "schemaVersion: 2.0.0\nmetadata: {language: [x], projectType: {}, tags: [a]}",
    "metadata that only the model calls so": "schemaVersion: 2.0.0\nmetadata: {extra: 5, name: a, website: 7}",
}


@pytest.mark.parametrize("name", FINDS)
def test_a_find_stays_found(name: str) -> None:
    """It is read, and written and flattened as any other devfile."""
    devfile = parse(FINDS[name])
    assert isinstance(devfile, Devfile)
    assert parse(dump(devfile)) == devfile
    assert flatten(flatten(devfile).devfile).devfile == flatten(devfile).devfile
