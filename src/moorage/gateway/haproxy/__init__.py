"""The data plane: HAProxy's configuration, its start, and its runtime API.

Must not: hold a decision that `gateway.table` or `gateway.origins` does not also state for the controller.
"""
