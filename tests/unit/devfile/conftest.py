"""The published data, read where it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

import published
from moorage.devfile import Reference, ResolutionError, Resolved


@pytest.fixture(scope="session")
def data() -> Path:
    return published.DEVFILE


class Documents:
    """A resolver over texts in memory, by uri, by id, or by a Kubernetes resource's name."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.asked: list[Reference] = []

    def resolve(self, reference: Reference) -> Resolved:
        self.asked.append(reference)
        key = (
            reference.uri
            or reference.name
            or "/".join(filter(None, (reference.id, reference.version)))
        )
        if key not in self.texts:
            raise ResolutionError("import-not-found", f"There is no {key}.", "Look at its name.")
        return Resolved(self.texts[key], key)


@pytest.fixture
def documents() -> type[Documents]:
    return Documents
