"""What requests and reports change about a workspace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.contract import ActualState, ActualWorkspace, DesiredState
from moorage.kernel.errors import Conflict, InvalidInput, LimitReached
from moorage.server.workspaces import decisions
from moorage.server.workspaces.decisions import Intent, Request

RUN, STOP, END = DesiredState.RUNNING, DesiredState.STOPPED, DesiredState.TERMINATED


@pytest.mark.parametrize(
    ("desired", "request_", "state", "expected"),
    [
        (RUN, "start", ActualState.RUNNING, None),
        (RUN, "start", ActualState.STARTING, None),
        (RUN, "start", ActualState.FAILED, (RUN, 5, 3)),
        (RUN, "stop", ActualState.RUNNING, (STOP, 5, 2)),
        (RUN, "restart", ActualState.RUNNING, (RUN, 5, 3)),
        (RUN, "rescue", ActualState.RUNNING, (RUN, 5, 3)),
        (RUN, "rescue", ActualState.FAILED, (RUN, 5, 3)),
        (STOP, "rescue", ActualState.STOPPED, (RUN, 5, 2)),
        (RUN, "rebuild", ActualState.STARTING, (RUN, 5, 3)),
        (RUN, "delete", ActualState.RUNNING, (END, 5, 2)),
        (STOP, "start", ActualState.STOPPED, (RUN, 5, 2)),
        (STOP, "start", ActualState.STOPPING, (RUN, 5, 2)),
        (STOP, "restart", ActualState.STOPPED, (RUN, 5, 2)),
        (STOP, "rebuild", ActualState.STOPPED, (STOP, 5, 2)),
        (STOP, "stop", ActualState.STOPPED, None),
        (STOP, "stop", ActualState.FAILED, None),
        (STOP, "delete", ActualState.UNKNOWN, (END, 5, 2)),
        (END, "delete", ActualState.TERMINATING, None),
    ],
)
def test_the_next_intent(
    desired: DesiredState,
    request_: Request,
    state: ActualState,
    expected: tuple[DesiredState, int, int] | None,
) -> None:
    """Every change raises the generation; what is so already changes nothing."""
    after = decisions.next_intent(Intent(desired, 4, 2), request_, state=state)
    assert after == (Intent(*expected) if expected else None)


@pytest.mark.parametrize("request_", ["start", "stop", "restart", "rescue", "rebuild"])
def test_deletion_is_final(request_: Request) -> None:
    """Nothing but another deletion is accepted after one."""
    with pytest.raises(Conflict, match="being deleted"):
        decisions.next_intent(Intent(END, 4, 2), request_, state=ActualState.TERMINATING)


@pytest.mark.parametrize(
    ("known", "reported", "generation", "after"),
    [
        ((), ("",), 3, ("",)),
        (("",), ("", "pg"), 4, ("", "pg")),
        (("", "pg"), (), 3, ("", "pg")),
        ((), ("",), 2, ()),
    ],
)
def test_volumes_are_not_forgotten(
    known: tuple[str, ...], reported: tuple[str, ...], generation: int, after: tuple[str, ...]
) -> None:
    """What was there once is counted on, whatever a report lacks; a report from before its owner
    agreed to a loss does not bring it back."""
    report = ActualWorkspace(
        name="w", generation=generation, state=ActualState.RUNNING, volumes=reported
    )
    assert decisions.volumes_after(known, generation=3, report=report) == after


@pytest.mark.parametrize(
    ("known", "reported", "accepted"), [(0, 1, True), (3, 3, True), (3, 2, False), (3, 4, True)]
)
def test_reports_go_forward(known: int, reported: int, accepted: bool) -> None:
    """The newest generation that was reported decides."""
    report = ActualWorkspace(name="w", generation=reported, state=ActualState.RUNNING)
    assert decisions.accepts(known=known, report=report) is accepted


@pytest.mark.parametrize(
    ("desired", "generation", "state", "reported", "ended"),
    [
        (END, 4, ActualState.TERMINATED, 4, True),
        (END, 4, ActualState.TERMINATED, 3, False),
        (END, 4, ActualState.TERMINATING, 4, False),
        (RUN, 4, ActualState.TERMINATED, 4, False),
    ],
)
def test_what_ends_a_workspace(
    desired: DesiredState, generation: int, state: ActualState, reported: int, ended: bool
) -> None:
    """Only a report that knows of the deletion."""
    report = ActualWorkspace(name="w", generation=reported, state=state)
    assert decisions.has_ended(desired=desired, generation=generation, report=report) is ended


NAMES = ["workspace-1-2-abc123", "workspace-12-345-0a0b0c"]
"""Of workspaces: no titles, whether one of that name is there or not."""


@pytest.mark.parametrize("title", ["a", "my-project", "a" * 63, "0x"])
def test_titles(title: str) -> None:
    """DNS labels are accepted."""
    assert decisions.check_title(title) == title


@pytest.mark.parametrize(
    "title",
    ["", "My", "a_b", "-a", "a-", "a" * 64, "a.b", "a b", "ä", "events", "a\n", *NAMES],
)
def test_titles_that_are_refused(title: str) -> None:
    """Everything else is not, and the error names the field."""
    with pytest.raises(InvalidInput) as refused:
        decisions.check_title(title)
    assert refused.value.field == "name"


@pytest.mark.parametrize(
    ("url", "name", "title"),
    [
        ("https://git.example.com/team/example-python.git", "example-python", "example-python"),
        ("https://git.example.com/My%20Project", "My-Project", "my-project"),
        ("ssh://git@git.example.com/x/Über.git/", "ber", "ber"),
        ("https://git.example.com/..git", "repository", "repository"),
        ("https://git.example.com/events", "events", "repository"),
    ],
)
def test_names_from_urls(url: str, name: str, title: str) -> None:
    """The project's folder and the title come from the repository's last part."""
    assert decisions.repository_name(url) == name
    assert decisions.title_of(name) == title


def test_no_title_is_the_name_of_another_workspace() -> None:
    """A repository called like a workspace gives its own no title by which another would be
    meant; what merely begins so is fine."""
    assert decisions.title_of("workspace-1-2-abc123") == "repository"
    assert decisions.title_of("workspace-1-2-abc1234") == "workspace-1-2-abc1234"


@given(st.text())
def test_every_title_made_is_valid(text: str) -> None:
    """Whatever a repository is called, its title is a DNS label, and its folder no way out."""
    name = decisions.repository_name(f"https://h/{text}")
    assert name
    assert "/" not in name
    assert not name.startswith((".", "-"))
    assert decisions.check_title(decisions.title_of(name))


def test_free_titles() -> None:
    """The first that nobody has."""
    assert decisions.free_title("a", frozenset()) == "a"
    assert decisions.free_title("a", frozenset({"a", "a-2", "a-4"})) == "a-3"


@pytest.mark.parametrize(
    "env", [{"1A": "x"}, {"A-B": "x"}, {"": "x"}, {"A=B": "x"}, {"A": "x\0"}, {"A\n": "x"}]
)
def test_variables_that_are_refused(env: dict[str, str]) -> None:
    """Names as POSIX has them, values without NUL."""
    decisions.check_env({"_A1": "any ✓\nthing"})
    with pytest.raises(InvalidInput) as refused:
        decisions.check_env(env)
    assert refused.value.field == "env"


def test_limits() -> None:
    """Per person, and for all; none by default."""
    decisions.check_limits(own=99, total=99, per_user=None, at_all=None)
    decisions.check_limits(own=1, total=8, per_user=2, at_all=9)
    with pytest.raises(LimitReached) as refused:
        decisions.check_limits(own=2, total=2, per_user=2, at_all=9)
    assert refused.value.message == "You have 2 workspaces, and 2 are allowed."
    with pytest.raises(LimitReached, match="This installation has 9"):
        decisions.check_limits(own=0, total=9, per_user=2, at_all=9)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", ""), ("172.18.0.2", "172.18.0.2"), ("FD00::0:1", "fd00::1"), ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::1%x;disable frontend web", None), ("127.0.0.1", None), ("169.254.169.254", None), ("pod.svc", None),
    ],
)  # fmt: skip
def test_what_an_agent_says_of_an_address(address: str, expected: str | None):
    """It is stored in its one form; one that nobody is led to is not, and the workspace says what
    is the matter."""
    report = ActualWorkspace(
        name="w", generation=1, state=ActualState.RUNNING, address=address, observed_at=7.0
    )
    taken = decisions.with_usable_address(report)
    assert (taken.address, decisions.address_to_lead_to(report)) == (expected or "", expected or "")
    if expected is None:
        assert taken.cause is not None
        assert (taken.state, taken.cause.code, taken.cause.since) == (
            ActualState.ERROR,
            "address-refused",
            7.0,
        )
    else:
        assert (taken.state, taken.cause) == (ActualState.RUNNING, None)
