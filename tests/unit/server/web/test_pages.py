"""Each page, in each of its states, as it is drawn from view models."""

from __future__ import annotations

from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from moorage import __version__, wording
from moorage.contract import ActualState, ContainerState, DesiredState, StageName, StageState
from moorage.server.accounts.schemas import User
from moorage.server.agents.schemas import Agent, SettingsVersion, Taken, WorkspaceSettings
from moorage.server.authorization import Role
from moorage.server.found.schemas import Found
from moorage.server.web import WEB, agent_views, forms, list_views, pages, views
from moorage.server.workspaces import schemas

from .test_views import ADMINISTRATOR, NOW, OWNER, container, stage, workspace

HOSTILE = "\"'><script>alert(1)</script>"


def draw(
    template: str, *, actor: Any = OWNER, path: str = "/", query: str = "", **values: Any
) -> str:
    app = FastAPI()
    app.state.navigation = WEB.navigation
    app.state.documentation = ""
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "headers": [],
        "app": app,
    }
    response = pages.page(Request(scope), template, actor=actor, **values)
    return bytes(response.body).decode()


def detail(shown: schemas.Workspace, actor: Any = OWNER) -> str:
    view = views.detail(shown, actor, NOW)
    return draw("workspace.html", actor=actor, workspace=shown, shown=view, now=NOW)


def listed(
    *shown: schemas.Workspace,
    actor: Any = OWNER,
    everyones: bool = False,
    wanted: list_views.Filter = list_views.Filter(),  # noqa: B008 - frozen
) -> str:
    return draw(
        "workspaces.html",
        actor=actor,
        rows=list_views.rows(shown, actor, NOW),
        wanted=wanted,
        groups=list_views.GROUPS,
        everyones=everyones,
        administrator=actor is ADMINISTRATOR,
        creates=True,
        now=NOW,
    )


def new(**values: Any) -> str:
    known = {
        "form": forms.NewWorkspace(),
        "errors": {},
        "problem": None,
        "lines": (),
        "devfile_problems": (),
        "agents": [],
        "origin": "http://localhost:8080",
    }
    return draw("new.html", **{**known, **values})


def agents(*shown: Agent, manages: bool = False, **values: Any) -> str:
    return draw("agents.html", agents=agent_views.rows(shown), manages=manages, now=NOW, **values)


def one_agent(shown: Agent, *, manages: bool = True, settings: str = "") -> str:
    """`settings`: stands wherever a text of theirs does."""
    told = WorkspaceSettings(
        agent=shown.name, version=1, newest=2, text=settings, source="api", author=settings, created_at=NOW, file=False,
        taken=Taken(version=1, problem=settings), effective=settings, warnings=[settings],
    )  # fmt: skip
    return draw(
        "agent.html",
        shown=agent_views.detail(shown, told),
        settings=agent_views.settings_panel(told) if manages else None,
        versions=agent_views.versions(
            [SettingsVersion(version=1, source="api", author=settings, created_at=NOW)]
        ),
        errors={"text": settings} if settings else {},
        found=(),
        manages=manages,
        now=NOW,
    )


def found_with(said: str) -> Found:
    """`said`: stands wherever an agent's words do."""
    return Found(
        name="workspace-1-1-abc123", agent="local", mark=said, generation=3, owner=5, owner_name=said, owner_now="",
        title=said, repository=said, ref=said, since=NOW, found_at=NOW, shown_at=NOW, remove_at=None, removing=False,
        running=False, desired=None, objects=[said], elsewhere=said, complete=False, listed=False,
    )  # fmt: skip


def one_found(said: str) -> str:
    form = {"owner": said, "repository": said, "ref": said, "devfile": said}
    return draw(
        "agent_found.html",
        item=found_with(said),
        users=["ana"],
        form=form,
        errors={"owner": said},
        now=NOW,
    )


