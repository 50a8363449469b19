"""Engines' words about a pull, and the causes that they become."""

from __future__ import annotations

import re

import pytest

from moorage.agent import causes

IMAGE = "r.example/team/app:1"
CRI = f'failed to pull and unpack image "{IMAGE}": '
RESOLVE = f'{CRI}failed to resolve reference "{IMAGE}": '
CRIO = f"initializing source docker://{IMAGE}: "
HEAD = 'Head "https://r.example/v2/team/app/manifests/1"'

DOCKER = [
    ("manifest for app:1 not found: manifest unknown: manifest unknown", 404, "image-not-found", True),
    ("manifest unknown", 404, "image-not-found", True),
    ("name unknown: repository name not known to registry", 404, "image-not-found", True),
    ("no such image: app:1: No such image: app:1", 404, "image-not-found", True),
    ("pull access denied for nope, repository does not exist or may require 'docker login': denied", 404, "image-denied", True),
    ("pull access denied for nope, repository does not exist or may require 'docker login'", 404, "image-denied", True),
    ("unauthorized: authentication required", 500, "image-denied", True),
    ('Head "https://r.example/v2/team/app/manifests/1": no basic auth credentials', 500, "image-denied", True),
    ('Get "https://r.example/v2/": dial tcp: lookup r.example: no such host', 500, "registry-unreachable", False),
    ('Get "https://r.example/v2/": dial tcp: lookup r.example on 10.0.0.2:53: server misbehaving', 500, "registry-unreachable", False),
    ('Get "https://registry-1.docker.io/v2/": net/http: request canceled while waiting for connection '
     "(Client.Timeout exceeded while awaiting headers)", 500, "registry-unreachable", False),
    ('Get "https://registry-1.docker.io/v2/": unexpected EOF', 500, "registry-unreachable", False),
    ('Get "https://r.example/v2/": net/http: TLS handshake timeout', 500, "registry-unreachable", False),
    ('Get "https://r.example/v2/": proxyconnect tcp: dial tcp 10.0.0.9:3128: i/o timeout', 500, "registry-unreachable", False),
    ("dial tcp 127.0.0.1:9: connect: connection refused", 500, "registry-unreachable", False),
    ("x509: certificate signed by unknown authority", 500, "registry-untrusted", True),
    ('Get "https://r.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority', 500, "registry-untrusted", True),
    ('Get "https://r.example/v2/": x509: certificate has expired or is not yet valid: current time 2026-01-02', 500, "registry-certificate-ended", True),
    ('Get "https://r.example/v2/": x509: certificate is valid for a.example, not r.example', 500, "registry-certificate-other-name", True),
    ('Get "https://10.0.0.9/v2/": x509: cannot validate certificate for 10.0.0.9 because it doesn\'t contain any IP SANs', 500, "registry-certificate-other-name", True),
    ('Get "https://r.example/v2/": http: server gave HTTP response to HTTPS client', 500, "registry-without-tls", True),
    ('Get "https://r.example/v2/": tls: first record does not look like a TLS handshake', 500, "registry-without-tls", True),
    ("toomanyrequests: You have reached your pull rate limit", 429, "registry-rate-limited", False),
    ("toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit", 500, "registry-rate-limited", False),
    ("invalid reference format: repository name must be lowercase", 400, "image-name-invalid", True),
    ("invalid reference format: repository name (library/App) must be lowercase", 400, "image-name-invalid", True),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries", 404, "wrong-architecture", True),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries: no match for platform in manifest: not found", 404, "wrong-architecture", True),
    (f"image with reference {IMAGE} was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)", 404, "wrong-architecture", True),
    (f"image with reference {IMAGE} was found but does not provide the specified platform (linux/arm64)", 404, "wrong-architecture", True),
    ("failed to register layer: write /usr/lib/x: no space left on device", 500, "no-space", True),
    ("received unexpected HTTP status: 503 Service Unavailable", 500, "registry-failing", False),
    ("Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed", 500, "image-format-old", True),
    # Docker 29 keeps images in containerd, and speaks in its words.
    (f'failed to resolve reference "{IMAGE}": {IMAGE}: not found', 404, "image-not-found", True),
    (f'unknown: failed to resolve reference "{IMAGE}": unexpected status from HEAD request to https://r.example/v2/team/app/manifests/1: 403 Forbidden', 500, "image-denied", True),
    ('failed to resolve reference "docker.io/team/app:1": failed to authorize: failed to fetch anonymous token: '
     'Get "https://auth.docker.io/token?scope=repository%3Ateam%2Fapp%3Apull&service=registry.docker.io": EOF', 500, "registry-unreachable", False),
    ('failed to resolve reference "docker.io/library/nope:latest": pull access denied, repository does not exist or may require authorization: '
     "server message: insufficient_scope: authorization failed", 404, "image-denied", True),
    ("failed to extract layer: unexpected commit digest sha256:aa, expected sha256:bb: failed precondition", 500, "image-not-pulled", False),
]  # fmt: skip
NODES = [
    # containerd 1.6 and 1.7
    (f"{RESOLVE}{IMAGE}: not found", "image-not-found", True),
    (f"rpc error: code = NotFound desc = {RESOLVE}{IMAGE}: not found", "image-not-found", True),
    (f"{RESOLVE}pulling from host r.example failed with status code [manifests 1]: 401 Unauthorized", "image-denied", True),
    (f"{RESOLVE}unexpected status code [manifests 1]: 403 Forbidden", "image-denied", True),
    (f"{RESOLVE}failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized", "image-denied", True),
    (f"{RESOLVE}failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
     "https://auth.r.example/token?scope=repository%3Ateam%2Fapp%3Apull: 401 Unauthorized", "image-denied", True),
    (f"{RESOLVE}pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed", "image-denied", True),
    (f"{RESOLVE}failed to do request: {HEAD}: dial tcp: lookup r.example: no such host", "registry-unreachable", False),
    (f"{RESOLVE}failed to do request: {HEAD}: dial tcp 10.0.0.9:443: connect: no route to host", "registry-unreachable", False),
    (f"{RESOLVE}failed to do request: {HEAD}: dial tcp 10.0.0.9:443: i/o timeout", "registry-unreachable", False),
    (f"{RESOLVE}failed to do request: {HEAD}: EOF", "registry-unreachable", False),
    (f"{RESOLVE}failed to do request: {HEAD}: x509: certificate signed by unknown authority", "registry-untrusted", True),
    (f"{RESOLVE}failed to do request: {HEAD}: tls: failed to verify certificate: x509: certificate signed by unknown authority", "registry-untrusted", True),
    (f"{RESOLVE}failed to do request: {HEAD}: http: server gave HTTP response to HTTPS client", "registry-without-tls", True),
    (f"{RESOLVE}unexpected status code [manifests 1]: 503 Service Unavailable", "registry-failing", False),
    (f"{RESOLVE}pulling from host r.example failed with status code [manifests 1]: 429 Too Many Requests", "registry-rate-limited", False),
    (f"{CRI}no match for platform in manifest sha256:aa: not found", "wrong-architecture", True),
    (f"rpc error: code = NotFound desc = {CRI}no match for platform in manifest: not found", "wrong-architecture", True),
    (f"{CRI}failed to extract layer sha256:aa: write /var/lib/containerd/x: no space left on device: unknown", "no-space", True),
    (f"{CRI}failed to copy: httpReadSeeker: failed open: unexpected status code https://cdn.example/blob: 403 Forbidden", "image-denied", True),
    (f"{CRI}failed to extract layer sha256:aa: content digest sha256:bb: not found", "image-not-pulled", False),
    # containerd 2.x
    (f"{RESOLVE}unexpected status from HEAD request to https://r.example/v2/team/app/manifests/1: 401 Unauthorized", "image-denied", True),
    (f"{RESOLVE}unexpected status from HEAD request to https://r.example/v2/team/app/manifests/1: 429 Too Many Requests", "registry-rate-limited", False),
    (f"{RESOLVE}unexpected status from HEAD request to https://r.example/v2/team/app/manifests/1: 502 Bad Gateway", "registry-failing", False),
    (f'{CRI}not implemented: media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.1, '
     'please rebuild the image as "application/vnd.oci.image.manifest.v1+json"', "image-format-old", True),
    # CRI-O
    (f"{CRIO}reading manifest 1 in r.example/team/app: manifest unknown", "image-not-found", True),
    (f"{CRIO}reading manifest 1 in r.example/team/app: name unknown: repository team/app not found", "image-not-found", True),
    (f"{CRIO}reading manifest 1 in r.example/team/app: requested access to the resource is denied", "image-denied", True),
    (f"{CRIO}reading manifest 1 in r.example/team/app: unauthorized: authentication required", "image-denied", True),
    (f"{CRIO}unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password", "image-denied", True),
    (f"{CRIO}(Mirrors also failed: [mirror.example/team/app:1: manifest unknown]): {IMAGE}: reading manifest 1 in r.example/team/app: "
     "requested access to the resource is denied", "image-denied", True),
    (f'{CRIO}pinging container registry r.example: Get "https://r.example/v2/": dial tcp: lookup r.example: no such host', "registry-unreachable", False),
    (f'{CRIO}pinging container registry r.example: Get "https://r.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority', "registry-untrusted", True),
    (f'{CRIO}pinging container registry r.example: Get "https://r.example/v2/": http: server gave HTTP response to HTTPS client', "registry-without-tls", True),
    (f"{CRIO}reading manifest 1 in r.example/team/app: toomanyrequests: You have reached your pull rate limit", "registry-rate-limited", False),
    (f'choosing an image from manifest list docker://{IMAGE}: no image found in image index for architecture "arm64", variant "v8", OS "linux"', "wrong-architecture", True),
    ('choosing image instance: no image found in manifest list for architecture arm64, variant "v8", OS linux', "wrong-architecture", True),
    ('short-name "app:1" did not resolve to an alias and no unqualified-search registries are defined in "/etc/containers/registries.conf"', "image-name-short", True),
    ("Source image rejected: A signature was required, but no signature exists", "image-policy-refused", True),
]  # fmt: skip


