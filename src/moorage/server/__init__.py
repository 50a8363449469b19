"""Steps 2b and 5: who may do what, what should be, and where it can be reached. REST API, pages, and what agents and
gateways connect to.

Must not: touch a cluster or a container engine; sit in the path of a workspace's traffic; import agent or gateway.

One package per domain, each with `models.py` (tables), `services.py` (load → decide → store), `routes.py` (thin) and
`schemas.py` (what services return and the API says):

| package | what |
|---|---|
| `accounts` | users, API tokens, sign-in links, sessions, hand-over codes, passes between replicas |
| `repositories` | reads a devfile by Git, without cloning |
| `workspaces` | desired and actual state, stages, causes, events |
| `agents` | registration, the WebSocket, channels for logs and exec |
| `routing` | route table, gateways' WebSocket, exchange, start |

Beside them `authorization` (one table), `database`, `changes` (notifications, also between replicas), `http` (problems,
request context, CSRF), `metrics`, `settings`, `state` (what all of them are given) and `main` (the composition root).

Services, which the API and the pages (`web`) call alike. `state` is the `ServerState`, `actor` an
`authorization.Actor`. They return the pydantic models of `schemas.py` and raise `kernel.errors`:

    http.context.actor(request) -> Actor                      as FastAPI dependency; raises NotSignedIn
    http.context.actor_or_none(request) -> Actor | None
    http.context.state_of(request) -> ServerState
    http.cookies.set_session(response, state, signed_in)      after sign_in_with_link
    http.cookies.clear_session(response, state)               after sign_out
    http.events.stream(state, actor, name, subject, render) -> Response   server-sent events of what is watched

    accounts.services.list_users(state, actor) -> list[User]
    accounts.services.add_user(state, actor, name, role=Role.DEVELOPER) -> User
    accounts.services.set_blocked(state, actor, name, blocked=True) -> User
    accounts.services.create_sign_in_link(state, actor, name) -> SignInLink            .url .expires_at
    accounts.services.find_sign_in_link(state, token) -> User                          for the page with the button
    accounts.services.sign_in_with_link(state, token) -> SignedIn                      .token .user .expires_at
    accounts.services.sign_out(state, actor) -> None
    accounts.services.create_token / list_tokens / delete_token                        API tokens
    accounts.services.ending_of(state, cookie) -> str                                  why a session is over

    workspaces.services.list_workspaces(state, actor, everyones=False) -> list[Workspace]
    workspaces.services.get_workspace(state, actor, name) -> Workspace
    workspaces.services.create_workspace(state, actor, CreateWorkspace(...)) -> Workspace
    workspaces.services.start_workspace / stop_workspace / restart_workspace / delete_workspace(state, actor, name)
    workspaces.events.WatchedWorkspace(state, actor, name)                             a subject of `http.events`
    workspaces.events.WatchedList(state, actor, everyones=False)

    agents.services.list_agents(state, actor) -> list[Agent]
    agents.services.get_agent(state, actor, name) -> Agent
    agents.registration.add_agent(state, actor, AddAgent(...)) -> NewAgent             .tokens .helm .settings
    agents.registration.rotate_token(state, actor, name, only=None) -> NewAgent
    agents.registration.revoke_token(state, actor, name) -> Agent
    agents.registration.change_agent(state, actor, name, ChangeAgent(enabled=…)) -> Agent
    agents.registration.remove_agent(state, actor, name) -> None
    agents.settings.get_settings(state, actor, name, version=None) -> AgentSettings    .text .effective .taken .warnings
    agents.settings.set_settings(state, actor, name, text, version=None) -> AgentSettings
    agents.settings.list_versions(state, actor, name) -> list[SettingsVersion]
    agents.channels.open_logs(state, actor, name, container="", follow=False, tail=None) -> AsyncIterator[bytes]

A page's form is protected by its `Origin` (see `http.csrf`), so pages must not send `Referrer-Policy: no-referrer`.
`main` mounts `moorage.server.web.create_router(state)`, and, when `moorage.server.web` has
`render_problem(request, problem) -> Response`, uses it for errors of page requests (`Accept: text/html`, not below
`/api` or `/internal`).
"""
