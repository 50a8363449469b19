"""Receives the settings of workspaces, from the server or the agent's own file, and gives them to
the backend."""

from __future__ import annotations

from moorage import workspace_settings
from moorage.agent.runtimes.bounds import Bounds, excess
from moorage.agent.runtimes.port import Backend
from moorage.agent.runtimes.versioned_settings import completed, text_of
from moorage.agent.settings import AgentSettings
from moorage.contract import agent as contract
from moorage.kernel import log
from moorage.kernel.errors import InvalidInput, Misconfigured

_log = log.get(part="agent.settings")


class SettingsReceiver:
    """The one place through which settings of workspaces reach the backend."""

    def __init__(self, own: AgentSettings, backend: Backend, bounds: Bounds | None = None) -> None:
        """`bounds`: of what the server sends; None: there is nothing to guard.

        Raises `Misconfigured` for an unusable file.
        """
        self.file: str | None = None
        """Text of the agent's own file."""
        self._own = own
        self._backend = backend
        self._bounds = bounds
        first = workspace_settings.RemoteDevelopment()
        if own.workspace_settings:
            self.file = text_of(own.workspace_settings, "workspace_settings")
            try:
                first = workspace_settings.parse(
                    self.file, own.workspace_settings
                ).remote_development
            except InvalidInput as error:
                raise Misconfigured(
                    error.message,
                    code=error.code,
                    hint="Correct the file and start the agent again.",
                ) from error
        backend.configure(completed(first, own), 0)

    def receive(self, sent: contract.Settings) -> contract.SettingsTaken:
        """Makes workspaces by these from now on; with a problem in them, everything stays as it
        was."""
        problem = self._problem_of(sent)
        if problem:
            _log.warning(
                "the server's settings are not taken", version=sent.version, problem=problem
            )
        else:
            _log.info("settings", version=sent.version)
        return contract.SettingsTaken(version=sent.version, problem=problem)

    def _problem_of(self, sent: contract.Settings) -> str:
        if self.file is not None and sent.text != self.file:
            return "This agent has its settings from a file of its own, and takes no others."
        try:
            wanted = workspace_settings.parse(
                sent.text, f"version {sent.version}"
            ).remote_development
            if (
                self.file is None
                and self._bounds is not None
                and (problem := excess(wanted, self._bounds))
            ):
                return problem
            self._backend.configure(completed(wanted, self._own), sent.version)
        except (InvalidInput, Misconfigured) as error:
            return str(error)
        return ""