def users(**values: Any) -> str:
    known = {
        "users": [
            User(id=1, name="root", role=Role.ADMINISTRATOR, blocked=False, created_at=NOW),
            User(id=2, name="ana", role=Role.DEVELOPER, blocked=False, created_at=NOW),
            User(id=3, name="bob", role=Role.DEVELOPER, blocked=True, created_at=NOW),
        ],
        "me": 1,
        "roles": ["developer", "administrator"],
        "form": {"name": "", "role": "developer"},
        "errors": {},
        "link": None,
        "changes": True,
        "now": NOW,
    }
    return draw("users.html", actor=ADMINISTRATOR, **{**known, **values})


def agent(**values: Any) -> Agent:
    known = {
        "id": 1,
        "name": "local",
        "enabled": True,
        "local": True,
        "revoked": False,
        "runtime": "docker",
        "runtime_version": "20.10",
        "version": "0.1.0",
        "connected": True,
        "last_seen": NOW,
        "second_seen": None,
        "capacity": {},
        "settings": {"version": 0, "problem": ""},
        "workspaces": 3,
        "zone_url": "http://localhost:8080",
        "dns_zone": "localhost",
        "created_at": NOW,
    }
    return Agent(**{**known, **values})


class Page(HTMLParser):
    """Tags with their attributes, ids, and the text between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def actions(self) -> set[str]:
        return {str(form["action"]) for form in self.all("form") if form.get("method") == "post"}


FULL = workspace(
    ref="main",
    stages=[stage(name, StageState.DONE, NOW - 10, NOW - 5) for name in StageName],
    containers=[
        container(name="py", state=ContainerState.RUNNING, started_at=NOW - 60),
        container(
            name="db",
            state=ContainerState.EXITED,
            exit_code=1,
            restarts=3,
            detail="is started again",
        ),
    ],
    ports=[
        schemas.Port(
            port=8080,
            name="web",
            url="http://8080-w.localhost/",
            declared=True,
            exposure="public",
            protocol="http",
        )
    ],
    warnings=[
        schemas.Warning(
            code="c", message="Not used.", path="components[0]", line=7, hint="Leave it out."
        )
    ],
    post_start={"install": "done", "migrate": "exit code 2", "serve": ""},
)


@pytest.mark.parametrize("actor", [OWNER, ADMINISTRATOR])
@pytest.mark.parametrize("state", list(ActualState))
@pytest.mark.parametrize("desired", list(DesiredState))
def test_detail_and_list_in_every_state(
    desired: DesiredState, state: ActualState, actor: Any
) -> None:
    """Whatever is desired and reported, both pages are drawn, well-formed where it matters, and say
    the state."""
    shown = FULL.model_copy(update={"desired": desired, "state": state})
    page = Page(detail(shown, actor))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    label = views.detail(shown, actor, NOW).badge.label
    assert label in page.text
    if state is not ActualState.TERMINATED:
        assert label in Page(listed(shown, actor=actor)).text


def test_detail_of_a_running_workspace() -> None:
    """It leads to the editor and the ports, tells containers, notes and outcomes, and can be
    stopped, restarted, deleted."""
    page = Page(detail(FULL))
    here = "/workspaces/workspace-1-2-abc123"
    assert page.actions() == {"/sign-out", f"{here}/stop", f"{here}/restart", f"{here}/delete"}
    links = {a.get("href"): a for a in page.all("a")}
    assert links[FULL.url]["rel"] == "noopener"
    assert "http://8080-w.localhost/" in links
    assert f"/api/v1{here}/logs?container=db&tail=1000" in links
    for text in (
        "has ended, exit code 1, restarted 3 times",
        "is started again",
        "line 7:",
        "Not used.",
        "exit code 2",
        "in 5.0 s",
    ):
        assert text in page.text


def test_a_stopped_workspace_fills_its_page() -> None:
    """Where there is neither a start nor a container to show, what it is stands in their place;
    each panel is there once."""
    for shown in (FULL, workspace(desired="Stopped", state="Stopped")):
        html = detail(shown)
        first, _, second = html.partition('<div class="column">')[2].partition(
            '<div class="column">'
        )
        assert 'class="panel"' in first
        assert ("about-panel" in first) is (shown is not FULL)
        assert ("about-panel" in second) is (shown is FULL)
        for panel in ("about-panel", "commands-panel", "ports-panel"):
            assert html.count(f'id="{panel}"') == 1


@pytest.mark.parametrize(
    ("desired", "state", "actor", "offered"),
    [
        ("Running", "CreationRequested", OWNER, True),
        ("Running", "Starting", OWNER, True),
        ("Running", "Stopped", OWNER, True),
        ("Running", "Running", OWNER, False),
        ("Running", "Failed", OWNER, False),
        ("Stopped", "Starting", OWNER, False),
        ("Running", "Starting", ADMINISTRATOR, False),
    ],
)
def test_what_can_be_opened_later(desired: str, state: str, actor: Any, offered: bool) -> None:
    """To open the editor when it is ready is offered while a start is under way, to whoever may."""
    assert ("data-open-when-ready" in detail(workspace(desired=desired, state=state), actor)) is (
        offered
    )


def test_a_failed_workspace_says_why() -> None:
    """Cause, hint and the log lines behind it stand above all else, and it can be started again."""
    cause = schemas.Cause(
        code="image-not-found",
        message="No such image.",
        detail="manifest unknown",
        hint="Check it.",
        since=NOW,
    )
    stages = [stage(StageName.IMAGE, StageState.FAILED, NOW - 2, NOW)]
    page = Page(detail(workspace(state="Failed", cause=cause, stages=stages)))
    for text in ("No such image.", "manifest unknown", "Check it.", "image-not-found", ": failed"):
        assert text in page.text
    assert "/workspaces/workspace-1-2-abc123/start" in page.actions()


def test_a_start_is_announced() -> None:
    """What is under way stands in a live region, and its stage counts on."""
    stages = [stage(StageName.CLONE, StageState.RUNNING, NOW - 3, None, "receiving objects")]
    html = detail(workspace(state="Starting", stages=stages))
    assert '<p class="unseen" role="status">Starting. Clone: receiving objects</p>' in html
    assert 'data-seconds="3.0"' in html


def test_a_deleted_workspace_leads_away() -> None:
    """A page that is open while its workspace goes is led to the list."""
    assert 'data-go="/?done=deleted"' in detail(workspace(state="Terminated", desired="Terminated"))


def test_deleting_asks_first_with_and_without_javascript() -> None:
    """The button opens a dialog; where that does not work, it leads to a page that asks the
    same."""
    page = Page(detail(FULL))
    ((form),) = [
        f
        for f in page.all("form")
        if f.get("method") == "get" and str(f["action"]).endswith("/delete")
    ]
    assert form["action"] == "/workspaces/workspace-1-2-abc123/delete"
    assert [d["id"] for d in page.all("dialog")] == ["ask-delete"]
    asked = Page(draw("delete.html", workspace=FULL))
    assert "/workspaces/workspace-1-2-abc123/delete" in asked.actions()


def test_an_administrator_sees_no_logs_of_others() -> None:
    """For whom logs and editor are not, there is nothing that leads to them."""
    html = detail(FULL, ADMINISTRATOR)
    assert "/logs" not in html
    assert "60001" not in Page(html).text


def test_the_foot_of_every_page() -> None:
    """It says the version, and leads to help and documentation: the operator's, where there is
    one."""
    for html in (listed(), detail(FULL), new(), users()):
        foot = html.partition("<footer")[2]
        assert f"Moorage {__version__}" in foot
        assert [a["href"] for a in Page(foot).all("a")] == ["/help", "/help#documentation"]
    html = draw("help.html", badges=wording.badges(), origin="x", documentation="https://d.example")
    assert [a["href"] for a in Page(html.partition("<footer")[2]).all("a")] == [
        "/help",
        "https://d.example",
    ]
    for state in ActualState:
        for troubled in (False, True):
            assert wording.badge("Running", state, troubled=troubled).label in Page(html).text


def test_the_list_of_nobody_explains_what_to_do() -> None:
    """Whoever has no workspace yet is told what one is and where to begin."""
    page = Page(listed())
    assert "Nothing is moored here yet" in page.text
    assert {"/new"} <= {a.get("href") for a in page.all("a")}
    assert "Nobody has a workspace" in Page(listed(everyones=True, actor=ADMINISTRATOR)).text


def test_everyones_list_names_owners() -> None:
    """An administrator's view says whose each workspace is."""
    assert "ana · local" in Page(listed(FULL, actor=ADMINISTRATOR, everyones=True)).text


