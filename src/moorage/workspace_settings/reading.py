"""From text (YAML) to `AgentConfiguration`, with the line of every error. Pure."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from moorage.kernel import quantities
from moorage.kernel.errors import InvalidInput
from moorage.workspace_settings.model import (
    AgentConfiguration,
    EgressRule,
    RemoteDevelopment,
    ResourceSettings,
)

MOST_NODES = 100_000
"""Keys, values, tables and lists of one text, each as often as it is used."""


def parse(text: str, name: str = "config.yaml") -> AgentConfiguration:
    """The settings that `text` (YAML) holds; `name` is what errors call it.

    Raises `InvalidInput` (code `settings-invalid`) with `line` and `field`.
    """
    try:
        values = _load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _invalid(name, line, "", f"it is no YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:
        # ValueError: a date that the calendar has not, a number that is too long.
        raise _invalid(name, 1, "", f"it is no YAML: {error}") from error
    except RecursionError as error:
        raise _invalid(name, 1, "", "its tables and lists stand too deep in each other") from error
    try:
        settings = msgspec.convert({} if values is None else values, AgentConfiguration)
    except msgspec.ValidationError as error:
        problem, path = _explain(str(error))
        raise _invalid(name, _line_of(text, path), ".".join(path), problem) from error
    for path, problem in _contradictions(settings.remote_development):
        raise _invalid(name, _line_of(text, path), ".".join(path), problem)
    return settings


def _load(text: str) -> Any:
    """As `yaml.safe_load`, but for what aliases (`*name`) would blow up: an agent's file comes from another machine."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MOST_NODES:
            raise yaml.composer.ComposerError(
                None, None, f"with its aliases it has more than {MOST_NODES} parts", node.start_mark
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """Nodes that are written out when each alias is; endless for one that holds itself."""
    if (found := known.get(id(node))) is not None:
        return found
    known[id(node)] = math.inf
    parts = [] if isinstance(node, yaml.ScalarNode) else node.value
    children = [child for part in parts for child in (part if isinstance(part, tuple) else (part,))]
    known[id(node)] = size = 1 + sum(_size(child, known) for child in children)
    return size


def encode(settings: RemoteDevelopment) -> str:
    """Compact JSON of what differs from the defaults; `decode` is its inverse."""
    return msgspec.json.encode(settings, order="deterministic").decode()


def decode(text: str) -> RemoteDevelopment | None:
    """None when it is not readable (written by another version): the current settings are taken then."""
    try:
        return msgspec.json.decode(text, type=RemoteDevelopment)
    except msgspec.DecodeError:
        return None


def _invalid(name: str, line: int, field: str, problem: str) -> InvalidInput:
    where = f"{name}, line {line}" + (f", {field}" if field else "")
    return InvalidInput(
        f"The agent's settings are not usable ({where}): {problem}.",
        code="settings-invalid",
        field=field,
        line=line,
    )


def _explain(message: str) -> tuple[str, list[str]]:
    """msgspec's message without its path, and the path as keys."""
    problem, _, path = message.partition(" - at `")
    keys = re.findall(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]", path)
    parts = [name or index for name, index in keys]
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", problem):
        return f"there is no setting {unknown[1]}", [*parts, unknown[1]]
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
    return problem, parts


def _line_of(text: str, path: list[str]) -> int:
    """The line, counted from 1, of the key that `path` names, or of the nearest one above it."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = node.start_mark.line if node is not None else 0
    for part in path:
        found = None
        if node is not None and isinstance(node.value, list):
            for index, item in enumerate(node.value):
                if isinstance(item, tuple) and item[0].value == part:
                    found, line = item[1], item[0].start_mark.line
                elif not isinstance(item, tuple) and part == str(index):
                    found, line = item, item.start_mark.line
        if found is None:
            break
        node = found
    return line + 1


def _contradictions(settings: RemoteDevelopment) -> Iterator[tuple[list[str], str]]:
    """What types alone do not catch: (path, problem)."""
    top = "remote_development"
    for index, rule in enumerate(settings.network_policy.egress):
        for part, problem in _rule_problems(rule):
            yield [top, "network_policy", "egress", str(index), part], problem
    for text in settings.gateway.ranges:
        if _network(text) is None:
            yield [top, "gateway", "ranges"], f"{text!r} is no IP range (such as 10.0.0.0/8)"
    yield from _amount_problems(settings)
    if settings.ca_bundle and "-----BEGIN CERTIFICATE-----" not in settings.ca_bundle:
        yield [top, "ca_bundle"], "it holds no PEM certificate (-----BEGIN CERTIFICATE-----)"
    for name in ("labels", "annotations"):
        for key in getattr(settings, name):
            if key.startswith(("moorage.dev/", "app.kubernetes.io/managed-by")):
                yield [top, name, key], f"{key} is set by the agent itself"


def _rule_problems(rule: EgressRule) -> Iterator[tuple[str, str]]:
    allowed = _network(rule.allow)
    if allowed is None:
        yield "allow", f"{rule.allow!r} is no IP range (such as 10.0.0.0/8)"
        return
    for text in rule.except_:
        inner = _network(text)
        if inner is None:
            yield "except", f"{text!r} is no IP range (such as 10.0.0.0/8)"
        elif inner.version != allowed.version or not inner.subnet_of(allowed):  # type: ignore[arg-type]
            yield "except", f"{text} is not part of {rule.allow}"


def _amount_problems(settings: RemoteDevelopment) -> Iterator[tuple[list[str], str]]:
    top = "remote_development"
    for name in ("default_resources_per_workspace_container", "max_resources_per_workspace"):
        table: ResourceSettings = getattr(settings, name)
        for part, amounts in (("requests", table.requests), ("limits", table.limits)):
            for field, text in (("cpu", amounts.cpu), ("memory", amounts.memory)):
                if text and not _positive(text):
                    yield [top, name, part, field], f"{text!r} is no amount (such as 500m or 2Gi)"
        for field in ("cpu", "memory"):
            request, limit = getattr(table.requests, field), getattr(table.limits, field)
            both = request and limit and _positive(request) and _positive(limit)
            if both and quantities.parse(request) > quantities.parse(limit):
                yield [top, name, "requests", field], f"{request} is more than the limit, {limit}"
    if not _positive(settings.storage.size):
        yield [top, "storage", "size"], f"{settings.storage.size!r} is no size (such as 50Gi)"


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
