"""How a clone comes from the sandbox's own volume into the shared one, and for what a credential is
given, in the tools image itself."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from integration.runtimes.worlds import bridge_address
from integration.tools.containers import Workspace, docker, run, unique, until

pytestmark = pytest.mark.docker

MOVE = "/opt/moorage/bin/workspace-move"


@pytest.fixture
def box(tools_image: str) -> Iterator[Workspace]:
    """A sandbox with both volumes, and a whole clone in /clone/1 whose folders, files, links, modes
    and names are of all kinds."""
    name = unique("move")
    docker("run", "-d", "--name", name, "-v", "/clone", "-v", "/projects", tools_image)
    box = Workspace(name, "")
    box.shell(
        "set -e; umask 002; mkdir -p /clone/1/deep/er /outside 2>/dev/null || mkdir -p /clone/1/deep/er /tmp/outside; cd /clone/1;"
        "echo read >README; echo x >deep/er/file; echo run >deep/run; chmod 755 deep/run; ln -s /clone out; ln -s ../README deep/up;"
        "echo y >\"$(printf 'na\\377me')\"; git init -q; git add -A; git -c user.name=T -c user.email=t@x commit -q -m one"
    )
    yield box
    docker("rm", "-f", "-v", name)


def look(box: Workspace, *paths: str) -> list[str]:
    return box.shell(f"{MOVE} look /projects {' '.join(paths)}").split("\n")


def place(box: Workspace, path: str = "app") -> int:
    return int(box.shell(f"{MOVE} place /projects {path} /clone/1 >/dev/null; echo $?"))


IS_WHOLE = 'git diff-index --quiet HEAD && git diff-files --quiet && [ -z "$(git status --porcelain)" ] && git fsck --no-progress 2>&1'


def test_a_clone_is_whole_in_its_folder(box: Workspace) -> None:
    """Files, modes, links and names that are no UTF-8 are as they were; Git sees nothing changed,
    and nothing of ours is left there."""
    assert look(box, "app", "libs/two") == ["free", "free"]
    assert place(box) == 0
    assert box.shell(f"cd /projects/app && {IS_WHOLE}") == ""
    assert box.shell(
        "cd /projects/app; stat -c %a deep/run README; readlink out deep/up || true; ls | wc -l"
    ).split("\n")[:2] == ["755", "664"]
    assert (
        box.shell("cd /projects/app; for l in out deep/up; do readlink $l; done")
        == "/clone\n../README"
    )
    assert box.shell("ls -A /projects/.moorage/clone") == ""
    assert look(box, "app") == ["kept"]


@pytest.mark.parametrize(
    ("made", "state"),
    [
        ("true", "free"),
        ("mkdir -p app", "free"),
        ("mkdir -p app/deep/cache app/node_modules/x", "free"),
        ("mkdir -p app/deep; touch app/deep/file", "kept"),
        ("mkdir app; ln -s x app/link", "kept"),
        ("mkdir app; mkfifo app/pipe", "kept"),
        ("mkdir app; echo 'gitdir: /clone' >app/.git", "kept"),
        ("mkdir -p app/.git/objects", "free"),
        ("mkdir -p app/closed; echo x >app/closed/file; chmod 000 app/closed", "kept"),
        ("mkdir -p app/.git; echo x >app/.git/config; chmod 000 app/.git", "kept"),
        ("touch app", "kept"),
        ("mkdir other; ln -s other app", "kept"),
        ("ln -s /clone app", "kept"),
        ("ln -s /nowhere app", "kept"),
    ],
)
def test_whose_a_folder_is(box: Workspace, made: str, state: str) -> None:
    """One with a file, a link or anything else in it is somebody's, and so is whatever stands in
    its place; folders alone are no work. Somebody's is not written to, also when it has become that
    only while the clone was made."""
    box.shell(f"cd /projects; {made}")
    before = box.shell("ls -lRA /clone; cd /projects; find app other 2>/dev/null || true")
    assert look(box, "app") == [state]
    if state == "kept":
        assert place(box) == 3
        assert (
            box.shell("ls -lRA /clone; cd /projects; find app other 2>/dev/null || true") == before
        )
    else:
        assert place(box) == 0
        assert box.shell(f"cd /projects/app && {IS_WHOLE}") == ""


def test_links_among_the_folders_above(box: Workspace) -> None:
    """A folder of the path that is a link, a file or Moorage's own folder as a link is not passed
    through."""
    box.shell("cd /projects; mkdir real; ln -s real libs; touch file; ln -s /clone deep")
    assert look(box, "libs/app", "file/app", "deep/app") == ["kept", "kept", "kept"]
    assert [place(box, path) for path in ("libs/app", "deep/app")] == [3, 3]
    box.shell("rm -rf /projects/.moorage; ln -s /clone /projects/.moorage")
    assert box.shell(f"{MOVE} look /projects app || echo refused $?") == "refused 1"
    assert place(box) == 3
    assert box.shell("ls -A /projects/real /clone") == "/clone:\n1\n\n/projects/real:"


def test_a_project_inside_of_another(box: Workspace) -> None:
    """The outer one comes first and its files stay; a folder in it that has files by then is the
    outer project's."""
    assert look(box, "app", "app/sub", "app/deep") == ["free", "free", "free"]
    assert [place(box, path) for path in ("app", "app/sub", "app/deep")] == [0, 0, 3]
    assert box.shell(
        "cd /projects/app; git status --porcelain; cat deep/er/file; git -C sub rev-parse --show-toplevel"
    ) == ("?? sub/\nx\n/projects/app/sub")


