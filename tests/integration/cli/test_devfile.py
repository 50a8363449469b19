"""`moor devfile` as a person and as a programme use it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import published
from moorage.devfile import parse, refusals

REGISTRY = published.DEVFILE / "registry"

GOOD = """\
schemaVersion: 2.2.0
components:
  - name: py
    attributes: {gl/inject-editor: true}
    container: {image: python, memoryLimit: 1Gi, endpoints: [{name: web, targetPort: 8080}]}
"""
BAD = GOOD.replace("image:", "imag:")


def moor(
    *arguments: str | Path, text: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs `moor devfile …`, as the one place that maps errors to exit codes does."""
    return subprocess.run(
        [sys.executable, "-m", "moorage.cli.main", "devfile", *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / ".devfile.yaml"
    file.write_text(GOOD)
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    return file


def test_validate_says_yes(good: Path) -> None:
    """Exit code 0, for a file, its folder, standard input and the current folder alike."""
    for result in (
        moor("validate", good),
        moor("validate", good.parent),
        moor("validate", "-", text=GOOD),
        moor("validate", cwd=good.parent),
        moor("validate", good, "--profile", "gitlab"),
    ):
        assert result.returncode == 0, result.stderr
        assert "valid" in result.stdout


def test_validate_to_the_letter_refuses_what_is_else_a_warning(tmp_path: Path) -> None:
    """By default a devfile as people write them is valid, with warnings; the strict profile refuses
    these, of a parent's as well."""
    (tmp_path / "base.yaml").write_text(GOOD + "events: {}\nattributes: {}\n")
    child = tmp_path / ".devfile.yaml"
    child.write_text("schemaVersion: 2.1.0\nparent: {uri: base.yaml}\nEvents: {}\n")
    loose = moor("validate", child)
    assert loose.returncode == 0, loose.stderr
    assert ".devfile.yaml:2:1: warning: The parent has schemaVersion 2.2.0" in loose.stderr
    assert ".devfile.yaml:3:1: warning: The key 'Events' is written 'events'." in loose.stderr
    strict = moor("validate", child, "--profile", "strict", "-o", "json")
    assert strict.returncode == 1
    found = json.loads(strict.stdout)
    assert [problem["code"] for problem in found["problems"]] == ["parent-newer", "key-case"]
    assert found["warnings"] == []


def test_validate_says_what_is_wrong(bad: Path) -> None:
    """Exit code 1, and a compiler's line for each problem with what to do below it."""
    result = moor("validate", bad)
    assert result.returncode == 1
    assert (
        f"{bad}:5:17: error: The key 'imag' is not known here. (at components[0].container.imag)"
        in result.stderr
    )
    assert "Did you mean 'image'?" in result.stderr


def test_validate_as_json(good: Path, bad: Path) -> None:
    """A programme gets valid, problems and warnings."""
    found = json.loads(moor("validate", bad, "-o", "json").stdout)
    assert (found["valid"], found["profile"]) == (False, "full")
    assert {problem["code"] for problem in found["problems"]} == {"unknown-key", "missing-key"}
    assert all(problem["line"] for problem in found["problems"])
    assert json.loads(moor("validate", good, "-o", "json").stdout)["valid"] is True


def test_what_is_not_listed_is_counted(tmp_path: Path) -> None:
    """Of very many mistakes the first hundred are listed, and a last line says that there are
    more."""
    file = tmp_path / ".devfile.yaml"
    file.write_text(GOOD + "".join(f"key{number}: x\n" for number in range(250)))
    for command in ("validate", "flatten"):
        result = moor(command, file)
        assert result.returncode == 1
        assert result.stderr.count("is not known here") == 100
        assert result.stderr.endswith(f"{file}: error: At least 150 more problems are not shown.\n")
    found = json.loads(moor("validate", file, "-o", "json").stdout)
    assert (len(found["problems"]), found["left_out"]) == (100, 150)


def test_validate_for_gitlab(tmp_path: Path) -> None:
    """The profile's refusals count, together with what is wrong anyway."""
    file = tmp_path / "x.yaml"
    file.write_text(
        GOOD.replace("2.2.0", "2.2.2") + "projects: [{name: p, git: {remotes: {o: u}}}]"
    )
    assert moor("validate", file).returncode == 0
    result = moor("validate", file, "--profile", "gitlab", "-o", "json")
    assert result.returncode == 1
    assert [problem["code"] for problem in json.loads(result.stdout)["problems"]] == [
        "gitlab-version",
        "gitlab-projects",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "nothing.yaml"),
        ("validate", "/proc/self/mem"),
        ("validate", "http://127.0.0.1:1/x"),
        ("validate", "ftp://x/y"),
        ("validate", ".", "--profile", "nobody"),
        ("flatten", "nothing.yaml"),
        ("explain", "/"),
        ("from-devcontainer", "."),
        ("init", "nowhere"),
    ],
)
def test_what_cannot_be_read_is_exit_code_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """And a sentence on standard error."""
    result = moor(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "error:" in result.stderr
    assert "Traceback" not in result.stderr


@published.marker
def test_parents_are_fetched_only_when_allowed() -> None:
    """A sample of the registry needs its parent: refused without, flattened with the registry's
    folder."""
    sample = REGISTRY / "sample-go-basic/2.0.0/devfile.yaml"
    refused = moor("flatten", sample)
    assert refused.returncode == 1
    assert "--registry" in refused.stderr
    wrong = moor("flatten", sample, "--registry", "https://[x")
    assert (wrong.returncode, "is no URL" in wrong.stderr) == (2, True)
    result = moor("flatten", sample, "--registry", REGISTRY)
    assert result.returncode == 0
    flat = parse(result.stdout)
    assert flat.parent is None
    assert flat.component("runtime") is not None
    as_json = json.loads(moor("flatten", sample, "--registry", REGISTRY, "-o", "json").stdout)
    assert [component["name"] for component in as_json["components"]] == [
        c.name for c in flat.components
    ]


def test_a_parent_beside_the_file(tmp_path: Path, good: Path) -> None:
    """A relative parent in the devfile's own folder needs no permission; one outside of it is
    refused."""
    child = tmp_path / "child.yaml"
    child.write_text("schemaVersion: 2.2.0\nparent: {uri: .devfile.yaml}")
    assert "name: py" in moor("flatten", child).stdout
    child.write_text("schemaVersion: 2.2.0\nparent: {uri: ../other.yaml}")
    assert "outside" in moor("flatten", child).stderr


def test_explain_says_what_comes_of_it(good: Path) -> None:
    """For a person in lines, for a programme as the spec itself."""
    text = moor("explain", good).stdout
    for piece in (
        "Container py (editor and terminals): python",
        "port 8080 (web): http, public",
        "PROJECTS_ROOT=/projects",
    ):
        assert piece in text
    spec = json.loads(moor("explain", good, "-o", "json").stdout)["spec"]
    assert spec["main_container"] == "py"
    assert spec["containers"][0]["resources"]["memory_limit"] == 2**30


def test_explain_refuses_what_cannot_run(tmp_path: Path) -> None:
    """A devfile may be valid and still make no workspace: exit code 1 and the reason."""
    file = tmp_path / "x.yaml"
    file.write_text("schemaVersion: 2.2.0\ncomponents: [{name: v, container: {image: A}}]")
    assert moor("validate", file).returncode == 0
    result = moor("explain", file)
    assert result.returncode == 1
    assert "'A' names no image" in result.stderr
    assert json.loads(moor("explain", file, "-o", "json").stderr)["code"] == "devfile-invalid"


def test_a_devcontainer_is_translated(tmp_path: Path) -> None:
    """The devfile goes to standard output, what is not carried to standard error; explain takes it
    as well."""
    folder = tmp_path / ".devcontainer"
    folder.mkdir()
    (folder / "devcontainer.json").write_text(
        '{"image": "i", "forwardPorts": [3000], "features": {}, /* x */}'
    )
    result = moor("from-devcontainer", cwd=tmp_path)
    assert result.returncode == 0
    assert refusals(parse(result.stdout), "gitlab") == ()
    assert "features has no effect" in result.stderr
    assert "port 3000" in moor("explain", cwd=tmp_path).stdout
    (folder / "devcontainer.json").write_text('{"build": {}}')
    assert moor("from-devcontainer", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(
    "present", [".devcontainer/devcontainer.json", ".devcontainer.json", ".devfile/a.yaml"]
)
def test_init_shadows_nothing(tmp_path: Path, present: str) -> None:
    """What a workspace is made from already is named, and stays what it is made from."""
    (tmp_path / present).parent.mkdir(exist_ok=True)
    (tmp_path / present).write_text("{}")
    refused = moor("init", tmp_path, "--yes")
    assert refused.returncode == 6
    assert present in refused.stderr
    assert not (tmp_path / ".devfile.yaml").exists()
    assert moor("init", tmp_path, "--yes", "--force").returncode == 0


def test_init_says_what_it_takes(tmp_path: Path) -> None:
    """A Dockerfile's base image is taken, and that nothing else of it is, is said."""
    (tmp_path / "Dockerfile").write_text("FROM python:3.12-slim\nEXPOSE 8000\n")
    (tmp_path / "requirements.txt").write_text("")
    done = moor("init", tmp_path, "--yes")
    assert done.returncode == 0
    assert "Dockerfile is not built or run: its base image is taken." in done.stderr
    assert "image: python:3.12-slim" in (tmp_path / ".devfile.yaml").read_text()


def test_init_finds_language_and_port(tmp_path: Path) -> None:
    """A repository gets a devfile that is valid for both profiles; a second time it is left
    alone."""
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "app.py").write_text("app.run(port=8181)\n")
    result = moor("init", tmp_path, "--yes")
    assert result.returncode == 0, result.stderr
    devfile = parse((tmp_path / ".devfile.yaml").read_text())
    assert refusals(devfile, "gitlab") == ()
    container = devfile.components[0].container
    assert container is not None
    assert "python" in str(container.image)
    assert container.endpoints[0].target_port == 8181
    assert moor("init", tmp_path, "--yes").returncode == 6
    assert (
        moor("init", tmp_path, "--yes", "--force", "--image", "mine:1", "--port", "9000").returncode
        == 0
    )
    assert "mine:1" in (tmp_path / ".devfile.yaml").read_text()
    assert "9000" in (tmp_path / ".devfile.yaml").read_text()


def test_init_asks_a_person(tmp_path: Path) -> None:
    """At a terminal it asks for name, image and port, and what was found is the answer of a bare
    Enter."""
    (tmp_path / "go.mod").write_text("module x\n")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "moorage.cli.main", "devfile", "init", str(tmp_path)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    os.write(ours, b"shop\n\n9000\n")
    with contextlib.suppress(OSError):  # the terminal's end
        while os.read(ours, 1024):
            pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    devfile = parse((tmp_path / ".devfile.yaml").read_text())
    container = devfile.components[0].container
    assert container is not None
    assert devfile.metadata.name == "shop"
    assert "golang" in str(container.image)
    assert container.endpoints[0].target_port == 9000


def test_every_command_speaks_json(tmp_path: Path, good: Path, bad: Path) -> None:
    """With `-o json` the outcome is JSON on standard output, and so is what is wrong, on standard
    error."""
    devcontainer = tmp_path / "devcontainer.json"
    devcontainer.write_text('{"image": "example.com/node:24", "features": {"x": {}}}')
    for arguments, key in (
        (("validate", good), "valid"),
        (("flatten", good), "schemaVersion"),
        (("explain", good), "spec"),
        (("from-devcontainer", devcontainer), "warnings"),
        (("init", tmp_path, "--yes", "--force"), "file"),
    ):
        result = moor(*arguments, "-o", "json")
        assert result.returncode == 0, result.stderr
        assert key in json.loads(result.stdout)
    for command in ("flatten", "explain"):
        result = moor(command, bad, "-o", "json")
        assert (result.returncode, result.stdout) == (1, "")
        assert {problem["code"] for problem in json.loads(result.stderr)["problems"]} == {
            "unknown-key",
            "missing-key",
        }


@published.marker
def test_init_from_a_registry(tmp_path: Path) -> None:
    """A stack of the registry is written flat, marked for the editor."""
    assert moor("init", tmp_path, "--stack", "python:3.1.0", "--registry", REGISTRY).returncode == 0
    devfile = parse((tmp_path / ".devfile.yaml").read_text())
    assert devfile.metadata.version == "3.1.0"
    assert devfile.components[0].attributes["gl/inject-editor"] is True
    missing = moor("init", tmp_path, "--force", "--stack", "cobol", "--registry", REGISTRY)
    assert missing.returncode == 2
    assert "cobol" in missing.stderr


@pytest.fixture
def web(good: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(good.parent))
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_url_is_read(web: str) -> None:
    """A person may name a devfile by its URL, on any host that they reach."""
    assert moor("validate", f"{web}/.devfile.yaml").returncode == 0
    missing = moor("validate", f"{web}/none.yaml")
    assert missing.returncode == 2
    assert "404" in missing.stderr


def test_a_devcontainer_in_a_folder_of_its_own_is_found(tmp_path: Path) -> None:
    """The first by its name, when the repository has nothing else."""
    for name in ("web", "api"):
        folder = tmp_path / ".devcontainer" / name
        folder.mkdir(parents=True)
        (folder / "devcontainer.json").write_text(json.dumps({"name": name, "image": name}))
    result = moor("explain", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Container dev (editor and terminals): api" in result.stdout
    (tmp_path / ".devcontainer.json").write_text('{"image": "top"}')
    assert "Container dev (editor and terminals): top" in moor("explain", tmp_path).stdout
