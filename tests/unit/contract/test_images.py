"""References to images, by the grammar of the OCI distribution specification."""

from __future__ import annotations

import pytest

from moorage.contract.images import ImageReference, parse_image

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "domain", "path", "tag", "digest"),
    [
        ("debian", "", "debian", "", ""),
        ("debian:12", "", "debian", "12", ""),
        ("library/debian:12-slim", "", "library/debian", "12-slim", ""),
        ("registry.example.com/team/app", "registry.example.com", "team/app", "", ""),
        ("registry.example.com:5000/app:1.0_2", "registry.example.com:5000", "app", "1.0_2", ""),
        ("localhost/app", "localhost", "app", "", ""),
        ("localhost:5000/app", "localhost:5000", "app", "", ""),
        ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000", "a/b/c", "", ""),
        ("[2001:db8::1]:5000/app:1", "[2001:db8::1]:5000", "app", "1", ""),
        ("Registry/app", "Registry", "app", "", ""),
        ("a--b/c__d/e.f/g_h", "", "a--b/c__d/e.f/g_h", "", ""),
        (f"quay.io/app@{DIGEST}", "quay.io", "app", "", DIGEST),
        (f"quay.io/app:1@{DIGEST}", "quay.io", "app", "1", DIGEST),
    ],
)
def test_a_reference_is_taken_apart(
    text: str, domain: str, path: str, tag: str, digest: str
) -> None:
    """Domain, path, tag and digest are told apart as container engines do, and give the same text
    again."""
    assert parse_image(text) == ImageReference(domain=domain, path=path, tag=tag, digest=digest)
    assert str(parse_image(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x/../../containers",
        "../containers",
        "..",
        ".",
        "a/./b",
        "a/..",
        "quay.io/../containers/json?all=1",
        "quay.io/a/../../../containers",
        "../a/b",
        "./a",
        "a//b",
        "/a",
        "a/",
        "a/b?all=1",
        "a#b",
        "a%2f..%2fb",
        "a%2e%2e/b",
        "a\\..\\b",
        "a b",
        "a\nb",
        "a\r\nHost: x",
        "a\n",
        "a\x00",
        "App",
        "quay.io/App",
        "-a/b",
        "a:",
        "a:-1",
        "a:" + "b" * 129,
        "a@sha256:abc",
        f"a@{DIGEST}@{DIGEST}",
        f"a@{DIGEST}/..",
        "http://quay.io/app",
        "user:secret@quay.io/app",
        "host:port/app",
        "{{image}}",
        "ä/b",
        "a" * 256,
    ],
)
def test_what_is_no_reference_is_none(text: str) -> None:
    """Nothing that could leave its place in a URL, or that engines refuse, is a reference."""
    assert parse_image(text) is None
