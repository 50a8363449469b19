"""From what is on the machine to a running workspace: `scripts/quickstart` and the scripts that it
calls."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import re
import resource
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from integration.tools.containers import ROOT, SCRIPTS, docker, run
from ports import free_port, free_ports

QUICK_SECONDS = 3.0
"""Seconds of a processor that a script may take when there is nothing to do. Below one on an idle
machine; unlike the time of the clock, they are not more on a busy one."""


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    """A quickstart of its own, beside any other on this machine. The engine that others use is not
    its to stop."""
    place = Path(tempfile.mkdtemp(prefix="mtools-"))
    own = {
        "MOORAGE_HOME": str(place / "home"),
        "XDG_STATE_HOME": str(place / "state"),
        "MOORAGE_ENGINE_STATE": str(place / "engine"),
        "PORT": str(free_ports(2)),
        "EXAMPLE_PORT": str(free_port()),
        "VENV": sys.prefix,
    }
    moor = Path(sys.executable).with_name("moor")
    yield own
    for item in json.loads(
        run(moor, "list", "-o", "json", check=False, **own).stdout or '{"items": []}'
    )["items"]:
        run(moor, "delete", "--yes", item["name"], check=False, **own)
    run(SCRIPTS / "quickstart", "--stop", check=False, **own)
    shutil.rmtree(place)


def processor_seconds_of_children() -> float:
    """Of all processes that this one has waited for, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def workspace_url(output: str) -> str:
    match = re.search(r"Open the workspace:\s+(\S+)", output)
    assert match, output
    return match[1]


def status(url: str, host: str) -> int:
    """Of a `GET` to the workspace's host, as a browser sends it that resolves `*.localhost` to the
    loopback address."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    try:
        request = urllib.request.Request(url, headers={"Host": host, "Accept": "text/html"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay).open(
            request, timeout=10
        ) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


@pytest.mark.docker
@pytest.mark.haproxy
def test_quickstart_runs_a_workspace_uses_it_again_and_ends_it(environ: dict[str, str]) -> None:
    """The first run ends with a workspace that the gateway guards; the second one finds it; after
    `--stop` nothing runs, and the files are still there for the third one."""
    first = run(SCRIPTS / "quickstart", **environ).stdout
    url = workspace_url(first)
    assert "/sign-in/link/" in first
    assert url.endswith("?folder=/projects/python-http-simple")
    host = url.split("/")[2]
    port = environ["PORT"]
    assert host.endswith(f".moorage.localhost:{port}")
    assert status(f"http://127.0.0.1:{port}/", host) in (302, 303), "without a session: to sign-in"
    name = host.split(".")[0].partition("-")[2]
    docker("exec", f"{name}.py", "sh", "-c", "echo kept > /projects/python-http-simple/note")

    began = time.monotonic()
    second = run(SCRIPTS / "quickstart", **environ).stdout
    assert time.monotonic() - began < 90
    assert workspace_url(second) == url
    assert docker("ps", "-q", "--filter", f"name={name}").split(), "it went on running"

    run(SCRIPTS / "quickstart", "--stop", **environ)
    assert docker("ps", "-q", "--filter", f"name={name}") == ""
    assert run(SCRIPTS / "serve-example", "--stop", **environ).returncode == 0
    with pytest.raises(urllib.error.URLError):
        status(f"http://127.0.0.1:{port}/", host)

    assert workspace_url(run(SCRIPTS / "quickstart", **environ).stdout) == url
    assert docker("exec", f"{name}.py", "cat", "/projects/python-http-simple/note") == "kept"


@pytest.mark.docker
@pytest.mark.parametrize(
    "command", [("install-system",), ("install-system", "--tests"), ("venv", "--dev")], ids=" ".join
)
def test_nothing_is_done_when_all_is_there(command: tuple[str, ...], tools_image: str) -> None:
    """No message, no package, no time."""
    run(SCRIPTS / command[0], *command[1:], VENV=sys.prefix)
    began = processor_seconds_of_children()
    done = run(SCRIPTS / command[0], *command[1:], VENV=sys.prefix)
    assert processor_seconds_of_children() - began < QUICK_SECONDS
    assert (done.stdout, done.stderr) == ("", "")


def test_stop_leaves_an_engine_alone_that_it_has_not_started(tmp_path: Path) -> None:
    """A note of a process id that belongs to another process by now is no permission to end it."""
    import subprocess

    with subprocess.Popen(["sleep", "60"]) as bystander:
        (tmp_path / "dockerd").write_text(f"{bystander.pid} 1\n")
        run(SCRIPTS / "install-system", "--stop", MOORAGE_ENGINE_STATE=str(tmp_path))
        assert bystander.poll() is None
        bystander.terminate()


def test_environment_needs_a_python_that_is_supported(tmp_path: Path) -> None:
    """The message says which, and how to name one."""
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 3 9\n")
    old.chmod(0o755)
    done = run(SCRIPTS / "venv", VENV=str(tmp_path / "venv"), PYTHON=str(old), check=False)
    assert done.returncode == 1
    assert "needs Python 3.11 to 3.13" in done.stderr
    assert "PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_lock_is_stale_once_the_dependencies_change(tmp_path: Path) -> None:
    """Checked without any network: the lock says which dependencies it was made from."""
    (tmp_path / "scripts").mkdir()
    for name in ("scripts/lock", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    project = tmp_path / "pyproject.toml"
    version = re.search(r'"ruff>=[\d.]+"', project.read_text())
    assert version
    project.write_text(project.read_text().replace(version[0], '"ruff>=99"'))
    done = run(tmp_path / "scripts/lock", "--check", check=False)
    assert done.returncode == 1
    assert "requirements-dev.lock" in done.stderr
    assert "make lock" in done.stderr


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_pins_by_hash_and_names_no_address(lock: str) -> None:
    """Any index or mirror will do, and none can slip in another file."""
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    pinned = re.split(r"\n(?=[a-z])", text.partition("\n")[2])
    assert len(pinned) > 20
    assert all("==" in entry and "--hash=sha256:" in entry for entry in pinned)


@pytest.fixture
def quickstart() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("quickstart", str(SCRIPTS / "quickstart"))
    spec = importlib.util.spec_from_loader("quickstart", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_bundle_is_handed_on_when_the_machine_trusts_more_than_its_distribution(
    quickstart: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority of the organisation's own in the bundle: workspaces get it. Only the
    distribution's: they have their own. A variable that names a bundle decides."""

    def certificate(text: str) -> str:
        return f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"

    known, bundle = tmp_path / "known", tmp_path / "bundle.crt"
    known.mkdir()
    (known / "a.crt").write_text(certificate("AAAA"))
    monkeypatch.setattr(quickstart, "DISTRIBUTION_CERTIFICATES", known)
    monkeypatch.setattr(quickstart, "SYSTEM_BUNDLE", bundle)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert quickstart.own_authorities() is None
    bundle.write_text(certificate("AAAA"))
    assert quickstart.own_authorities() is None
    bundle.write_text(certificate("AAAA") + certificate("BBBB"))
    assert quickstart.own_authorities() == bundle
    given = tmp_path / "given.crt"
    given.write_text(certificate("AAAA"))
    monkeypatch.setenv("SSL_CERT_FILE", str(given))
    assert quickstart.own_authorities() == given
    given.unlink()
    assert quickstart.own_authorities() is None