def test_a_row_acts_and_is_chosen_by_itself() -> None:
    """A row opens, stops and deletes its workspace; its box belongs to the form of several."""
    page = Page(listed(FULL))
    here = "/workspaces/workspace-1-2-abc123"
    assert page.actions() == {"/sign-out", "/several", f"{here}/stop"}
    links = {a.get("href") for a in page.all("a")}
    assert {FULL.url, here, f"{here}/delete"} <= links
    (box,) = [box for box in page.all("input") if box.get("name") == "workspace"]
    assert (box["form"], box["value"]) == ("several", "workspace-1-2-abc123")
    assert "disabled" not in box


def test_what_is_being_deleted_is_not_chosen() -> None:
    """Nothing can be done with a workspace that is going already."""
    (box,) = [
        box
        for box in Page(listed(workspace(desired="Terminated"))).all("input")
        if box.get("name") == "workspace"
    ]
    assert "disabled" in box


def test_a_search_hides_the_others() -> None:
    """A list that was searched by its address shows what was looked for, without any script."""
    two = FULL.model_copy(update={"name": "workspace-1-2-zzzzzz", "title": "zebra"})
    page = Page(listed(FULL, two, wanted=list_views.Filter("ZEB", "running")))
    hidden = {row["id"]: "hidden" in row for row in page.all("li") if "data-text" in row}
    assert hidden == {"row-workspace-1-2-abc123": True, "row-workspace-1-2-zzzzzz": False}
    (field,) = [field for field in page.all("input") if field.get("name") == "q"]
    assert field["value"] == "ZEB"


