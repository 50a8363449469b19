"""HAProxy as the gateway's data plane: its configuration, its maps and its runtime API.

Must not: know the route table, settings or people; `gateway.launch` and the controller say what
HAProxy is to do.
"""
