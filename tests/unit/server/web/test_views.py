"""What pages say of a workspace."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.contract import ActualState, ContainerState, DesiredState, StageName, StageState
from moorage.server.authorization import Person, Role
from moorage.server.web import list_views, views
from moorage.server.workspaces import schemas

NOW = 1_700_000_000.0
OWNER = Person(user_id=2, name="ana", role=Role.DEVELOPER, session="s")
ADMINISTRATOR = Person(user_id=1, name="root", role=Role.ADMINISTRATOR, session="s")


def stage(
    name: StageName,
    state: StageState,
    start: float | None = None,
    end: float | None = None,
    detail: str = "",
):
    return schemas.Stage(
        name=name, state=state, started_at=start, finished_at=end, duration=None, detail=detail
    )


def container(**values: Any) -> schemas.Container:
    known = {
        "name": "py",
        "image": "i",
        "exit_code": None,
        "restarts": 0,
        "started_at": None,
        "detail": "",
    }
    return schemas.Container(**{**known, **values})


def workspace(**values: Any) -> schemas.Workspace:
    name = "workspace-1-2-abc123"
    known: dict[str, Any] = {
        "name": name,
        "title": "app",
        "owner": 2,
        "owner_name": "ana",
        "agent": "local",
        "repository": "https://git.example.com/team/app.git",
        "ref": "",
        "commit": "0123456789abcdef",
        "devfile_path": ".devfile.yaml",
        "desired": DesiredState.RUNNING,
        "state": ActualState.RUNNING,
        "url": f"http://60001-{name}.localhost:8080/?folder=/projects/app",
        "port_url": f"http://{{port}}-{name}.localhost:8080/",
        "folder": "/projects/app",
        "generation": 1,
        "created_at": NOW - 3600,
        "updated_at": NOW,
        "stages": [],
        "cause": None,
        "trouble": [],
        "notice": None,
        "containers": [],
        "ports": [],
        "warnings": [],
        "post_start": {},
    }
    return schemas.Workspace(**{**known, **values})


@pytest.mark.parametrize(
    ("desired", "state", "able"),
    [
        ("Running", "Running", {"open", "stop", "restart", "delete", "logs", "rename", "rebuild"}),
        ("Running", "CreationRequested", {"stop", "delete", "logs", "rename", "rebuild"}),
        ("Running", "Starting", {"stop", "delete", "logs", "rename", "rebuild"}),
        ("Running", "Failed", {"start", "rescue", "stop", "delete", "logs", "rename", "rebuild"}),
        ("Running", "Error", {"stop", "restart", "delete", "logs", "rename", "rebuild"}),
        ("Running", "Unknown", {"stop", "restart", "delete", "logs", "rename", "rebuild"}),
        ("Stopped", "Running", {"start", "delete", "logs", "rename", "rebuild"}),
        ("Stopped", "Stopped", {"start", "delete", "logs", "rename", "rebuild"}),
        ("Terminated", "Running", set()),
        ("Terminated", "Terminated", set()),
    ],
)
def test_what_an_owner_can_do(desired: str, state: str, able: set[str]) -> None:
    """A button is there when it makes sense in that state."""
    found = views.abilities(workspace(desired=desired, state=state), OWNER)
    assert {name for name, can in vars(found).items() if can} == able


@pytest.mark.parametrize("state", ["Stopped", "Failed"])
def test_lost_files_may_be_agreed_to(state: str) -> None:
    """Where files are lost, there is a button to begin with empty ones; for anybody but the owner
    there is none."""
    cause = {"code": "files-lost", "message": "Gone.", "detail": "", "hint": "", "since": NOW}
    lost = workspace(
        desired="Stopped" if state == "Stopped" else "Running", state=state, cause=cause
    )
    assert views.abilities(lost, OWNER).start_fresh
    assert not views.abilities(lost, ADMINISTRATOR).start_fresh


def test_what_goes_on_after_the_start_is_said() -> None:
    """In the list and on the page, by name; it is no trouble, and goes without saying once it has
    ended."""
    going = workspace(post_start={"install": "done", "serve": "", "watch": ""})
    assert views.badge_of(going).tone == "good"
    assert views.summary(going, NOW) == "It runs. After its start, serve and watch go on."
    assert views.summary(workspace(post_start={"serve": "done"}), NOW) == "It runs."


def test_what_runs_for_repair_is_amber() -> None:
    """Its state says so in words, its summary what ended, and a restart is at hand."""
    cause = {"code": "out-of-memory", "message": "It ended.", "detail": "", "hint": "", "since": 1}
    found = workspace(rescue=True, trouble=[cause])
    shown = views.detail(found, OWNER, NOW)
    assert (shown.badge.label, shown.badge.tone) == ("Running, for repair", "warn")
    assert shown.summary == "It ended."
    assert shown.can.restart
    assert shown.can.open
    assert list_views.row(found, OWNER, NOW).groups == ("running", "trouble")
    stopping = workspace(desired="Stopped", rescue=True, trouble=[cause])
    assert views.badge_of(stopping).label == "Stopping"


def test_what_an_administrator_can_do_with_anothers() -> None:
    """An administrator may stop and delete, and looks into nobody's work."""
    found = views.abilities(workspace(), ADMINISTRATOR)
    assert {name for name, can in vars(found).items() if can} == {"stop", "delete"}
    assert views.detail(workspace(), ADMINISTRATOR, NOW).url == ""
    assert list_views.row(workspace(), ADMINISTRATOR, NOW).url == ""