def test_new_with_errors_beside_the_fields() -> None:
    """What was typed stays, and each error stands with its field."""
    form = forms.NewWorkspace(repository="https://x/y", env="A=1\nB")
    html = new(
        form=form,
        errors={"repository": "There is no such repository.", "env": "Line 2 is not KEY=value."},
    )
    page = Page(html)
    inputs = {i.get("name"): i for i in page.all("input")}
    assert inputs["repository"]["value"] == "https://x/y"
    assert inputs["repository"]["aria-invalid"] == "true"
    assert "aria-invalid" not in inputs["ref"]
    assert html.index('id="repository-error"') < html.index('id="ref"')
    assert "A=1\nB</textarea>" in html


def test_new_with_a_problem_of_no_field() -> None:
    """An error that belongs to no field stands above the form, as an alert."""
    html = new(problem=SimpleNamespace(message="Git does not answer.", hint="Try again."))
    assert html.index('role="alert"') < html.index('action="/new"')
    assert "Git does not answer." in html


def test_new_with_devfile_lines() -> None:
    """Problems of a devfile stand beside its lines."""
    told = views.devfile_problems(
        "a: 1\nb: [\nc: 2", [{"line": 2, "message": "No end.", "hint": "", "source": ""}]
    )
    html = new(errors={"devfile": told.summary}, lines=told.lines)
    assert html.index("b: [") < html.index("No end.") < html.index("c: 2")


def test_new_offers_agents_when_there_is_a_choice() -> None:
    """One agent needs no choosing; of several, the one that was chosen stays chosen."""
    assert "<select" not in new(agents=[agent()])
    html = new(
        agents=[agent(), agent(name="far", connected=False)], form=forms.NewWorkspace(agent="far")
    )
    assert '<option value="far" selected>' in html


