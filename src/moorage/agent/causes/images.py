"""Why an image cannot be had, out of a registry's or an engine's words. Pure.

`PULLS` is tested with the texts of containerd 1.6 to 2.x, CRI-O, and Docker 20 to 29. Words that no
row knows are shown as they were said.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from moorage.agent.causes.places import DOCKER, Place
from moorage.agent.causes.verdict import NO_SPACE, Verdict, make_cause, matches, no_space
from moorage.contract import Cause


class PullCause(NamedTuple):
    """A row of `PULLS`. `{image}`, and the fields of `Place`, are filled in."""

    code: str
    patterns: tuple[str, ...]
    """Any of them, in words of which the image's name, quoted names and URLs were taken away."""
    message: str
    hint: str
    final: bool


NOT_FOUND = PullCause(
    "image-not-found",
    (
        "manifest unknown",
        "name unknown",
        "manifest for IMAGE not found",
        "not found: manifest",
        "no such image",
        "repository name not known to registry",
        "failed to resolve reference.*: not found",
        "IMAGE: not found$",
        "404 not found",
    ),
    "The registry has no image {image}.",
    "Check the image's name and tag in the devfile.",
    True,
)
UNKNOWN = PullCause(
    "image-not-pulled",
    (),
    "The image {image} could not be pulled.",
    "The engine's own words are below; it is tried again.",
    False,
)
PULLS = (
    PullCause(
        "image-name-invalid",
        (
            "invalid reference format",
            "invalid repository name",
            "invalid tag",
            "repository name must be",
            "couldn't parse image",
        ),
        "'{image}' is not an image's name.",
        "Correct it in the devfile.",
        True,
    ),
    PullCause(
        "image-name-short",
        (
            "short-name.*did not resolve to an alias",
            "short-name resolution enforced",
            "no registries configured while trying to pull an unqualified image",
            "short name mode is enforcing",
        ),
        "{image} names no registry, and the container runtime of the node looks nowhere by itself.",
        "Write the whole name in the devfile, such as docker.io/library/debian:12.",
        True,
    ),
    PullCause(
        "image-format-old",
        (r"distribution\.manifest\.v1\+", r"schema (version )?1\b", "image format v1"),
        "The image {image} has a format of years ago, which the engine does not take any more.",
        "Build it again, or pull and push it with a current tool.",
        True,
    ),
    PullCause(
        "wrong-architecture",
        (
            "no matching manifest",
            "no match for (current )?platform",
            "does not match the specified platform",
            "does not provide the specified platform",
            "no image found in (image index|manifest list)",
        ),
        "The image {image} is made for another kind of processor than this machine has.",
        "Use an image that is built for this machine's architecture, or for several.",
        True,
    ),
    PullCause(
        "registry-rate-limited",
        ("toomanyrequests", "too many requests", "rate limit", r"\b429\b"),
        "The registry refuses to hand out {image} for now: too many requests.",
        "Wait, or {sign_in}.",
        False,
    ),
    PullCause(
        "registry-without-tls",
        (
            "server gave http response to https client",
            "first record does not look like a tls handshake",
        ),
        "The registry of {image} speaks plain HTTP, and the engine expects TLS.",
        "Give the registry a certificate, or {allow_http}.",
        True,
    ),
    PullCause(
        "registry-certificate-ended",
        ("certificate has expired or is not yet valid",),
        "The certificate of the registry of {image} has ended, or does not hold yet.",
        "The registry's operator has to renew it; if it is a good one, correct the engine's clock.",
        True,
    ),
    PullCause(
        "registry-certificate-other-name",
        (
            "certificate is valid for",
            "certificate is not valid for",
            "doesn't contain any ip sans",
            "certificate relies on legacy common name",
        ),
        "The certificate of the registry of {image} is for another name.",
        "Use the registry's name that is in the certificate, or give the registry one for its name.",
        True,
    ),
    PullCause(
        "registry-untrusted",
        (
            "x509: ",
            "certificate signed by unknown authority",
            "failed to verify certificate",
            "self.signed certificate",
        ),
        "The registry of {image} has a certificate that the engine does not trust.",
        "As an administrator, {trust}.",
        True,
    ),
    PullCause(
        "image-policy-refused",
        (
            "signaturevalidationfailed",
            "signature was required",
            "source image rejected",
            "rejected by policy",
        ),
        "The engine's policy does not allow the image {image}: its signature is missing or wrong.",
        "Use an image that is signed as the policy asks; who runs the engine can say more.",
        True,
    ),
    # Registries answer "denied" for what does not exist, too: one cannot tell.
    PullCause(
        "image-denied",
        (
            "unauthorized",
            "denied",
            "authentication required",
            "no basic auth",
            "forbidden",
            "insufficient_scope",
            "authorization failed",
            "invalid username/password",
            r"\b40[13]\b",
        ),
        "The registry does not hand out {image}: it does not exist, or needs a sign-in.",
        "Check the image's name; for a private one, {sign_in}.",
        True,
    ),
    NOT_FOUND,
    PullCause(
        "registry-failing",
        (
            r"\b50[0-9]\b",
            "internal server error",
            "service unavailable",
            "bad gateway",
        ),
        "The registry of {image} answers with an error of its own.",
        "It is tried again; the registry's operator can say more.",
        False,
    ),
    PullCause(
        "registry-unreachable",
        ("no such host", "server misbehaving", "temporary failure in name resolution"),
        "The registry of {image} cannot be reached: its name does not resolve.",
        "Check the registry's name, and {network}; or {bring}.",
        False,
    ),
    PullCause(
        "registry-unreachable",
        (
            "connection refused",
            "i/o timeout",
            "network is unreachable",
            "no route to host",
            "connection reset",
            "broken pipe",
            "tls handshake timeout",
            "context deadline exceeded",
            r"client\.timeout",
            "request canceled",
            "proxyconnect",
            r"dial (tcp|udp)\b",
            r"\bEOF\b",
        ),
        "The registry of {image} cannot be reached.",
        "Check {network}; or {bring}.",
        False,
    ),
)
_NAMES = (
    (r"\b\w+://[^\s\",]+", "URL"),
    (r'\b(reference|image|short-name|\w+ URL|lookup) \\?"[^"]*"', r"\1 IMAGE"),
    (r"\b(Get|Head|Post) \\?\"[^\"]*\"", r"\1 URL"),
    (r"\bmanifest for \S+ not found", "manifest for IMAGE not found"),
    (r"\bdenied for [^\s,]+", "denied for IMAGE"),
    (r"\breading manifest \S+ in [^\s:]+(:\d+/[^\s:]+)?", "reading manifest"),
    (r"\blookup \S+", "lookup HOST"),
    (r"\bhost \S+ failed", "host failed"),
    (r"\[\S+ \d+\]", ""),
)
"""Patterns of what is a name in an engine's words, and what stands there instead: an image may be
called `denied`."""