def test_trouble_is_amber_and_takes_nothing_away() -> None:
    """A workspace of which a part does not work is amber in list and page, with the reason, and
    can be opened; one that waits or stops is shown as that."""
    trouble = schemas.Cause(
        code="container-crashed", message="Container db ended.", detail="no", hint="", since=NOW
    )
    shown = workspace(trouble=[trouble])
    row, page = list_views.row(shown, OWNER, NOW), views.detail(shown, OWNER, NOW)
    assert (row.badge.label, row.badge.tone) == ("Running, with trouble", "warn")
    assert row.groups == ("running", "trouble")
    assert (row.summary, row.wrong) == ("Container db ended.", False)
    assert (page.badge, page.under_way) == (row.badge, False)
    assert row.url == page.url == shown.url
    assert views.summary(workspace(trouble=[trouble] * 3), NOW).endswith("(2 more things wrong.)")
    stopping = list_views.row(workspace(trouble=[trouble], desired="Stopped"), OWNER, NOW)
    assert stopping.badge.label == "Stopping"


def test_summary_tells_the_cause_first() -> None:
    """Why it waits comes before what it does."""
    cause = schemas.Cause(code="x", message="No space is left.", detail="", hint="", since=NOW)
    shown = workspace(
        state="Starting", cause=cause, stages=[stage(StageName.IMAGE, StageState.RUNNING, NOW)]
    )
    assert views.summary(shown, NOW) == "No space is left."


@pytest.mark.parametrize(
    ("detail", "text"),
    [("receiving objects, 45 %", "Clone: receiving objects, 45 %"), ("", "Clone is under way.")],
)
def test_summary_of_a_start_names_the_stage(detail: str, text: str) -> None:
    """A start without trouble is summed up by the stage that is under way."""
    stages = [
        stage(StageName.QUEUED, StageState.DONE, NOW, NOW),
        stage(StageName.CLONE, StageState.RUNNING, NOW, None, detail),
    ]
    assert views.summary(workspace(state="Starting", stages=stages), NOW) == text


