"""What others see of a workspace, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from pydantic import BaseModel

from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    ContainerState,
    ContainerStatus,
    Stage,
    StageName,
    StageState,
    WorkspaceSpec,
)
from moorage.contract.spec import Command, Container, Endpoint, NamedCommand
from moorage.server.agents.models import Agent
from moorage.server.authorization import Person, Role
from moorage.server.workspaces import outside, schemas
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import Row, ports_view, view

ANN = Person(user_id=2, name="ann", role=Role.DEVELOPER)
ADMIN = Person(user_id=1, name="admin", role=Role.ADMINISTRATOR)
LINE = "SECRET=from-inside"

OTHERS_SEE = {
    "name", "title", "owner", "owner_name", "agent", "settings", "repository", "ref", "full_ref", "commit", "devfile_path", "devfile_changed", "desired", "state",
    "url", "port_url", "folder", "generation", "created_at", "updated_at",
    "stages.name", "stages.state", "stages.started_at", "stages.finished_at", "stages.duration",
    "cause.code", "cause.message", "cause.hint", "cause.since",
    "trouble.code", "trouble.message", "trouble.hint", "trouble.since",
    "rescue", "notice.code", "notice.message", "notice.hint", "notice.at",
    "containers.name", "containers.image", "containers.state", "containers.exit_code", "containers.restarts", "containers.started_at",
    "ports.port", "ports.name", "ports.declared", "ports.exposure", "ports.protocol",
}  # fmt: skip
THE_OWNER_SEES = {
    "stages.detail", "cause.detail", "trouble.detail", "containers.detail", "ports.url", "post_start",
    "devfile_look.at", "devfile_look.changed", "devfile_look.ref", "devfile_look.commit",
    "devfile_look.error.code", "devfile_look.error.message", "devfile_look.error.hint",
    "commands.id", "commands.label", "commands.group", "commands.default", "commands.event", "commands.container", "commands.command_line",
    "commands.working_dir", "commands.env", "commands.members", "commands.parallel", "commands.unable", "commands.url",
    "warnings.code", "warnings.message", "warnings.path", "warnings.line", "warnings.column", "warnings.hint",
}  # fmt: skip


def fields(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Of a model and of those in it, with dots."""
    for name, field in model.model_fields.items():
        inner = [
            kind
            for kind in kinds(field.annotation)
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        if not inner:
            yield f"{before}{name}"
        for kind in inner:
            yield from fields(kind, f"{before}{name}.")


def kinds(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (list, Union, UnionType):
        for part in get_args(annotation):
            yield from kinds(part)
    else:
        yield annotation


def row(text: str) -> Row:
    """A workspace of which everything that comes from inside holds `text`."""
    spec = WorkspaceSpec(
        containers=(
            Container(
                name="main",
                image="img",
                env={"A": text},
                endpoints=(Endpoint(name="web", port=8080, path=f"/?{text}"),),
            ),
        ),
        main_container="main",
        commands=(NamedCommand(id="c", run=Command(id="c", container="main", command_line=text)),),
    )
    actual = ActualWorkspace(
        name="workspace-1-2-abcdef",
        generation=1,
        state=ActualState.FAILED,
        stages=(
            Stage(
                name=StageName.CLONE,
                state=StageState.FAILED,
                started_at=1.0,
                finished_at=2.0,
                detail=text,
            ),
        ),
        cause=Cause(
            code="container-crashed",
            message="Container main ended with exit code 1.",
            detail=text,
            hint="Look.",
            since=2.0,
        ),
        trouble=(
            Cause(code="container-crashed", message="Container db ended.", detail=text, since=2.0),
        ),
        containers=(ContainerStatus("main", "img", ContainerState.EXITED, 1, 3, 1.0, text),),
        post_start={"install": text},
    )
    workspace = Workspace(
        id=1, name=actual.name, title="app", owner_id=2, agent_id=1, repository="https://h/x", ref="main", commit="0" * 40,
        devfile_path="devfile.yaml", devfile=text, spec=msgspec.json.encode(spec).decode(),
        warnings=json.dumps([{"code": "c", "message": text, "path": text, "line": 1, "column": 1, "hint": text}]),
        desired="Running", generation=1, restarts=0, created_at=0.0, updated_at=0.0, requested_at=0.0, requested_generation=1,
        sent_at=0.0, received_at=0.0, state="Failed", actual_generation=1, actual=msgspec.json.encode(actual).decode(),
        stopped_at=None, stopped_by="", delete_at=None,
    )  # fmt: skip
    agent = Agent(
        id=1, name="local", zone_url="http://localhost:8080", connected=True, last_seen=10.0
    )
    return Row(workspace, agent, "ann")


def test_every_field_is_decided() -> None:
    """A new field is seen by others when somebody has written it into both tables, and by nobody
    but the owner until then."""
    assert set(fields(schemas.Workspace)) == OTHERS_SEE | THE_OWNER_SEES
    shown = {f for f in fields(schemas.Workspace) if f in OTHERS_SEE}
    for kind, names in outside.SHOWN.items():
        assert names <= set(kind.model_fields), kind
    said = outside.outside(filled(schemas.Workspace))
    assert {f for f in fields(schemas.Workspace) if value_at(said, f)} == shown


def filled(model: type[BaseModel]) -> Any:
    """With something in every field."""
    given: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind = next(k for k in kinds(field.annotation) if k is not type(None))
        one: Any = (
            filled(kind)
            if isinstance(kind, type) and issubclass(kind, BaseModel)
            else {"a": LINE}
            if get_origin(kind) is dict
            else next(iter(kind))
            if hasattr(kind, "__members__")
            else {str: LINE, int: 7, float: 7.0, bool: True}[kind]
        )
        given[name] = [one] if get_origin(field.annotation) is list else one
    return model(**given)


def value_at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value[0] if isinstance(value, list) and value else value
        value = getattr(value, name, None) if value else None
    return value


def test_an_administrator_sees_no_line_from_inside() -> None:
    """Not of a log, a command, a variable or a file: of none of the fields, whatever stands in
    them."""
    assert LINE in view(row(LINE), ANN, 10.0).model_dump_json()
    seen = view(row(LINE), ADMIN, 10.0)
    assert LINE not in seen.model_dump_json()
    assert seen.cause is not None
    assert (seen.state, seen.cause.code) == (ActualState.FAILED, "container-crashed")
    assert seen.cause.message == "Container main ended with exit code 1."
    assert [(c.name, c.exit_code, c.restarts) for c in seen.containers] == [("main", 1, 3)]
    assert [port.port for port in ports_view(row(LINE), ADMIN)] == [8080]
    assert LINE not in str(ports_view(row(LINE), ADMIN))
    assert LINE in str(ports_view(row(LINE), ANN))


def test_what_cannot_be_left_out_is_an_error() -> None:
    """A field of a kind without an empty value is not shown by mistake."""
    with pytest.raises(TypeError):
        outside._nothing(7)