def of_pull(image: str, status: int, message: str, place: Place) -> Verdict:
    """The cause of a pull that failed. `status`: as in HTTP, of an engine that answers in it."""
    if matches(message, *NO_SPACE):
        return no_space(f"for the image {image}", message)
    words = _without_names(image, message)
    found = next((row for row in PULLS if matches(words, *row.patterns)), None)
    if found is None:
        found = NOT_FOUND if status == 404 else UNKNOWN
    given = {"image": image, **place._asdict()}
    cause = make_cause(
        found.code, found.message.format(**given), message, found.hint.format(**given)
    )
    return Verdict(cause, found.final)


def _without_names(image: str, message: str) -> str:
    untagged = re.sub(r"(@.*|:[^/]*)$", "", image)
    for name in (image, untagged):
        if "/" in name or ":" in name:
            message = message.replace(name, "IMAGE")
    for pattern, instead in _NAMES:
        message = re.sub(pattern, instead, message, flags=re.IGNORECASE)
    return message


def registry_denied(image: str) -> Cause:
    """One answer for every address that images are not pulled from."""
    return make_cause(
        "registry-denied",
        f"Images are not pulled from the registry of {image}.",
        hint="It is at no public address. Whoever runs the agent can list it: image_networks under [agent].",
    )


def pull_timeout(image: str, seconds: float) -> Verdict:
    return Verdict(
        make_cause(
            "image-pull-timeout",
            f"The image {image} was not there after {seconds:.0f} s.",
            hint="Pull it beforehand, use a smaller one, or raise pull_timeout under [agent].",
        ),
        True,
    )


def tools_image(image: str, cause: Cause, place: Place) -> Verdict:
    """The cause of a failed pull of the tools image: the agent's installation is at fault, not the
    workspace."""
    where = "on this engine" if place is DOCKER else "on the node"
    return Verdict(
        make_cause(
            "tools-image-missing",
            f"The tools image {image} is not {where} and cannot be pulled.",
            cause.detail or cause.message,
            place.tools,
        ),
        False,
    )


def wrong_architecture(image: str, engine: str, detail: str = "", has: str = "") -> Verdict:
    what = f"The image {image}" if image else "A container's image"
    machine = f"this machine ({engine})" if engine else "this machine"
    return Verdict(
        make_cause(
            "wrong-architecture",
            f"{what} is made for another kind of processor{f' ({has})' if has else ''} than {machine} has.",
            detail,
            "Use an image that is built for this machine's architecture, or for several.",
        ),
        True,
    )
