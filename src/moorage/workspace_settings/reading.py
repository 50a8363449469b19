"""From text (YAML) to `AgentConfiguration`, with the line of every error. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import msgspec

from moorage.documents import YAML_1_1, DocumentError, Kind, Map, Path, locate, plain, read
from moorage.kernel import quantities
from moorage.kernel.errors import InvalidInput
from moorage.workspace_settings.model import (
    AgentConfiguration,
    EgressRule,
    RemoteDevelopment,
    ResourceSettings,
)

TOP = "remote_development"
"""The key of all that is about workspaces."""


class SettingsError(DocumentError):
    """A text of settings that is no YAML, or no mapping."""

    default_code = "settings-invalid"
    kind = Kind(
        "settings file",
        example="remote_development:",
        field="text",
        dialect=YAML_1_1,  # as GitLab reads the same file
        may_be_empty=True,
    )


def parse(text: str, name: str = "config.yaml") -> AgentConfiguration:
    """The settings that `text` (YAML) holds; `name` is what errors call it.

    Raises `InvalidInput` (code `settings-invalid`) with `line` and `field`.
    """
    try:
        tree = read(text, SettingsError)
    except SettingsError as error:
        problem = error.problems[0]
        raise _invalid(name, problem.line, (), f"{problem.message} {problem.hint}") from error
    try:
        settings = msgspec.convert(plain(tree), AgentConfiguration)
    except msgspec.ValidationError as error:
        sentence, path = _explain(str(error))
        raise _invalid(name, _line_of(tree, path), path, sentence) from error
    for path, sentence in _contradictions(settings.remote_development):
        raise _invalid(name, _line_of(tree, path), path, sentence)
    return settings


def encode(settings: RemoteDevelopment) -> str:
    """Compact JSON of what differs from the defaults; `decode` is its inverse."""
    return msgspec.json.encode(settings, order="deterministic").decode()


def decode(text: str) -> RemoteDevelopment | None:
    """None when it is not readable (written by another version): the current settings are taken
    then."""
    try:
        return msgspec.json.decode(text, type=RemoteDevelopment)
    except msgspec.DecodeError:
        return None


def _invalid(name: str, line: int, path: Path, problem: str) -> InvalidInput:
    field = ".".join(map(str, path))
    where = f"{name}, line {line}" + (f", {field}" if field else "")
    return InvalidInput(
        f"The agent's settings are not usable ({where}): {problem}",
        code="settings-invalid",
        field=field,
        line=line,
    )


def _explain(message: str) -> tuple[str, Path]:
    """A sentence from msgspec's message without its path, and the path."""
    problem, _, path = message.partition(" - at `")
    keys = re.findall(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]", path)
    parts = tuple(name or int(index) for name, index in keys)
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", problem):
        return f"there is no setting {unknown[1]}.", (*parts, unknown[1])
    for theirs, ours in (
        ("Expected `object`", "expected a table of settings"),
        ("Expected `array`", "expected a list"),
        ("Expected `str`", "expected a text (in quotes)"),
        ("Expected `int`", "expected a whole number"),
        ("Expected `bool`", "expected true or false"),
        ("Object missing required field", "it lacks the setting"),
        ("Invalid enum value", "it may not be"),
        ("Expected `str` matching regex", "expected a name matching"),
    ):
        problem = problem.replace(theirs, ours)
    return f"{problem}.", parts


def _line_of(tree: Map, path: Path) -> int:
    """The line, counted from 1, of the key that `path` names, or of the nearest one above it."""
    place = locate(tree, path, of_key=True)
    return place.line if place is not None else 1


def _contradictions(settings: RemoteDevelopment) -> Iterator[tuple[Path, str]]:
    """Path and problem of each thing that types alone do not catch."""
    for index, rule in enumerate(settings.network_policy.egress):
        for part, problem in _rule_problems(rule):
            yield (TOP, "network_policy", "egress", index, part), problem
    for text in settings.gateway.ranges:
        if _network(text) is None:
            yield (TOP, "gateway", "ranges"), f"{text!r} is no IP range (such as 10.0.0.0/8)."
    yield from _amount_problems(settings)
    if settings.ca_bundle and "-----BEGIN CERTIFICATE-----" not in settings.ca_bundle:
        yield (TOP, "ca_bundle"), "it holds no PEM certificate (-----BEGIN CERTIFICATE-----)."
    for name in ("labels", "annotations"):
        for key in getattr(settings, name):
            if key.startswith(("moorage.dev/", "app.kubernetes.io/managed-by")):
                yield (TOP, name, key), f"{key} is set by the agent itself."


def _rule_problems(rule: EgressRule) -> Iterator[tuple[str, str]]:
    allowed = _network(rule.allow)
    if allowed is None:
        yield "allow", f"{rule.allow!r} is no IP range (such as 10.0.0.0/8)."
        return
    for text in rule.except_:
        inner = _network(text)
        if inner is None:
            yield "except", f"{text!r} is no IP range (such as 10.0.0.0/8)."
        elif inner.version != allowed.version or not inner.subnet_of(allowed):  # type: ignore[arg-type]
            yield "except", f"{text} is not part of {rule.allow}."


def _amount_problems(settings: RemoteDevelopment) -> Iterator[tuple[Path, str]]:
    for name in ("default_resources_per_workspace_container", "max_resources_per_workspace"):
        table: ResourceSettings = getattr(settings, name)
        for part, amounts in (("requests", table.requests), ("limits", table.limits)):
            for field, text in (("cpu", amounts.cpu), ("memory", amounts.memory)):
                if text and not _positive(text):
                    yield (TOP, name, part, field), f"{text!r} is no amount (such as 500m or 2Gi)."
        for field in ("cpu", "memory"):
            request, limit = getattr(table.requests, field), getattr(table.limits, field)
            both = request and limit and _positive(request) and _positive(limit)
            if both and quantities.parse(request) > quantities.parse(limit):
                yield (TOP, name, "requests", field), f"{request} is more than the limit, {limit}."
    if not _positive(settings.storage.size):
        yield (TOP, "storage", "size"), f"{settings.storage.size!r} is no size (such as 50Gi)."


def _positive(text: str) -> bool:
    try:
        return quantities.parse(text) > 0
    except ValueError:
        return False


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
