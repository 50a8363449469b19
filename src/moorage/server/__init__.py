"""Steps 2 and 5: accounts, workspaces and their desired state; the REST API and the web pages; what agents and gateways connect to.

Must not: touch a cluster or a container engine, sit in the path of workspace traffic, or call the network inside a
database transaction.
"""