def test_summary_of_a_stop_names_no_stage() -> None:
    """What is being stopped is not said to start, whatever its stages were."""
    stages = [stage(StageName.CLONE, StageState.RUNNING, NOW)]
    shown = views.summary(workspace(desired="Stopped", state="Starting", stages=stages), NOW)
    assert "stopped" in shown


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://git.example.com/team/app.git", "git.example.com/team/app"),
        ("https://ana:secret@git.example.com/team/app", "git.example.com/team/app"),
        ("https://a@b:secret@git.example.com/team/app", "git.example.com/team/app"),
        ("ssh://git@git.example.com:2222/team/app.git/", "git.example.com:2222/team/app"),
        ("git@git.example.com:team/app.git", "git@git.example.com:team/app"),
    ],
)
def test_repository_without_secrets(url: str, text: str) -> None:
    """A repository is shown short, and never with what could be a password."""
    assert views.short_repository(url) == text


def test_only_web_addresses_become_links() -> None:
    """A repository's address is a link when a browser can open it: a scheme such as javascript:
    never is."""
    for url in ("javascript:alert(1)", "ssh://git.example.com/x", "data:text/html,x"):
        assert views.detail(workspace(repository=url), OWNER, NOW).repository_url == ""
    assert views.detail(workspace(), OWNER, NOW).repository_url.startswith("https://")


def test_a_repository_link_holds_no_password() -> None:
    """What stands before the @ of an address is not in the link."""
    shown = views.detail(
        workspace(repository="https://ana:secret@git.example.com/team/app"), OWNER, NOW
    )
    assert "secret" not in shown.repository_url


@pytest.mark.parametrize(
    ("values", "tone", "said"),
    [
        ({"state": ContainerState.RUNNING}, "good", "runs"),
        ({"state": ContainerState.WAITING}, "busy", "waits"),
        ({"state": ContainerState.EXITED}, "quiet", "has ended"),
        ({"state": ContainerState.EXITED, "exit_code": 0}, "quiet", "has ended, exit code 0"),
        (
            {"state": ContainerState.EXITED, "exit_code": 137, "restarts": 1},
            "bad",
            "has ended, exit code 137, restarted 1 time",
        ),
        ({"state": ContainerState.RUNNING, "restarts": 3}, "good", "runs, restarted 3 times"),
    ],
)
def test_containers_in_words(values: dict[str, Any], tone: str, said: str) -> None:
    """A container's state, exit code and restarts are said in words."""
    (shown,) = views.detail(workspace(containers=[container(**values)]), OWNER, NOW).containers
    assert (shown.tone, shown.said) == (tone, said)


@pytest.mark.parametrize(
    ("values", "state", "linked", "note"),
    [
        ({}, "Running", True, ""),
        ({}, "Stopped", False, ""),
        ({"protocol": "tcp"}, "Running", False, "tcp, not for a browser"),
        ({"protocol": "wss"}, "Running", True, ""),
        ({"exposure": "none"}, "Running", True, "only inside the workspace"),
    ],
)
def test_ports(values: dict[str, Any], state: str, linked: bool, note: str) -> None:
    """A port is a link while it can be opened by a browser."""
    known = {
        "port": 8080,
        "name": "web",
        "url": "http://8080-w.localhost/",
        "declared": True,
        "exposure": "public",
        "protocol": "http",
    }
    port = schemas.Port(**{**known, **values})
    (shown,) = views.detail(workspace(state=state, ports=[port]), OWNER, NOW).ports
    assert bool(shown.url) is linked
    assert shown.note == note


def test_post_start_outcomes() -> None:
    """A step runs, is done, or failed for a reason."""
    steps = {"install": "done", "serve": "", "migrate": "exit code 2"}
    shown = views.detail(workspace(post_start=steps), OWNER, NOW).post_start
    assert [(s.name, s.state, s.reason) for s in shown] == [
        ("install", "done", ""),
        ("serve", "running", ""),
        ("migrate", "failed", "exit code 2"),
    ]


def test_how_long_the_start_took() -> None:
    """From the first stage's begin to the last one's end, once it runs; stages overlap, so they are
    not summed."""
    stages = [
        stage(StageName.QUEUED, StageState.DONE, NOW, NOW + 1),
        stage(StageName.IMAGE, StageState.DONE, NOW + 1, NOW + 5),
        stage(StageName.CLONE, StageState.DONE, NOW + 1, NOW + 4),
    ]
    assert views.detail(workspace(stages=stages), OWNER, NOW + 9).total == 5
    assert views.detail(workspace(stages=stages, state="Starting"), OWNER, NOW + 9).total is None
    assert views.detail(workspace(), OWNER, NOW).total is None


