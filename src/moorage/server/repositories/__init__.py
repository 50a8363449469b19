"""Reads files out of a Git repository, all of one commit, without cloning it.

`rules` (pure) says which URLs, refs and paths are accepted; `git` runs Git within limits; `errors`
(pure) turns what Git says into errors for a person; `services` puts them together. `commits` is
what whoever asks chooses files from, and `devfiles` is one who does.
"""