def test_users() -> None:
    """Everybody but oneself can be blocked, and be given another role; who is blocked gets no link,
    and can be unblocked. An auditor is offered none of it, but a link of their own."""
    page = Page(users())
    assert Page(users(changes=False)).actions() == {"/sign-out", "/users/root/sign-in-link"}
    assert page.actions() == {
        "/sign-out",
        "/users",
        "/users/root/sign-in-link",
        "/users/ana/sign-in-link",
        "/users/ana/role",
        "/users/ana/block",
        "/users/bob/role",
        "/users/bob/unblock",
    }


def test_users_with_a_link_and_an_error() -> None:
    """A sign-in link is shown with its end; a name that is taken is said beside the field."""
    html = users(
        link={"name": "ana", "url": "http://localhost:8080/sign-in/link/abc", "expires_at": NOW},
        errors={"name": "There is a user ana already."},
        form={"name": "ana", "role": "administrator"},
    )
    assert "http://localhost:8080/sign-in/link/abc" in html
    assert "2023-11-14 22:13 UTC" in html
    assert 'id="name-error"' in html
    assert '<option value="administrator" selected>' in html


def test_what_a_limit_did_is_said() -> None:
    """A workspace that a limit of its agent's settings stopped, or is about to delete, says so and
    what to do, in the list and on its page; and by which version of the settings it was started."""
    notice = schemas.Notice(
        code="stopped-by-limit",
        message="Stopped after 36 hours.",
        hint="Start it again: its files are there.",
        at=NOW,
    )
    stopped = workspace(
        state=ActualState.STOPPED, desired=DesiredState.STOPPED, notice=notice, settings=4
    )
    page = Page(detail(stopped))
    for text in ("Stopped after 36 hours.", "its files are there", "by version 4 of its settings"):
        assert text in page.text
    assert "Stopped after 36 hours." in Page(listed(stopped)).text


def test_agents() -> None:
    """An agent is connected, was, or never has been."""
    page = Page(
        agents(
            agent(),
            agent(name="far", connected=False, last_seen=NOW - 7200),
            agent(name="new", connected=False, last_seen=None, runtime="", version=""),
            agent(name="old", enabled=False),
        )
    )
    for text in (
        "Connected",
        "Not connected",
        "2 hours ago",
        "Never connected",
        "Takes no new ones",
    ):
        assert text in page.text
    assert "/new-agent" not in {a.get("href") for a in page.all("a")}
    assert "/new-agent" in {a.get("href") for a in Page(agents(manages=True)).all("a")}
    assert "No agent is registered" in agents()


def test_an_agent_and_what_may_be_done_with_it() -> None:
    """Only who manages agents is offered anything, and only what makes sense."""
    far = agent(name="far", local=False, workspaces=0)
    offered = Page(one_agent(far)).actions()
    assert {
        "/agents/far/disable",
        "/agents/far/token",
        "/agents/far/revoke",
        "/agents/far/remove",
    } <= offered
    assert not {
        action for action in Page(one_agent(far, manages=False)).actions() if "/far/" in action
    }
    assert "/agents/far/enable" in Page(one_agent(agent(name="far", enabled=False))).actions()


def test_sign_in_pages() -> None:
    """Both ways in carry on to where somebody wanted to go; an error stands beside the field."""
    values = {"actor": None, "next": "/new?x=1", "link": "abc", "minutes": "10"}
    page = Page(draw("sign_in.html", **values, error="Used.", ended=""))
    hidden = {i.get("name"): i.get("value") for i in page.all("input")}
    assert hidden == {"next": "/new?x=1", "link": "abc"}
    assert "Used." in page.text
    assert (
        "signed out"
        in Page(draw("sign_in.html", **values, error="", ended="You were signed out.")).text
    )
    link = Page(draw("sign_in_link.html", actor=None, name="ana", token="abc", next="/new"))
    assert link.actions() == {"/sign-in/link/abc"}


def test_navigation_shows_what_one_may_see() -> None:
    """Only administrators are led to users and audit; nobody is led anywhere before signing in."""
    there = {"/users", "/audit"}
    assert there.isdisjoint(a.get("href") for a in Page(listed()).all("a"))
    assert there <= {a.get("href") for a in Page(listed(actor=ADMINISTRATOR)).all("a")}
    signed_out = Page(
        draw("sign_in.html", actor=None, next="/", link="", error="", ended="", minutes="10")
    )
    assert "/agents" not in {a.get("href") for a in signed_out.all("a")}


