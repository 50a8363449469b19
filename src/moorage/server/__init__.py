"""Steps 2b and 5: who may do what, what should be, and where it can be reached. REST API, pages,
and what agents and gateways connect to.

Must not: touch a cluster or a container engine; sit in the path of a workspace's traffic; import
agent or gateway.

Imports point down in this list; `make check` holds them to it:

| package | what |
|---|---|
| `main`, `application` | the composition root, and the ASGI application |
| `connections` | what agents and gateways connect to |
| `web` | pages |
| `routing` | the route table, as gateways are told of it |
| `sharing` | grants: who may open what of somebody else's |
| `found` | what agents have and the server does not list |
| `workspaces` | desired and actual state, stages, causes, events, logs and commands |
| `agents` | agents and their gateways: registration, settings, connections of this replica |
| `repositories` | reads a devfile by Git, without cloning |
| `accounts` | users, API tokens, links, sessions, hand-over codes, tickets between replicas |
| `audit_log` | reads what the audit has written |
| `audit` | who has done what |
| `http` | problems, request context, CSRF, server-sent events |
| `core` | what every part is given |
| `storage` | database, notifications, locks |
| `authorization` | one table of who may do what, and the same as an SQL condition |

A domain has `models.py` (tables), `services.py` (load → decide → store), `routes.py` (thin) and
`schemas.py` (what services return and the API says). Services take the `Core` and the `Person`
first, return models of `schemas`, and raise `kernel.errors`; the API and the pages call them alike.

A page's form is protected by its `Origin` (see `http.csrf`), so pages must not send
`Referrer-Policy: no-referrer`.
"""
