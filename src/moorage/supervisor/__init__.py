"""`moor up`: server, agent, gateway and HAProxy as supervised processes on one machine.

Must not: hold any state that a restart would lose, or import what it supervises.
"""
