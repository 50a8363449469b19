"""Under whom the processes of a real `moor up` run, and what each of them can and cannot reach."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from integration.gateway.certificates import Authority
from integration.supervisor.installation import MOOR, Installation, installation, until
from moorage.supervisor import accounts, proc

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root gives processes accounts of their own"
)

CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
BIND_SERVICE = 1 << 10


def status(pid: int) -> dict[str, str]:
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in lines}


def as_process(made: Installation, name: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as the process's account, in its view of the file system."""
    pid = made.report()[name].process
    assert pid
    found = status(pid.pid)
    uid, gid = found["Uid"].split()[0], found["Gid"].split()[0]
    groups = (
        ["--groups", ",".join(found["Groups"].split())] if found["Groups"] else ["--clear-groups"]
    )
    enter = [
        "nsenter",
        "-t",
        str(pid.pid),
        "-m",
        "setpriv",
        "--reuid",
        uid,
        "--regid",
        gid,
        *groups,
    ]
    return subprocess.run(
        [*enter, "--no-new-privs", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        cwd="/",
    )


@pytest.fixture(scope="module")
def closed_home() -> Iterator[Installation]:
    """Started in a folder that nobody but root may pass, as root's home is."""
    outer = Path(tempfile.mkdtemp(prefix="mr-acc"))
    assert outer.stat().st_mode & 0o777 == 0o700
    (outer / "secret").write_text("root's own")
    (outer / "secret").chmod(0o644)
    (outer / "h").mkdir()
    made = Installation(
        outer / "h", MOORAGE_AGENT_RUNTIME="memory", MOORAGE_SERVER_SESSION_HOURS="7"
    )
    try:
        made.started()
        yield made
    finally:
        made.remove()
        shutil.rmtree(outer, ignore_errors=True)


def test_each_process_has_an_account_of_its_own(closed_home: Installation) -> None:
    """Server, gateway and HAProxy with its workers: three users, none root, no capability, and no
    way to get one."""
    report = closed_home.report()
    seen = set()
    for name in ("server", "gateway", "haproxy"):
        leader = report[name].process
        assert leader
        for member in proc.group(leader.pid):
            found = status(member.pid)
            assert set(found["Uid"].split()) == {str(getattr(accounts.find(), name).uid)}
            assert set(found["Gid"].split()) == {str(getattr(accounts.find(), name).gid)}
            assert found["NoNewPrivs"] == "1"
            assert {found[which] for which in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
                "0" * 16
            }
            seen.add(found["Uid"].split()[0])
    assert len(seen) == 3
    assert "0" not in seen
    said = closed_home.json("status")
    assert said["healthy"]
    assert said["accounts"].startswith("each process has its own: server as moorage-server")


@pytest.mark.parametrize("name", ["server", "gateway", "haproxy"])
def test_what_a_process_cannot_read(closed_home: Installation, name: str) -> None:
    """Not the secrets, not the others' files, not what lies around the state folder, not the
    settings of the others."""
    home = closed_home.home
    own = {
        "server": ["moorage.db", "run/server/settings.toml", "run/server/agent-token.sha256"],
        "gateway": ["gateway/routes.json", "run/gateway/gateway-token", "run/gateway/gateway-key"],
        "haproxy": ["gateway/haproxy.cfg", "gateway/routes.json", "run/haproxy/gateway-key"],
    }
    files = {path for each in own.values() for path in each}
    files |= {
        "settings.toml",
        "client.json",
        "secrets/agent-token",
        "secrets/admin-token",
        "logs/server.log",
    }
    files |= {"secrets/gateway-token", "secrets/gateway-key", "run/supervisor.json"}
    for path in sorted(files):
        assert (home.path / path).is_file(), path
        done = as_process(closed_home, name, "cat", str(home.path / path))
        assert (done.returncode == 0) == (path in own[name]), (path, done.stderr)
    assert as_process(closed_home, name, "cat", str(home.path.parent / "secret")).returncode
    assert as_process(closed_home, name, "ls", str(home.path.parent)).returncode
    assert as_process(closed_home, name, "ls", "/root").returncode


def test_what_a_process_cannot_write(closed_home: Installation) -> None:
    """The server cannot put settings, secrets or sockets in the place of root's; nobody but HAProxy
    writes what it is set up by."""
    home = closed_home.home
    for name, path in [
        ("server", home.settings),
        ("server", home.client),
        ("server", home.path / "secrets" / "agent-token"),
        ("server", home.run / "server"),
        ("server", home.run / "x.sock"),
        ("gateway", home.gateway / "haproxy.cfg"),
        ("gateway", home.database),
        ("haproxy", home.gateway / "routes.json"),
        ("haproxy", home.run / "x.sock"),
    ]:
        away = as_process(closed_home, name, "mv", "-f", "-T", str(path), f"{path}.away")
        assert away.returncode, (name, path)
        over = as_process(closed_home, name, "sh", "-c", 'echo x >>"$0"', str(path))
        assert over.returncode, (name, path)


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("server", set()),
        ("gateway", {"server", "haproxy"}),
        ("haproxy", {"server", "gateway", "agent", "haproxy"}),
    ],
)
def test_which_sockets_a_process_reaches(
    closed_home: Installation, name: str, may: set[str]
) -> None:
    """HAProxy carries to all; the gateway talks to server and HAProxy; the server to nobody. None
    talks to the container engine."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("needs a Python that everybody may run")
    reached = {
        other
        for other in ("server", "gateway", "agent", "haproxy")
        if as_process(
            closed_home, name, python, "-c", CONNECT, str(closed_home.home.socket(other))
        ).returncode
        == 0
    }
    assert reached == may
    for engine in ("/run/docker.sock", "/run/podman/podman.sock"):
        if Path(engine).exists():
            done = as_process(closed_home, name, python, "-c", CONNECT, engine)
            assert "PermissionError" in done.stderr


def test_none_ends_another(closed_home: Installation) -> None:
    """Nor the agent, nor the supervisor."""
    report = closed_home.report()
    for name in ("server", "gateway", "haproxy"):
        for other in ("server", "gateway", "haproxy", "agent"):
            target = report[other].process
            assert target
            done = as_process(closed_home, name, "sh", "-c", 'kill -0 "$0"', str(target.pid))
            assert (done.returncode == 0) == (name == other)
            environ = as_process(closed_home, name, "cat", f"/proc/{target.pid}/environ")
            assert (environ.returncode == 0) == (name == other)


def test_what_of_the_environment_a_process_gets(closed_home: Installation) -> None:
    """Its own settings, and nothing of what root has there."""
    report = closed_home.report()
    for name in ("server", "gateway", "haproxy"):
        leader = report[name].process
        assert leader
        environ = Path(f"/proc/{leader.pid}/environ").read_text().split("\0")
        assert ("MOORAGE_SERVER_SESSION_HOURS=7" in environ) == (name == "server")
        assert not [
            each
            for each in environ
            if each.startswith(("MOORAGE_AGENT", "DOCKER_", "SSH_", "PYTEST"))
        ]


def test_metrics_of_all_pass_haproxy(closed_home: Installation) -> None:
    """It reaches every socket that it is to reach, from an account that is none of theirs."""
    for name in ("server", "agent", "gateway", "haproxy"):
        answer = httpx.get(
            f"http://127.0.0.1:{closed_home.port + 1}/metrics/{name}", trust_env=False
        )
        assert answer.status_code == 200, name


def test_a_killed_supervisor_takes_them_with_it(fresh: Installation) -> None:
    """The kernel's promise to end them with it outlives the change of account; and the next start
    finds its folder."""
    fresh.started()
    supervisor = fresh.json("status")["processes"][0]["pid"]
    children = [child.process for child in fresh.report().values() if child.process]
    os.kill(supervisor, signal.SIGKILL)
    until("all have ended", lambda: not any(child.alive for child in children))
    fresh.started()
    assert fresh.json("status")["healthy"]


def test_a_port_below_1024() -> None:
    """HAProxy has that one right, and no other; the rest have none."""
    with installation(MOORAGE_AGENT_RUNTIME="memory") as made:
        made.port = next(port for port in range(900, 1020, 2) if free(port) and free(port + 1))
        made.started()
        for name, expected in (("haproxy", BIND_SERVICE), ("gateway", 0), ("server", 0)):
            leader = made.report()[name].process
            assert leader
            assert int(status(leader.pid)["CapEff"], 16) == expected
        me = f"http://127.0.0.1:{made.port}/api/v1/me"
        host = {"Host": f"moorage.localhost:{made.port}"}
        assert httpx.get(me, headers=host, trust_env=False).status_code == 401


def free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("kind", ["-s", "-P"])
def test_a_trap_of_the_servers_in_the_state_folder(fresh: Installation, kind: str) -> None:
    """It may add to the folder, and plants a link to the administrator's token where root looks for
    a file to hand over: root does not."""
    fresh.started()
    target, trap = fresh.home.secret_file("admin-token"), fresh.home.path / "editors.toml"
    if kind == "-s":
        assert as_process(fresh, "server", "ln", "-s", str(target), str(trap)).returncode == 0
    else:  # where the kernel does not keep accounts from giving names to others' files
        os.link(target, trap)
    server = fresh.report()["server"].process
    assert server
    os.kill(server.pid, signal.SIGKILL)
    until("it stays down", lambda: fresh.report()["server"].state == "failed")
    assert "not a file of root's alone" in (fresh.home.logs / "server.log").read_text()
    assert not (fresh.home.run / "server" / "editors.toml").exists()
    trap.unlink()
    assert "server" in fresh.json("up", "--detach")["restarted"]


def test_settings_that_the_server_planted(fresh: Installation) -> None:
    """Where somebody removed root's, the next start refuses those of the server instead of making
    them root's."""
    fresh.started()
    fresh.home.settings.unlink()
    planted = f'echo "[agent]" >"{fresh.home.settings}"'
    assert as_process(fresh, "server", "sh", "-c", planted).returncode == 0
    fresh.moor("down")
    done = fresh.up()
    assert done.returncode == 9
    assert f"{fresh.home.settings} belongs to somebody else" in done.stderr
    fresh.home.settings.unlink()
    fresh.started()


