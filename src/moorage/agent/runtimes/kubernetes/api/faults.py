"""Turns what the API server refuses into what the port promises: a `RuntimeFault`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from moorage.agent.causes import Verdict
from moorage.agent.runtimes.kubernetes.api.errors import ApiError
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Cause
from moorage.kernel.errors import MoorageError, NotFound
from moorage.kernel.tasks import leaves

_OWN_WORDS = "The policy's own words are below; the cluster's administrator can say more."
_POLICY = "A policy of the cluster ({0}) does not allow this workspace."
_REFUSALS = (
    (
        "violates PodSecurity|unable to validate against any (?:pod security policy|security context constraint)"
        "|PodSecurityPolicy: unable to admit pod",
        "The cluster's Pod Security does not allow this workspace.",
        "The agent's settings (allow_privilege_escalation, runtime class) ask for more than the namespace may have.",
    ),
    (r'admission webhook "([^"]+)" denied the request', _POLICY, _OWN_WORDS),
    (r"ValidatingAdmissionPolicy '([^']+)'", _POLICY, _OWN_WORDS),
    (
        "no PriorityClass with name",
        "The cluster does not have the priority class that the agent's settings name.",
        "Correct priority_class in the agent's settings.",
    ),
    (
        "RuntimeClass.*not found|runtimeclass.*not found",
        "The cluster does not have the runtime class that the agent's settings name.",
        "Correct default_runtime_class in the agent's settings.",
    ),
    (
        r"(?:maximum|minimum) [\w.-]+ usage per (?:Container|Pod)|limit to request ratio per",
        "The namespace's LimitRange does not allow what this workspace asks for.",
        "Ask for what it allows in the devfile, or change it; its own words are below.",
    ),
    (
        "failed quota: .*must specify",
        "A quota of the namespace asks for requests or limits, which a container of this workspace has not.",
        "Set default_resources_per_workspace_container in the agent's settings.",
    ),
)
"""Pattern of the API server's words, what they mean, and what to do."""


@contextmanager
def faults(doing: str) -> Iterator[None]:
    """Raises errors of the block as `RuntimeFault`. Of several at the same time, the one that says
    most: a final one, any fault, or whatever there is."""
    try:
        yield
    except (RuntimeFault, NotFound):
        raise
    except MoorageError as error:
        raise fault_of(doing, error) from error
    except BaseExceptionGroup as group:
        found = [
            fault_of(doing, leaf) if isinstance(leaf, MoorageError) else leaf
            for leaf in leaves(group)
        ]
        known = [leaf for leaf in found if isinstance(leaf, RuntimeFault)]
        raise next((f for f in known if f.final), known[0] if known else found[0]) from group


def fault_of(doing: str, error: MoorageError) -> RuntimeFault:
    if isinstance(error, RuntimeFault):
        return error
    verdict = verdict_of(doing, error)
    return RuntimeFault(verdict.cause, final=verdict.final)


def cause_of(error: MoorageError) -> Cause:
    return Cause(code=error.code, message=error.message, hint=error.hint)


def refused(message: str) -> Verdict:
    """Explains why validation, a policy or a webhook did not let an object pass."""
    text, hint = "The cluster refuses an object of this workspace.", "Its own words are below."
    for pattern, meaning, remedy in _REFUSALS:
        if found := re.search(pattern, message):
            text, hint = meaning.format(*found.groups()), remedy
            break
    return Verdict(Cause(code="admission-refused", message=text, detail=message, hint=hint), True)


def verdict_of(doing: str, error: MoorageError) -> Verdict:
    """Explains why a request failed.

    Refusals for good are final; what may pass by itself is not.
    """
    if isinstance(error, ApiError):
        if "because it is being terminated" in error.text:
            return Verdict(still_ending(error.text), False)
        if error.http_status in (400, 403, 422):
            return refused(error.text)
        text = f"The cluster did not do this ({doing})."
        return Verdict(Cause(code="cluster-refused", message=text, detail=error.text), False)
    return Verdict(cause_of(error), False)


def still_ending(detail: str = "") -> Cause:
    """The cause where a workspace is wanted while what there was of it before is still being
    removed."""
    return Cause(
        code="still-ending",
        message="The cluster is still removing what this workspace had before.",
        detail=detail,
        hint="It is made anew as soon as that is done.",
    )
