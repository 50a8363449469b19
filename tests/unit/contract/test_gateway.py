"""The route table and its changes."""

import msgspec
import pytest

from moorage.contract import gateway
from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session

ANA = Session(id="s1", user=7, user_name="ana", expires_at=100.0)
ROUTE = Route(workspace="workspace-1-7-abc123", owner=7, address="10.0.0.2")


def table(**fields):
    return RouteTable(revision=4, server_url="http://localhost:8080", **fields)


def test_a_change_adds_replaces_and_removes_by_key():
    """A change's routes, sessions and grants replace those of the same key; what it removes is
    gone."""
    before = table(
        routes=(ROUTE,),
        sessions=(ANA,),
        grants=(Grant(user=8, workspace=ROUTE.workspace, port=8080),),
    )
    moved = Route(workspace=ROUTE.workspace, owner=7, address="10.0.0.9")
    after = gateway.apply(
        before,
        RouteChange(
            revision=5,
            routes=(moved,),
            removed_sessions=("s1",),
            removed_grants=(Grant(user=8, workspace=ROUTE.workspace, port=8080),),
            grants=(Grant(user=9, workspace=ROUTE.workspace),),
        ),
    )
    assert after == RouteTable(
        revision=5,
        server_url="http://localhost:8080",
        routes=(moved,),
        grants=(Grant(user=9, workspace=ROUTE.workspace),),
    )


def test_removing_what_is_not_there_changes_nothing():
    """A repeated removal is no error: messages may come twice."""
    change = RouteChange(
        revision=5, removed_routes=("workspace-1-1-zzzzzz",), removed_sessions=("none",)
    )
    assert gateway.apply(table(routes=(ROUTE,)), change).routes == (ROUTE,)


@pytest.mark.parametrize("revision", [3, 4, 6])
def test_a_gap_in_revisions_is_refused(revision):
    """Only the very next revision may be applied; anything else asks for a new table."""
    with pytest.raises(ValueError, match="does not follow 4"):
        gateway.apply(table(), RouteChange(revision=revision))


@pytest.mark.parametrize(
    "message", [table(routes=(ROUTE,), sessions=(ANA,)), RouteChange(revision=1)]
)
def test_messages_survive_the_wire(message):
    """What is encoded is decoded to the same value."""
    assert gateway.decode(gateway.encode(message)) == message


@pytest.mark.parametrize(
    "text", ["", "{}", '{"type":"other"}', '{"type":"table","revision":"x"}', "[1]"]
)
def test_anything_else_is_refused(text):
    """A frame that is no message of this contract raises a decoding error, never something else."""
    with pytest.raises(msgspec.DecodeError):
        gateway.decode(text)
