"""`moor users …`."""

from __future__ import annotations

import click

from moorage.cli import output
from moorage.cli.client import quoted
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import Group

user_argument = click.argument("user", metavar="USER", help="Their name.")


@click.group(cls=Group)
def users() -> None:
    """Who may use this installation."""


ROLES = ("developer", "auditor", "administrator")


@users.command(examples=["moor users add ana", "moor users add ben --role administrator"])
@user_argument
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="developer",
    show_default=True,
    help="A developer has workspaces, an auditor looks, an administrator keeps all in order.",
)
@click.option("--administrator", is_flag=True, help="As --role administrator.")
@server_options
@output_option
@pass_context
def add(context: Context, user: str, *, role: str, administrator: bool) -> None:
    """Add a user. `moor sign-in-link USER` lets them in."""
    body = {"name": user, "role": "administrator" if administrator else role}
    with context.connect() as client:
        found = client.post("/users", body)
    name = found["name"]
    context.tell(found, f"{name} is added. `moor sign-in-link {name}` prints a link for them.")


@users.command("list", examples=["moor users list"])
@server_options
@output_option
@pass_context
def list_(context: Context) -> None:
    """List all users."""
    with context.connect() as client:
        answer = client.get("/users")
    if context.as_json:
        output.show_json(answer)
        return
    rows = [
        [str(item["id"]), item["name"], item["role"], "blocked" if item["blocked"] else ""]
        for item in answer["items"]
    ]
    output.show_table(["ID", "NAME", "ROLE", ""], rows, empty="No users.")


@users.command(examples=["moor users role ana auditor"])
@user_argument
@click.argument("role", type=click.Choice(ROLES), help="Theirs from now on.")
@server_options
@output_option
@pass_context
def role(context: Context, user: str, role: str) -> None:
    """Give a user another role. It holds at once."""
    with context.connect() as client:
        found = client.patch(f"/users/{quoted(user)}", {"role": role})
    context.tell(found, f"{user} is {role} now.")


@users.command(examples=["moor users block ana"])
@user_argument
@server_options
@output_option
@pass_context
def block(context: Context, user: str) -> None:
    """Keep a user out. Their sessions and open connections end at once; their workspaces stay."""
    with context.connect() as client:
        context.tell(client.post(f"/users/{quoted(user)}/block"), f"{user} is blocked.")


@users.command(examples=["moor users unblock ana"])
@user_argument
@server_options
@output_option
@pass_context
def unblock(context: Context, user: str) -> None:
    """Let a blocked user in again."""
    with context.connect() as client:
        context.tell(client.post(f"/users/{quoted(user)}/unblock"), f"{user} may sign in again.")
