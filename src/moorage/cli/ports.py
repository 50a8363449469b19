"""`moor ports`, `moor open`: a workspace's URLs."""

from __future__ import annotations

import os
from typing import Any

import click

from moorage.cli import output
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import command
from moorage.cli.options import port_argument, workspace_argument
from moorage.contract import hosts
from moorage.kernel.errors import InvalidInput, NotFound


@command(examples=["moor ports app"])
@workspace_argument
@server_options
@output_option
@pass_context
def ports(context: Context, workspace: str) -> None:
    """List the ports that a workspace declares, with their URLs. Any other can be opened too."""
    from moorage.cli.details import show_port_table

    with context.connect() as client:
        answer = client.get(f"/workspaces/{client.workspace_name(workspace)}/ports")
    if context.as_json:
        output.show_json(answer)
    else:
        show_port_table(answer["items"])


@command("open", examples=["moor open app", "moor open app 8080", "moor open app web --print"])
@workspace_argument
@port_argument
@click.option("--print", "only_print", is_flag=True, help="Print the URL and open nothing.")
@server_options
@output_option
@pass_context
def open_(context: Context, workspace: str, port: str, *, only_print: bool) -> None:
    """Open a workspace's editor, or one of its ports, in a browser; prints the URL."""
    with context.connect() as client:
        url = port_url(client.workspace(workspace), port)
    context.tell({"url": url}, url)
    if not only_print:
        browse(url)


def port_url(workspace: dict[str, Any], port: str) -> str:
    """The editor's URL for "", a declared port's by number or name, and any other number's by its
    host name.

    Raises `NotFound` or `InvalidInput`.
    """
    if not port:
        if not workspace["url"]:
            raise NotFound(
                f"{workspace['title']} has no editor.", code="no-editor", hint="Name a port."
            )
        return str(workspace["url"])
    for item in workspace["ports"]:
        if port in (str(item["port"]), item["name"]):
            return str(item["url"])
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        names = ", ".join(item["name"] for item in workspace["ports"])
        raise InvalidInput(
            f"{port} is neither a port's number nor the name of one.",
            field="port",
            hint=f"Names: {names}.",
        )
    return hosts.port_url(workspace["port_url"], int(port))


def browse(url: str) -> None:
    """Opens a graphical browser where there is one."""
    if any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
        import webbrowser

        webbrowser.open(url)
