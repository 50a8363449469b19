"""The look that the server's and the gateway's pages share: base template, stylesheet, icons, stage list.

Must not: know where its pages are served, or do I/O beyond reading its own files.
"""
