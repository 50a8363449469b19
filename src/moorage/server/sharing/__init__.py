"""Sharing: who may open what of somebody else's, by grants.

Must not: say that something is opened. Gateways do, by the grants that `routing` tells them of.
"""