def test_notices_come_from_a_fixed_table() -> None:
    """An address can ask for a known sentence, and never for one of its own."""
    assert forms.NOTICES["stop"] in agents(query="done=stop")
    assert "evil" not in agents(query="done=evil")


@pytest.mark.parametrize(
    "html",
    [
        pytest.param(
            lambda: detail(
                workspace(
                    title=HOSTILE,
                    repository=HOSTILE,
                    ref=HOSTILE,
                    agent=HOSTILE,
                    owner_name=HOSTILE,
                    folder=HOSTILE,
                    devfile_path=HOSTILE,
                    cause=schemas.Cause(
                        code=HOSTILE, message=HOSTILE, detail=HOSTILE, hint=HOSTILE, since=NOW
                    ),
                    stages=[stage(StageName.IMAGE, StageState.RUNNING, NOW, None, HOSTILE)],
                    containers=[
                        container(
                            name=HOSTILE,
                            image=HOSTILE,
                            detail=HOSTILE,
                            state=ContainerState.RUNNING,
                        )
                    ],
                    ports=[
                        schemas.Port(
                            port=1,
                            name=HOSTILE,
                            url="http://x/",
                            declared=True,
                            exposure="none",
                            protocol="http",
                        )
                    ],
                    warnings=[
                        schemas.Warning(code="c", message=HOSTILE, path=HOSTILE, hint=HOSTILE)
                    ],
                    post_start={HOSTILE: HOSTILE},
                )
            ),
            id="detail",
        ),
        pytest.param(
            lambda: listed(
                workspace(title=HOSTILE, repository=HOSTILE, ref=HOSTILE, agent=HOSTILE)
            ),
            id="list",
        ),
        pytest.param(
            lambda: new(
                form=forms.NewWorkspace(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),
                errors=dict.fromkeys(
                    ("repository", "ref", "name", "devfile", "env", "agent"), HOSTILE
                ),
                lines=views.devfile_problems(HOSTILE, [{"line": 1, "message": HOSTILE}]).lines,
                devfile_problems=[
                    {"line": 1, "message": HOSTILE, "hint": HOSTILE, "source": HOSTILE}
                ],
                agents=[agent(name=HOSTILE), agent()],
            ),
            id="new",
        ),
        pytest.param(
            lambda: users(
                link={"name": HOSTILE, "url": HOSTILE, "expires_at": NOW},
                form={"name": HOSTILE, "role": "developer"},
            ),
            id="users",
        ),
        pytest.param(
            lambda: agents(agent(name=HOSTILE, runtime=HOSTILE, dns_zone=HOSTILE)), id="agents"
        ),
        pytest.param(
            lambda: one_agent(agent(name=HOSTILE, runtime=HOSTILE, zone_url=HOSTILE, local=False)),
            id="agent",
        ),
        pytest.param(lambda: one_agent(agent(), settings=HOSTILE), id="agent-settings"),
        pytest.param(
            lambda: draw(
                "sign_in.html",
                actor=None,
                next=HOSTILE,
                link=HOSTILE,
                error=HOSTILE,
                ended=HOSTILE,
                minutes="10",
            ),
            id="sign-in",
        ),
        pytest.param(lambda: one_found(HOSTILE), id="found"),
        pytest.param(
            lambda: draw(
                "theme/message.html",
                title=HOSTILE,
                message=HOSTILE,
                hint=HOSTILE,
                detail=HOSTILE,
                request_id=HOSTILE,
            ),
            id="message",
        ),
    ],
)
def test_markup_in_values_stays_text(html: Any) -> None:
    """Markup in anything that a person, a repository or an agent says is shown, not run."""
    page = html()
    assert "&lt;script&gt;" in page
    assert all(script.get("src") for script in Page(page).all("script"))
