"""`moor ports`, `moor open`: a workspace's URLs."""

from __future__ import annotations

import os
import re
from typing import Annotated, Any

import typer

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.options import HomeOption, OutputOption, ServerOption, WorkspaceArgument
from moorage.kernel.errors import InvalidInput, NotFound

app = typer.Typer()


@app.command(rich_help_panel="Workspaces")
def ports(
    workspace: WorkspaceArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """List the ports that a workspace declares, with their URLs. Any other can be opened too."""
    from moorage.cli.details import show_port_table

    with Client.connect(server, home) as client:
        answer = client.get(f"/workspaces/{client.workspace_name(workspace)}/ports")
    if output.as_json():
        output.show_json(answer)
    else:
        show_port_table(answer["items"])


@app.command("open", rich_help_panel="Workspaces")
def open_(
    workspace: WorkspaceArgument,
    port: Annotated[
        str,
        typer.Argument(metavar="[PORT]", help="Number or name of a port.", show_default="the editor"),
    ] = "",
    *,
    only_print: Annotated[bool, typer.Option("--print", help="Print the URL and open nothing.")] = False,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Open a workspace's editor, or one of its ports, in a browser; prints the URL."""
    with Client.connect(server, home) as client:
        url = port_url(client.workspace(workspace), port)
    if output.as_json():
        output.show_json({"url": url})
    else:
        output.say(url)
    if not only_print:
        browse(url)


def port_url(workspace: dict[str, Any], port: str) -> str:
    """The editor's URL for "", a declared port's by number or name, and any other number's by its host name.

    Raises `NotFound` or `InvalidInput`.
    """
    if not port:
        if not workspace["url"]:
            raise NotFound(f"{workspace['title']} has no editor.", code="no-editor", hint="Name a port.")
        return str(workspace["url"])
    for item in workspace["ports"]:
        if port in (str(item["port"]), item["name"]):
            return str(item["url"])
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        names = ", ".join(item["name"] for item in workspace["ports"])
        raise InvalidInput(
            f"{port} is neither a port's number nor the name of one.", field="port", hint=f"Names: {names}."
        )
    known = next((item["url"] for item in workspace["ports"]), "")
    origin = re.match(rf"(https?://)[0-9]+(-{re.escape(workspace['name'])}\.[^/]+)", known)
    if origin is None:
        raise NotFound(f"{workspace['title']} has no port that is known.", code="no-port")
    return f"{origin[1]}{int(port)}{origin[2]}/"


def browse(url: str) -> None:
    """Opens a graphical browser where there is one."""
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
        import webbrowser

        webbrowser.open(url)
