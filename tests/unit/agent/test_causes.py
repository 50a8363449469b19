"""Engines', Git's and programs' own words, and what is said of them."""

from __future__ import annotations

import pytest

from moorage.agent import causes

PULLS = [
    ("manifest for app:1 not found: manifest unknown: manifest unknown", 404, "image-not-found", True),
    ("pull access denied for nope, repository does not exist or may require 'docker login': denied", 404, "image-denied", True),
    ("unauthorized: authentication required", 500, "image-denied", True),
    ("Get \"https://r.example/v2/\": dial tcp: lookup r.example: no such host", 500, "registry-unreachable", False),
    ("Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection", 500, "registry-unreachable", False),
    ("dial tcp 127.0.0.1:9: connect: connection refused", 500, "registry-unreachable", False),
    ("x509: certificate signed by unknown authority", 500, "registry-untrusted", True),
    ("http: server gave HTTP response to HTTPS client", 500, "registry-untrusted", True),
    ("toomanyrequests: You have reached your pull rate limit", 429, "registry-rate-limited", False),
    ("invalid reference format: repository name must be lowercase", 400, "image-name-invalid", True),
    ("no matching manifest for linux/arm64/v8 in the manifest list entries", 404, "wrong-architecture", True),
    ("failed to register layer: write /usr/lib/x: no space left on device", 500, "no-space", True),
]  # fmt: skip


@pytest.mark.parametrize(("said", "status", "code", "final"), PULLS)
def test_pulls(said: str, status: int, code: str, final: bool) -> None:
    """A registry's answer becomes a cause that keeps the answer."""
    verdict = causes.of_pull("app:1", status, said)
    assert (verdict.cause.code, verdict.final) == (code, final)
    assert said in verdict.cause.detail
    assert verdict.cause.hint


CLONES = [
    ("list", "fatal: unable to access 'http://x/': Could not resolve host: x", "clone-unreachable"),
    ("list", "fatal: unable to access 'http://x/': Failed to connect to x port 80: Connection refused", "clone-unreachable"),
    ("list", "fatal: unable to access 'https://x/': SSL certificate problem: unable to get local issuer certificate", "clone-untrusted"),
    ("list", "fatal: could not read Username for 'https://x': terminal prompts disabled", "clone-refused"),
    ("list", "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://x/'", "clone-refused"),
    ("list", "fatal: unable to access 'https://x/': The requested URL returned error: 403", "clone-refused"),
    ("list", "mkdir: can't create directory '/projects/app/': Permission denied", "volume-not-writable"),
    ("list", "git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.", "clone-refused"),
    ("list", "fatal: repository 'https://x/' not found", "repository-not-found"),
    ("list", "remote: Repository not found.\nfatal: repository 'https://x/a.git/' not found", "repository-not-found"),
    ("fetch", "error: RPC failed; curl 18 transfer closed\nfatal: the remote end hung up unexpectedly", "clone-unreachable"),
    ("checkout", "fatal: write error: No space left on device", "no-space"),
    ("prepare", "mkdir: can't create directory '/projects/app': No space left on device", "no-space"),
    ("prepare", "EACCES: permission denied, mkdir 'app'", "volume-not-writable"),
    ("place", "EROFS: read-only file system, mkdir 'app'", "volume-not-writable"),
    ("place", "ENOSPC: no space left on device, copyfile 'a' -> 'b'", "no-space"),
    ("unknown-ref", "", "ref-not-found"),
    ("list", "Host key verification failed.\nfatal: Could not read from remote repository.", "clone-host-key"),
    ("list", "fatal: unable to access 'https://x/': gnutls_handshake() failed: The TLS connection was non-properly terminated.", "clone-untrusted"),
    ("list", "fatal: unable to access 'https://x/': Empty reply from server", "clone-unreachable"),
    ("fetch", "fatal: couldn't find remote ref v9", "ref-not-found"),
    ("list", "fatal: transport 'file' not allowed", "clone-scheme"),
    ("checkout", "fatal: something new", "clone-failed"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "said", "code"), CLONES)
def test_clones(step: str, said: str, code: str) -> None:
    """Git's words become a cause that keeps them, names the address, and is final."""
    verdict = causes.of_clone("https://x/a.git", "main", step, said)
    assert (verdict.cause.code, verdict.final) == (code, True)
    assert said in verdict.cause.detail
    if code not in ("no-space", "volume-not-writable"):
        assert "https://x/a.git" in verdict.cause.message