def test_files_that_settings_name(fresh: Installation, tmp_path: Path) -> None:
    """One that root alone may read is the process's own copy: the installation starts as it did
    when all ran as root."""
    credentials = tmp_path / "git.toml"
    credentials.write_text('["git.example.com"]\nusername = "moor"\npassword = "s3cret"\n')
    credentials.chmod(0o600)
    fresh.home.settings.write_text(f'[server]\ngit_credentials = "{credentials}"\n')
    fresh.started()
    copies = [
        path for path in (fresh.home.run / "server").iterdir() if path.name.endswith("git.toml")
    ]
    assert [path.read_text() for path in copies] == [credentials.read_text()]
    assert not list((fresh.home.run / "gateway").glob("*git.toml"))
    assert as_process(fresh, "gateway", "cat", str(copies[0])).returncode


def test_a_certificate_that_root_alone_may_read(fresh: Installation, tmp_path: Path) -> None:
    """HAProxy presents it, and the renewed one within a minute, as before."""
    folder = tmp_path / "tls"
    folder.mkdir(mode=0o700)
    authority = Authority(tmp_path / "authority")
    file = folder / "site.pem"

    def renew() -> str:
        certificate, key = authority.issue("moorage.localhost", "*.moorage.localhost")
        new = folder / "new"
        new.write_text(certificate.read_text() + key.read_text())
        new.chmod(0o600)
        new.rename(file)
        return ssl.PEM_cert_to_DER_cert(certificate.read_text()).hex()

    def presented() -> str:
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", fresh.port))).hex()

    first = renew()
    fresh.home.settings.write_text(f'[gateway]\ntls_certificate = "{file}"\n')
    fresh.started()
    assert presented() == first
    second = renew()
    until("the renewed one is presented", lambda: presented() == second, within=90, every=0.5)


def test_where_no_view_of_its_own_can_be_made() -> None:
    """As in a container without that right: they run as root as before, and the log and `moor
    status` say so and why."""
    outer = Path(tempfile.mkdtemp(prefix="mr-acc"))
    (outer / "h").mkdir()
    made = Installation(outer / "h", MOORAGE_AGENT_RUNTIME="memory")
    try:
        without = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
        moor = [str(MOOR), "up", "--detach", "--port", str(made.port)]
        done = subprocess.run(
            [*without, *moor],
            env=made.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        said = made.json("status")
        assert said["healthy"]
        assert said["accounts"].startswith("all processes run as root: nobody else may pass")
        assert str(outer) in said["accounts"]
        assert "/var/lib/moorage" in said["accounts"]
        assert "all processes run as root" in (made.home.logs / "supervisor.log").read_text()
        made.moor("down")
        made.started()
        assert made.json("status")["accounts"].startswith("each process has its own")
    finally:
        made.remove()
        shutil.rmtree(outer, ignore_errors=True)
