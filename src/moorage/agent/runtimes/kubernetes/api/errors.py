"""Errors of requests to the API server: its refusals, and why it cannot be reached.

`ApiError` is a refusal. What a wrong token, CA or address explains is `Misconfigured`, `Forbidden`
or `Unavailable`.
"""

from __future__ import annotations

import ssl

import aiohttp
import msgspec

from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.model import Status
from moorage.kernel.errors import Forbidden, Misconfigured, MoorageError, Unavailable


class ApiError(MoorageError):
    """The API server refused. `reason` is its machine-readable word (`NotFound`, `Conflict`,
    `Invalid`, …)."""

    default_code = "cluster-refused"

    def __init__(self, http_status: int, reason: str, message: str) -> None:
        super().__init__(
            f"The cluster refused this: {message}", http_status=http_status, reason=reason
        )
        self.http_status = http_status
        self.reason = reason
        self.text = message


def refused(access: Access, status: int, body: bytes) -> MoorageError:
    """The error of an answer that is no success."""
    if status == 401:
        return Misconfigured(
            f"The cluster's API server {access.server} does not accept the token of {access.source}.",
            code="cluster-token-refused",
            hint="It may have expired or been revoked: make a new one for the agent's service account.",
        )
    try:
        answer = msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        answer = Status()
    if answer.kind != "Status":
        return ApiError(status, "", f"HTTP {status}: {body[:200].decode(errors='replace').strip()}")
    refusal = refusal_of(answer, status)
    if status == 403 and "is forbidden: User " in refusal.text:
        return Forbidden(
            f"The agent may not do this in the cluster: {refusal.text}",
            code="cluster-forbidden",
            hint="Its role lacks this right; `helm upgrade` of the chart puts it back. Image pull secrets are read where "
            "pull_secret_namespaces of the agent's settings says.",
        )
    return refusal


def unreachable(access: Access, error: Exception) -> MoorageError:
    """An error of the connection in plain words."""
    where = f"The cluster's API server {access.server}"
    if isinstance(
        error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError
    ) or (
        isinstance(error, aiohttp.ClientConnectorError)
        and isinstance(error.os_error, ssl.SSLCertVerificationError)
    ):
        return Misconfigured(
            f"{where} shows a certificate that the CA in {access.source} did not sign: {_verify(error)}.",
            code="cluster-ca-wrong",
            hint="Take `certificate-authority` from the cluster itself (`kubectl config view --raw`).",
        )
    if isinstance(error, TimeoutError):
        return Unavailable(f"{where} does not answer in time.", code="cluster-unreachable")
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Unavailable(f"{where} cannot be reached: {words}.", code="cluster-unreachable")


def refusal_of(answer: Status, status: int) -> ApiError:
    """The error of the API server's own word about a request."""
    return ApiError(status, answer.reason, answer.message or f"HTTP {status}")


def _verify(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    return getattr(cause, "verify_message", "") or str(cause)