EXITS = [
    (1, "Traceback: boom", "", False, "container-crashed", False),
    (0, "", "", False, "container-crashed", False),
    (137, "", "", True, "out-of-memory", False),
    (137, "", "", False, "container-crashed", False),
    (127, "sh: serve: not found", "", False, "command-not-found", True),
    (126, "sh: serve: Permission denied", "", False, "command-not-executable", True),
    (1, "exec /bin/serve: exec format error", "", False, "wrong-architecture", True),
    (127, "moorage: no-glibc: the editor needs", "", False, "image-without-glibc", True),
    (127, "Error relocating /opt/node: __res_init: symbol not found", "", False, "image-without-glibc", True),
    (1, "node: /lib/libc.so.6: version `GLIBC_2.28' not found (required by node)", "", False, "image-glibc-too-old", True),
    (1, "Error: ENOSPC: no space left on device, write", "", False, "no-space", True),
    (1, "Error: ENOSPC: System limit for number of file watchers reached, watch '/projects'\n  code: 'ENOSPC',", "", False, "file-watchers-exhausted", False),
    (1, "inotify_add_watch: No space left on device", "", False, "file-watchers-exhausted", False),
    (1, "OSError: [Errno 24] inotify instance limit reached", "", False, "file-watchers-exhausted", False),
    (1, "  File \"watchdog/inotify.py\", line 3\nKeyError: 'no such limit'", "", False, "container-crashed", False),
    (137, "tail: inotify resources exhausted", "", True, "out-of-memory", False),
    (5, "x\nmoorage: editor-gave-up: it ended 3 times", "", False, "editor-crashed", True),
]  # fmt: skip


@pytest.mark.parametrize("row", EXITS)
def test_exits(row: tuple[int, str, str, bool, str, bool]) -> None:
    """An exit code and the last lines become a cause that keeps the lines."""
    code, lines, error, oom, cause, final = row
    verdict = causes.of_exit("py", code, lines, oom=oom, error=error)
    assert (verdict.cause.code, verdict.final) == (cause, final)
    assert lines.strip() in verdict.cause.detail


def test_exit_code_and_signal_are_told() -> None:
    """A crash tells its exit code, and the signal where it was one."""
    assert "exit code 3" in causes.of_exit("py", 3, "x").cause.message
    assert "exit code 139 (SIGSEGV)" in causes.of_exit("py", 139, "x").cause.message


ENGINES = [
    (500, "write /var/lib/docker/x: no space left on device", "no-space", True),
    (500, "failed to create shim task: inotify_add_watch: no space left on device", "file-watchers-exhausted", False),
    (400, 'OCI runtime create failed: exec: "/nope": stat /nope: no such file or directory: unknown', "command-not-found", True),
    (400, 'exec: "/data": permission denied: unknown', "command-not-executable", True),
    (400, "standard_init_linux.go:228: exec user process caused: exec format error", "wrong-architecture", True),
    (400, "invalid mount config for type \"volume\": mount path must be absolute", "mount-invalid", True),
    (400, "Duplicate mount point: /projects", "engine-refused", True),
    (409, "cannot join network of a non running container: w.sandbox", "network-gone", False),
    (400, "namespace path: lstat /proc/1/ns/net: no such file or directory: unknown", "network-gone", False),
    (400, "network w is ambiguous (2 matches found on name)", "engine-refused", False),
    (500, "driver failed programming external connectivity", "engine-refused", False),
]  # fmt: skip


@pytest.mark.parametrize(("status", "message", "code", "final"), ENGINES)
def test_engines(status: int, message: str, code: str, final: bool) -> None:
    """An engine's refusal is told apart where it can be; what is wrong with the request itself is final."""
    verdict = causes.of_engine("starting container py", status, message)
    assert (verdict.cause.code, verdict.final) == (code, final)
    assert message in verdict.cause.detail


def test_engine_without_permission() -> None:
    """An engine that may not be asked gets a hint about permission."""
    cause = causes.engine_unreachable("unix:///run/docker.sock", "Permission denied").cause
    assert "group docker" in cause.hint


def test_details_are_limited_to_the_end() -> None:
    """Of many words, the last are kept."""
    cause = causes.of_exit("py", 1, "x" * 100_000 + "the end").cause
    assert len(cause.detail) == causes.DETAIL_LIMIT
    assert cause.detail.endswith("the end")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@x.org/a.git", "https://x.org/a.git"),
        ("https://x.org/a.git", "https://x.org/a.git"),
        ("git@x.org:a.git", "git@x.org:a.git"),
        ("https://user:secret@[x.org/a.git", "https://[x.org/a.git"),
        ("https://user:se@secret@x.org/a.git", "https://x.org/a.git"),
        ("https://x.org/a@b.git", "https://x.org/a@b.git"),
    ],
)
def test_addresses_are_shown_without_password(url: str, shown: str) -> None:
    """An address in a cause never shows a password."""
    assert causes.without_password(url) == shown
    assert "secret" not in str(
        causes.of_clone(url, "", "list", f"fatal: unable to access '{url}': timed out").cause
    )
    said = "fatal: could not read Password for 'https://secret@x.org': terminal prompts disabled"
    assert "secret" not in str(causes.of_clone(url, "", "list", said).cause)