def test_commands_use_the_title_among_ones_own() -> None:
    """One's own workspace is named by its title; another's by its name, which is unique."""
    assert all(
        "moor" in command and " app" in command for _, command in views.commands(workspace(), OWNER)
    )
    assert [command for _, command in views.commands(workspace(), ADMINISTRATOR)] == [
        "moor show workspace-1-2-abc123"
    ]


DEVFILE = "\n".join(f"line {number}" for number in range(1, 31))


def test_devfile_problems_beside_their_lines() -> None:
    """Each problem stands beside its line, with lines around it; what lies between is left out."""
    told = views.devfile_problems(
        DEVFILE,
        [
            {"line": 2, "message": "Wrong.", "hint": "Mend it.", "source": ""},
            {"line": 2, "message": "Also wrong.", "hint": "", "source": ""},
            {"line": 20, "message": "Unknown.", "hint": "", "source": ""},
        ],
        around=1,
    )
    assert [line.number for line in told.lines] == [1, 2, 3, 0, 19, 20, 21]
    assert told.lines[1].problems == ("Wrong. Mend it.", "Also wrong.")
    assert told.lines[1].text == "line 2"
    assert told.others == ()
    assert "3 things" in told.summary


def test_devfile_problems_that_are_not_shown() -> None:
    """The summary counts what is shown, and what is not."""
    told = views.devfile_problems(
        DEVFILE, [{"line": 2, "message": "Wrong.", "source": ""}] * 2, left_out=7
    )
    assert (
        told.summary == "The devfile is not valid: these 2 things are wrong, and 7 more at least."
    )


@pytest.mark.parametrize(
    "problem",
    [
        {"line": 0, "message": "Empty.", "source": ""},
        {"line": 31, "message": "Past the end.", "source": ""},
        {"line": 2, "message": "In the parent.", "source": "https://x/parent.yaml"},
    ],
)
def test_problems_about_no_line_of_the_devfile(problem: dict[str, Any]) -> None:
    """A problem of a parent, or of the whole document, stands by itself."""
    told = views.devfile_problems(DEVFILE, [problem])
    assert told.lines == ()
    assert told.others == (problem,)


def command(**values: Any) -> schemas.Command:
    known: dict[str, Any] = {
        "id": "test", "label": "", "group": "", "default": False, "event": "", "container": "py", "command_line": "make\n  test",
        "working_dir": "", "env": {}, "members": [], "parallel": False, "unable": "", "url": "",
    }  # fmt: skip
    return schemas.Command(**{**known, **values})


def test_commands_of_the_devfile_are_shown() -> None:
    """What each does, where, and how it is run from the command line; what it serves is a link
    while the workspace runs; for an administrator there is nothing to run."""
    given = [
        command(group="test", default=True),
        command(id="db", container="db"),
        command(id="all", members=["test", "db"], container="", command_line="", url="http://x/"),
        command(id="deploy", container="", command_line="", unable="It applies x."),
    ]
    test, db, both, deploy = views.detail(workspace(commands=given), OWNER, NOW).devfile_commands
    assert (test.line, test.group, test.run) == (
        "make test",
        "test, its default",
        "moor run app test",
    )
    assert (test.where, db.where) == ("py", "db")
    assert (both.line, both.url) == ("test, then db", "http://x/")
    assert (deploy.run, deploy.unable) == ("", "It applies x.")
    stopped = workspace(commands=given, desired="Stopped", state="Stopped")
    assert views.detail(stopped, OWNER, NOW).devfile_commands[2].url == ""
    assert not any(row.run for row in views.detail(stopped, ADMINISTRATOR, NOW).devfile_commands)
