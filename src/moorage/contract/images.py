"""References to container images: `[domain/]path[:tag][@digest]`, by the grammar of the OCI
distribution specification.

A reference comes from a devfile and ends in requests to the engine and to registries: what does not
follow the grammar goes nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT = "docker.io/library/debian:stable"
"""The image of a workspace for which nobody names one, and of what one is repaired from."""
HUB = "docker.io"
"""The domain of a reference that names none."""

_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
_DOMAIN = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]{32,}")
_LONGEST_NAME = 255


@dataclass(frozen=True)
class ImageReference:
    domain: str
    """The registry's host, with its port; "": the reference names none, and the engine's default
    holds."""
    path: str
    tag: str
    """"": none is named."""
    digest: str
    """As in `sha256:…`; "": none is named."""

    @property
    def name(self) -> str:
        """Without tag and digest."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    def __str__(self) -> str:
        tag, digest = self.tag and f":{self.tag}", self.digest and f"@{self.digest}"
        return f"{self.name}{tag}{digest}"


def parse_image(text: str) -> ImageReference | None:
    """The reference, or None for what is none. What it is made of, put together again, is the text
    that it was made from."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        return None
    first, slash, others = rest.partition("/")
    domain = first if slash and _is_domain(first) else ""
    path, colon, tag = (others if domain else rest).partition(":")
    if not _PATH.fullmatch(path) or (colon and not _TAG.fullmatch(tag)):
        return None
    if domain and not _DOMAIN.fullmatch(domain):
        return None
    reference = ImageReference(domain=domain, path=path, tag=tag, digest=digest)
    return reference if len(reference.name) <= _LONGEST_NAME else None


def _is_domain(first: str) -> bool:
    """Whether what stands before the first slash is a host: a path's component has neither a dot or
    colon that a host could have, nor capital letters, and `localhost` is one by name."""
    return first == "localhost" or any(sign in first for sign in ".:[") or first != first.lower()
