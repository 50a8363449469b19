"""Registries' words about a pull, and the causes that they become."""

from __future__ import annotations

import pytest

from moorage.agent import causes

PULLS = [
    ("manifest for app:1 not found: manifest unknown: manifest unknown", 404, "image-not-found", True),
    ("pull access denied for nope, repository does not exist or may require 'docker login': denied", 404, "image-denied", True),
    ("unauthorized: authentication required", 500, "image-denied", True),
    ("Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host", 500, "registry-unreachable", False),
    ("Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection", 500, "registry-unreachable", False),
    ("dial tcp 127.0.0.1:9: connect: connection refused", 500, "registry-unreachable", False),
    ("x509: certificate signed by unknown authority", 500, "registry-untrusted", True),
    ("http: server gave HTTP response to HTTPS client", 500, "registry-untrusted", True),
    ("toomanyrequests: You have reached your pull rate limit", 429, "registry-rate-limited", False),
    ("invalid reference format: repository name must be lowercase", 400, "image-name-invalid", True),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries", 404, "wrong-architecture", True),
    ("failed to register layer: write /usr/lib/x: no space left on device", 500, "no-space", True),
]  # fmt: skip


@pytest.mark.parametrize(("said", "status", "code", "final"), PULLS)
def test_pulls(said: str, status: int, code: str, final: bool) -> None:
    """A registry's answer becomes a cause that keeps the answer."""
    verdict = causes.of_pull("app:1", status, said)
    assert (verdict.cause.code, verdict.final) == (code, final)
    assert said in verdict.cause.detail
    assert verdict.cause.hint