def test_what_an_earlier_version_left(box: Workspace) -> None:
    """An unfinished clone of its, or a folder that somebody made look like one, is set aside whole,
    and a new clone takes its place."""
    box.shell(
        "cd /projects; mkdir -p app/.git app/vol; touch app/.git/moorage-incomplete; echo mine >app/work; mkdir -p b/.git.moorage; touch b/.git.moorage/x"
    )
    assert look(box, "app", "b") == ["free", "free"]
    assert (
        box.shell("cat /projects/.moorage/set-aside/*/work; ls -A /projects/app /projects/b")
        == "mine\n/projects/app:\nvol\n\n/projects/b:"
    )
    assert place(box) == 0
    assert box.shell(f"cd /projects/app && {IS_WHOLE}") == ""
    box.shell("touch /projects/app/.git/moorage-incomplete; echo again >/projects/app/work")
    assert look(box, "app") == ["free"]
    assert box.shell("cat /projects/.moorage/set-aside/*/work") == "mine\nagain"


def test_what_cannot_be_removed(box: Workspace) -> None:
    """What somebody has put where clones are moved from, so that it stays, keeps no workspace from
    starting."""
    box.shell(
        "mkdir -p /projects/.moorage/clone/x/closed; touch /projects/.moorage/clone/x/closed/file; chmod 000 /projects/.moorage/clone/x/closed"
    )
    assert look(box, "app") == ["free"]
    assert place(box) == 0
    assert look(box, "app") == ["kept"]


def test_killed_at_any_moment(box: Workspace) -> None:
    """Whenever moving is killed: the folder is either free, and the next clone comes, or has the
    whole clone; what was on its way when it was whole is brought to its end, around what somebody
    has made meanwhile."""
    box.shell(
        "cd /clone/1; for i in $(seq 300); do mkdir -p many/$((i % 30)); echo $i >many/$((i % 30))/$i; done; git add -A; git -c user.name=T -c user.email=t@x commit -q -m two"
    )
    seen = set()
    as_soon_as = (
        "-e .moorage/clone/*.part",
        "-e .moorage/clone/*.part/.git",
        "-e .moorage/clone/*.whole",
        "-e app/README",
    )
    waits = [f"sleep 0.{pause:02d}" for pause in range(3, 60, 4)]
    waits += [
        f"n=0; while [ $n -lt 20000 ] && ! [ {there} ]; do n=$((n+1)); done"
        for there in as_soon_as * 3
    ]
    waits.append("wait $!")
    for wait in waits:
        box.shell(
            f"cd /projects; {{ {MOVE} place /projects app /clone/1 & {wait}; kill -9 $!; wait; }} >/dev/null 2>&1 || true"
        )
        left = box.shell(
            "cd /projects; ls -d app/.git .moorage/clone/*.whole .moorage/clone/*.part 2>/dev/null || true"
        )
        (state,) = look(box, "app")
        seen.add((state, "whole" in left, "part" in left))
        if state == "kept":
            # When the index was not brought up to date any more, this does it.
            assert (
                box.shell("cd /projects/app; git status --porcelain; git fsck --no-progress 2>&1")
                == ""
            )
        assert box.shell("ls -A /projects/.moorage/clone") == ""
        box.shell("rm -rf /projects/app")
    assert {state for state, *_ in seen} == {"free", "kept"}
    assert any(part for _, _, part in seen)


