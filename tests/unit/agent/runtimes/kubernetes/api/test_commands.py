from __future__ import annotations

import pytest

from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.model import Status, StatusCause, StatusDetails
from moorage.agent.runtimes.port import RuntimeFault


def test_exit_codes() -> None:
    """The code stands in the status that ends an exec; success is 0."""
    details = StatusDetails(causes=(StatusCause(reason="ExitCode", message="7"),))
    assert commands.exit_code_of(Status(status="Success")) == 0
    assert commands.exit_code_of(Status(status="Failure", details=details)) == 7


def test_a_command_that_was_never_run() -> None:
    """Any other failure is the cluster's, with its words."""
    with pytest.raises(RuntimeFault, match="container not found"):
        commands.exit_code_of(Status(status="Failure", message="container not found"))
