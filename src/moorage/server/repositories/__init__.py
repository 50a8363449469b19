"""Reads a devfile out of a Git repository, at a ref, without cloning it.

`rules` (pure) says which URLs, refs and paths are accepted; `git` runs Git within limits; `complaints` (pure) turns what
Git says into errors for a person; `services` puts them together.
"""
