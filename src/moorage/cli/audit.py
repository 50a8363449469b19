"""`moor audit …`: who did what."""

from __future__ import annotations

import re
import sys
import time
from datetime import datetime
from typing import Any

import click

from moorage.cli import output
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import Group
from moorage.cli.options import Command
from moorage.kernel.errors import Conflict, InvalidInput

_PAGE = 500
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_AGO = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[smhdw])")


class Moment(click.ParamType[float]):
    """A point in time, as seconds since the epoch: a length of time before now (`2d`, `90m`), or a
    date with or without a time (ISO 8601; of this machine's time zone where it names none)."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        if ago := _AGO.fullmatch(value.strip()):
            return time.time() - float(ago["number"]) * _SECONDS[ago["unit"]]
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError):
            self.fail(
                f"{value} is no time: say 2d, 90m, 2026-11-29 or 2026-11-29T18:00.", param, ctx
            )


def _filters(command: Command) -> Command:
    for option in reversed(
        (
            click.option("--actor", default=None, metavar="NAME", help="Who did it."),
            click.option("--action", default=None, help="What was done, as the list calls it."),
            click.option("--target", default=None, metavar="NAME", help="What it was done to."),
            click.option("--denied", is_flag=True, help="Only what was refused."),
            click.option(
                "--since", type=Moment(), default=None, help="From then on: 2d, 2026-11-29."
            ),
            click.option("--until", type=Moment(), default=None, help="Until then."),
        )
    ):
        command = option(command)
    return command


@click.group(cls=Group)
def audit() -> None:
    """Who did what, to what, from where."""


@audit.command(
    "list", examples=["moor audit list", "moor audit list --actor ana --since 2d", "moor audit list --denied"]
)  # fmt: skip
@_filters
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="So many, the newest."
)
@server_options
@output_option
@pass_context
def list_(context: Context, /, *, limit: int, **wanted: Any) -> None:
    """List what was done and what was refused, the newest last."""
    query = _query(**wanted)
    items: list[dict[str, Any]] = []
    with context.connect() as client:
        before = None
        while len(items) < limit:
            asked = min(_PAGE, limit - len(items))
            page = client.get("/audit", limit=asked, before=before, **query)
            items += page["items"]
            before = page["next"]
            if before is None:
                break
    if context.as_json:
        output.show_json({"items": items})
        return
    rows = [_row(item) for item in reversed(items)]
    headings = ["WHEN", "WHO", "WHAT", "TO WHAT", "FROM", ""]
    output.show_table(headings, rows, empty="Nothing of this kind is written down.")


@audit.command(examples=["moor audit export --since 2026-11-01 > november.jsonl"])
@_filters
@server_options
@pass_context
def export(context: Context, /, **wanted: Any) -> None:
    """Print all of it as JSON lines, the newest first."""
    with context.connect() as client, client.stream("/audit/export", **_query(**wanted)) as chunks:
        try:
            for data in chunks:
                sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise click.exceptions.Exit(output.reader_gone()) from None


@audit.command(examples=["moor audit check", "moor audit check --noted 1204:9f86d081…"])
@click.option(
    "--noted",
    default=None,
    metavar="NUMBER:HASH",
    help="An entry as an earlier check printed it: it must still be so.",
)
@server_options
@output_option
@pass_context
def check(context: Context, *, noted: str | None) -> None:
    """See whether entries are as they were written, and none is missing."""
    number, _, hash_ = (noted or "").partition(":")
    if noted and not (number.isdigit() and hash_):
        raise InvalidInput(f"{noted} is no noted entry.", hint="It looks like 1204:9f86d081…")
    with context.connect() as client:
        found = client.get("/audit/check", silence=600, number=number or None, hash=hash_ or None)
    if context.as_json:
        output.show_json(found)
    else:
        for each in found["breaks"]:
            output.say(each["what"])
        if found["unchained"]:
            output.say(f"{found['unchained']} entries are from before entries were chained.")
    if found["breaks"]:
        raise Conflict(
            "The audit is not as it was written.",
            code="audit-broken",
            hint="Compare it with a backup, or with what was exported before.",
        )
    if not context.as_json:
        output.say(f"{found['entries']} entries are as they were written.")
        if found["last"]:
            output.say(f"Note the last one elsewhere: {found['last']}:{found['hash']}")


def _query(
    *,
    actor: str | None,
    action: str | None,
    target: str | None,
    denied: bool,
    since: float | None,
    until: float | None,
) -> dict[str, Any]:
    outcome = "denied" if denied else None
    return {
        "actor": actor,
        "action": action,
        "target": target,
        "outcome": outcome,
        "since": since,
        "until": until,
    }


def _row(item: dict[str, Any]) -> list[str]:
    when = datetime.fromtimestamp(item["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    who = item["actor"] or "nobody who is known"
    if item["actor_kind"] not in {"person", "nobody"}:
        who = f"{who} ({item['actor_kind']})"
    words = ["DENIED"] if item["outcome"] == "denied" else []
    words += [item["detail"]] if item["detail"] else []
    target = f"{item['target_kind']} {item['target']}".strip()
    return [when, who, item["action"], target, item["address"] or "–", ": ".join(words)]