@pytest.mark.parametrize(("said", "status", "code", "final"), DOCKER)
def test_pulls_by_docker(said: str, status: int, code: str, final: bool) -> None:
    """What Docker says of a pull becomes a cause that keeps its words, and names no other
    runtime's means."""
    verdict = causes.of_pull(IMAGE, status, said, causes.DOCKER)
    assert (verdict.cause.code, verdict.final) == (code, final)
    assert said in verdict.cause.detail
    assert verdict.cause.hint
    assert not re.search("node|image_pull_secrets|containerd", verdict.cause.hint)


@pytest.mark.parametrize(("said", "code", "final"), NODES)
def test_pulls_by_nodes(said: str, code: str, final: bool) -> None:
    """What a node's container runtime says of a pull becomes a cause that keeps its words, and
    says nothing of Docker's means."""
    verdict = causes.of_pull(IMAGE, 0, said, causes.KUBERNETES)
    assert (verdict.cause.code, verdict.final) == (code, final)
    assert said in verdict.cause.detail
    assert verdict.cause.hint
    assert not re.search("docker login|/etc/docker|daemon.json", verdict.cause.hint)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("r.example/denied/forbidden:x509", 'failed to resolve reference "r.example/denied/forbidden:x509": r.example/denied/forbidden:x509: not found'),
        ("denied", "manifest for denied:latest not found: manifest unknown: manifest unknown"),
        ("r.example/unauthorized:429", "initializing source docker://r.example/unauthorized:429: reading manifest 429 in r.example/unauthorized: manifest unknown"),
        ("r.example:5000/forbidden:503", "initializing source docker://r.example:5000/forbidden:503: reading manifest 503 in r.example:5000/forbidden: manifest unknown"),
        ("r.example/x509:1", 'failed to do request: Head "https://r.example/v2/x509/manifests/1": manifest unknown'),
    ],
)  # fmt: skip
def test_names_are_no_words(image: str, said: str) -> None:
    """What an image or its tag is called decides nothing."""
    assert causes.of_pull(image, 0, said, causes.KUBERNETES).cause.code == "image-not-found"


@pytest.mark.parametrize("place", [causes.DOCKER, causes.KUBERNETES])
def test_a_name_that_does_not_resolve(place: causes.Place) -> None:
    """That a registry's name does not resolve is told apart from one that does not answer."""
    named = causes.of_pull("r/x:1", 0, "dial tcp: lookup r: no such host", place).cause
    silent = causes.of_pull("r/x:1", 0, "dial tcp 10.0.0.9:443: i/o timeout", place).cause
    assert "does not resolve" in named.message
    assert "does not resolve" not in silent.message


def test_the_tools_image() -> None:
    """The tools image is brought by other means to an engine than to a cluster's nodes."""
    cause = causes.of_pull("t:1", 404, "manifest unknown", causes.DOCKER).cause
    here = causes.tools_image("t:1", cause, causes.DOCKER).cause
    there = causes.tools_image("t:1", cause, causes.KUBERNETES).cause
    assert "scripts/tools-image" in here.hint
    assert "toolsImage" in there.hint
