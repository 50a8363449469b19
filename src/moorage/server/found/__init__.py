"""Workspaces that agents have and this server does not know, or only in an older form: shown,
adopted, removed by command, and never because of an absence. The server itself may be what lost
something.
"""
