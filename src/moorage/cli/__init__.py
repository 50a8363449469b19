"""`moor`: everything that the web pages do, for a shell.

Must not: import a process's package; it talks to the server over HTTP.
"""