def test_the_rest_of_a_move(box: Workspace) -> None:
    """What was killed between two folders is moved to its end, and what somebody has made in its
    place meanwhile stays."""
    assert place(box) == 0
    key = "a172cedcae47474b"  # of `app`
    box.shell(
        f"cd /projects; whole=.moorage/clone/{key}.whole; mkdir $whole; mv app/.git app/deep app/README $whole/; mkdir -p app/deep/er; echo mine >app/README"
    )
    assert look(box, "app") == ["kept"]
    assert (
        box.shell("cd /projects/app; cat README; git status --porcelain; ls -A ../.moorage/clone")
        == "mine\n M README"
    )


def test_links_that_appear_while_a_clone_is_moved(box: Workspace) -> None:
    """Folders become links to elsewhere while files are copied into them, as fast as it goes:
    nothing ever appears elsewhere."""
    box.shell(
        "cd /clone/1; for i in $(seq 400); do mkdir -p many/$((i % 40)); echo $i >many/$((i % 40))/$i; done; git add -A; git -c user.name=T -c user.email=t@x commit -q -m two"
    )
    box.shell("mkdir /clone/elsewhere")
    swap = (
        "while :; do for f in /projects/app/many/* /projects/app /projects/.moorage/clone/*/many/* /projects/.moorage/clone/*/.git /projects/.moorage/clone;"
        "do [ -d $f ] && [ ! -L $f ] && mv $f $f.away && ln -s /clone/elsewhere $f; done; for l in $(find /projects -type l); do rm -f $l; [ -d $l.away ] && mv $l.away $l; done; done"
    )
    docker("exec", "-d", box.name, "sh", "-c", f"({swap}) 2>/dev/null")
    for _ in range(25):
        box.shell(
            f"{MOVE} look /projects app >/dev/null 2>&1; {MOVE} place /projects app /clone/1 2>/dev/null; rm -rf /projects/app /projects/.moorage; true"
        )
    assert box.shell("ls -A /clone/elsewhere; ls -A /clone") == "1\nelsewhere"


def sandbox_says(tools_image: str, *flags: str) -> Iterator[str]:
    """The events of a sandbox with these variables and volumes, until its clone has ended."""
    name = unique("sandbox")
    command = (
        "--entrypoint",
        "/opt/moorage/bin/busybox",
        tools_image,
        "sh",
        "/opt/moorage/bin/workspace-clone",
    )
    docker(
        "run",
        "-d",
        "--name",
        name,
        "-v",
        "/projects",
        "--tmpfs",
        "/tmp:mode=1777",
        "-e",
        "MOORAGE_RUN=/tmp/moorage",
        *flags,
        *command,
    )
    try:
        until("the clone ends", lambda: re.search('"(done|failed)"', docker("logs", name)))
        yield docker("logs", name)
        yield docker(
            "exec",
            name,
            "sh",
            "-c",
            "ls -A /projects; cat /tmp/moorage/credentials 2>/dev/null | wc -c",
        )
    finally:
        docker("rm", "-f", "-v", name)


def test_an_agent_of_an_earlier_version(tools_image: str) -> None:
    """It has no place for Git that is the sandbox's alone: a credential of its is not waited for,
    and no Git runs beside it; what needs none goes on."""
    said, left = sandbox_says(
        tools_image,
        "-e",
        "MOORAGE_CREDENTIALS=1",
        "-e",
        "MOORAGE_PROJECTS=app\thttps://x.invalid/app\t\torigin\t",
    )
    assert '"code":"older-agent"' in said
    assert "it has to be upgraded" in said
    assert '"cloning"' not in said
    assert left == "0"
    said, left = sandbox_says(tools_image)
    assert '"event":"done"' in said


