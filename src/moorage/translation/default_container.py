"""A devfile without a container, as those that only build and deploy → one with a container to
work in."""

from __future__ import annotations

from dataclasses import replace

from moorage.devfile import Devfile
from moorage.devfile.model import Component, ContainerComponent
from moorage.documents.reporting import Report
from moorage.translation.repository import LANGUAGES, OTHER, Language

NAME = "dev"


def completed(devfile: Devfile, report: Report, image: str = "") -> Devfile:
    """The devfile itself when it has a container; else with one of that image, or, for "", of one
    for the language that it names, and a warning."""
    if any(True for _ in devfile.containers()):
        return devfile
    image = image or _language(devfile).image
    report.warn(
        "default-container",
        f"The devfile has no container to work in: one of the image {image} is taken.",
        ("components",),
        hint="Add a component with a 'container' and its image.",
    )
    taken = {component.name for component in devfile.components}
    name = next(
        each for number in range(len(taken) + 1) if (each := _numbered(number)) not in taken
    )
    added = Component(name=name, container=ContainerComponent(image=image))
    return replace(devfile, components=(*devfile.components, added))


def _language(devfile: Devfile) -> Language:
    said = {
        (devfile.metadata.language or "").lower(),
        (devfile.metadata.project_type or "").lower(),
    }
    return next((each for each in LANGUAGES if each.name.lower() in said), OTHER)


def _numbered(number: int) -> str:
    return f"{NAME}-{number}" if number else NAME
