"""A workspace in full, for a person."""

from __future__ import annotations

import time
from typing import Any

from moorage.cli import output, progress
from moorage.cli.client import Client
from moorage.cli.words import changed_words, exposure_words, since, state_word
from moorage.kernel.errors import MoorageError
from moorage.kernel.quantities import in_words


def usage_of(client: Client, workspace: dict[str, Any]) -> dict[str, Any] | None:
    """What its containers use now; None: it does not run, is somebody else's, or its agent or a
    server of before does not say."""
    if workspace["state"] != "Running":
        return None
    try:
        found: dict[str, Any] = client.get(f"/workspaces/{workspace['name']}/usage")
    except MoorageError:
        return None
    return found if "disk_total" in found else None


def show_details(workspace: dict[str, Any], usage: dict[str, Any] | None = None) -> None:
    facts = {
        "Title": workspace["title"],
        "Name": workspace["name"],
        "State": state_word(workspace),
        "Owner": workspace["owner_name"],
        "Agent": workspace["agent"] + _made_by(workspace.get("settings")),
        "Repository": workspace["repository"],
        "Revision": " ".join(filter(None, (workspace["ref"], workspace["commit"][:12]))),
        "Devfile": workspace["devfile_path"] or "a default",
        "Folder": workspace["folder"],
        "Created": f"{since(workspace['created_at'])} ago",
        "Editor": workspace["url"] or "none",
    }
    for name, value in facts.items():
        output.say(f"{name + ':':<13}{value}")
    _show_cause("Cause", workspace["cause"])
    for trouble in workspace.get("trouble", ()):
        _show_cause("Trouble", trouble)
    if notice := workspace["notice"]:
        output.say(f"Note:        {notice['message']} {notice['hint']}")
    _show_devfile(workspace)
    for warning in workspace["warnings"]:
        output.say(f"Warning:     {output.problem_line(warning)}")
        if warning.get("hint"):
            output.say(f"             {warning['hint']}")
    output.say("")
    output.console().print(progress.table({**workspace, "cause": None}, time.time()))
    _show_containers(workspace["containers"])
    if usage is not None:
        _show_usage(usage)
    _show_ports(workspace["ports"])
    for step, outcome in workspace["post_start"].items():
        output.say(f"After start, {step}: {outcome or 'under way'}")


def _show_devfile(workspace: dict[str, Any]) -> None:
    """Tells whether there is another one by now, or why that is not known."""
    if workspace.get("devfile_changed"):
        output.say(f"Note:        {changed_words(workspace)}")
    look = workspace.get("devfile_look") or {}
    if error := look.get("error"):
        when = since(look["at"])
        text = f"{error['message']} {error.get('hint', '')}".rstrip()
        output.say(f"Note:        Its devfile could not be read again ({when} ago): {text}")


def _made_by(settings: int | None) -> str:
    return f" (settings of version {settings})" if settings else ""


def _show_cause(heading: str, cause: dict[str, Any] | None) -> None:
    if not cause:
        return
    when = f" ({since(cause['since'])} ago)" if cause["since"] else ""
    output.say(f"{heading + ':':<13}{cause['message']}{when}")
    for line in cause["detail"].splitlines():
        output.say(f"             | {line}")
    if cause["hint"]:
        output.say(f"             {cause['hint']}")


def _show_containers(containers: list[dict[str, Any]]) -> None:
    rows = []
    for item in containers:
        state = (
            item["state"] if item["exit_code"] is None else f"{item['state']} ({item['exit_code']})"
        )
        rows.append([item["name"], state, str(item["restarts"]), item["image"], item["detail"]])
    if rows:
        output.say("")
        output.show_table(["CONTAINER", "STATE", "RESTARTS", "IMAGE", ""], rows, empty="")


def _show_usage(usage: dict[str, Any]) -> None:
    rows = []
    for item in usage["containers"]:
        cpu, memory = item["cpu"], item["memory"]
        killed = item["out_of_memory"]
        rows.append(
            [
                item["name"],
                "?" if cpu is None else _part(f"{cpu / 1000:.2f}", _cpus(item["cpu_limit"])),
                "?" if memory is None else _part(in_words(memory), _size(item["memory_limit"])),
                item["unknown"] or (f"ended {killed} x for want of memory" if killed else ""),
            ]
        )
    if rows:
        output.say("")
        output.show_table(["CONTAINER", "CPU NOW", "MEMORY NOW", ""], rows, empty="")
    if usage["disk_total"]:
        used, total = in_words(usage["disk_used"]), in_words(usage["disk_total"])
        output.say(f"Disk:        {used} of {total} in use, of the file system of its projects")


def _part(used: str, limit: str) -> str:
    return f"{used} of {limit}" if limit else f"{used}, no limit"


def _cpus(millicores: int | None) -> str:
    return "" if millicores is None else f"{millicores / 1000:g}"


def _size(count: int | None) -> str:
    return "" if count is None else in_words(count)


def _show_ports(ports: list[dict[str, Any]]) -> None:
    if ports:
        output.say("")
        show_port_table(ports)


def show_port_table(ports: list[dict[str, Any]]) -> None:
    rows = [[str(item["port"]), item["name"], exposure_words(item), item["url"]] for item in ports]
    output.show_table(
        ["PORT", "NAME", "FOR", "URL"], rows, empty="It declares no port; any can be opened."
    )