class Liar(BaseHTTPRequestHandler):
    """A Git host whose refusal (gitprotocol-pack(5), ERR) goes on in a line that looks like an
    event."""

    def do_GET(self) -> None:
        lines = (b"# service=git-upload-pack\n", b"", b'ERR no\n{"event":"done","path":""}\n')
        body = b"".join(b"%04x%s" % (len(line) + 4, line) if line else b"0000" for line in lines)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_hosts_words_are_no_events(tools_image: str) -> None:
    """On a cluster, the log has a sandbox's own words and Git's in one stream: a line of a Git
    host's is not taken for the former."""
    name = unique("sandbox")
    with HTTPServer((bridge_address(), 0), Liar) as host:
        threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.05}).start()
        url = f"http://{bridge_address()}:{host.server_port}/app"
        flags = ("-e", "MOORAGE_RUN=/tmp/moorage", "-e", f"MOORAGE_PROJECTS=app\t{url}\t\torigin\t")
        box = (
            "--entrypoint",
            "/opt/moorage/bin/busybox",
            tools_image,
            "sh",
            "/opt/moorage/bin/workspace-clone",
        )
        docker(
            "run",
            "-d",
            "--name",
            name,
            "-v",
            "/projects",
            "--tmpfs",
            "/tmp:mode=1777",
            *flags,
            *box,
        )
        try:
            until("the clone ends", lambda: '"failed"' in docker("logs", name))
            said = run("docker", "logs", name)
        finally:
            host.shutdown()
            docker("rm", "-f", "-v", name)
    assert "remote error: no" in said.stderr
    assert '("event":"done"' in said.stderr
    assert not [line for line in said.stderr.splitlines() if line.startswith('{"event":')]
    assert r"\"event\":\"done\"" in said.stdout


def test_credentials_are_taken_though_the_input_stays_open(tools_image: str) -> None:
    """A cluster's exec cannot end a command's input: an empty line does."""
    name = unique("sandbox")
    variables = ("MOORAGE_RUN=/tmp/moorage", "MOORAGE_STAGE=/clone", "MOORAGE_CREDENTIALS_FOR=app")
    project = "MOORAGE_PROJECTS=app\thttps://x.invalid/app\t\torigin\t"
    flags = [word for variable in (*variables, project) for word in ("-e", variable)]
    box = (
        "--entrypoint",
        "/opt/moorage/bin/busybox",
        tools_image,
        "sh",
        "/opt/moorage/bin/workspace-clone",
    )
    docker(
        "run",
        "-d",
        "--name",
        name,
        "-v",
        "/projects",
        "-v",
        "/clone",
        "--tmpfs",
        "/tmp:mode=1777",
        *flags,
        *box,
    )
    receive = ["docker", "exec", "-i", name, "/opt/moorage/bin/workspace-receive"]
    try:
        with subprocess.Popen(receive, stdin=subprocess.PIPE) as taking:
            assert taking.stdin is not None
            taking.stdin.write(b"app\thttps\tx.invalid\tapp\tu\tp\n\n")
            taking.stdin.flush()
            assert taking.wait(20) == 0
        until("the clone ends", lambda: '"failed"' in docker("logs", name))
        assert (
            docker("exec", name, "sh", "-c", "ls -d /tmp/moorage/inbox* 2>/dev/null | wc -l") == "0"
        )
    finally:
        docker("rm", "-f", "-v", name)


LINE = "app\\thttps\\tgit.example.com\\tteam/app\\tu\\tp"


@pytest.mark.parametrize(
    ("project", "asked", "given"),
    [
        ("app", "protocol=https\nhost=git.example.com\npath=team/app.git", True),
        ("app", "protocol=https\nhost=git.example.com\npath=team/app", True),
        ("app", "protocol=https\nhost=GIT.example.com:443\npath=team/app.git", True),
        ("", "protocol=https\nhost=git.example.com\npath=team/app.git", False),
        ("other", "protocol=https\nhost=git.example.com\npath=team/app.git", False),
        ("app", "protocol=http\nhost=git.example.com\npath=team/app.git", False),
        ("app", "protocol=https\nhost=git.example.com:8443\npath=team/app.git", False),
        ("app", "protocol=https\nhost=git.example.com.evil.org\npath=team/app.git", False),
        ("app", "protocol=https\nhost=git.example.com\npath=team/other.git", False),
        ("app", "protocol=https\nhost=git.example.com\npath=team/app.git/sub", False),
        ("app", "protocol=https\nhost=git.example.com", False),
        ("app", "protocol=https\nhost=git.example.com\npath=Team/app.git", False),
        ("app", "protocol=cert\nhost=git.example.com\npath=team/app.git", False),
    ],
)
def test_for_what_a_credential_is_given(
    box: Workspace, project: str, asked: str, given: bool
) -> None:
    """For the project that is being cloned, by the protocol, at the host and for the repository
    that it was made for; for nothing else."""
    box.shell(f"mkdir -p /tmp/inbox; printf '{LINE}\\n' >/tmp/inbox/credentials")
    helper = f"MOORAGE_INBOX=/tmp/inbox MOORAGE_PROJECT={project} /opt/moorage/bin/workspace-credential get"
    assert box.shell(f"printf '%s\\n\\n' '{asked}' | {helper}") == (
        "username=u\npassword=p" if given else ""
    )
