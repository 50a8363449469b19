"""One installation with a real engine, and repositories to make workspaces from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.cli.terminal import address_of_this_machine
from integration.runtimes.git_server import GitServer, commit, run
from integration.runtimes.worlds import tools_image
from integration.supervisor.installation import Installation, installation

DEVFILE = """\
schemaVersion: 2.2.0
metadata:
  name: app
components:
  - name: py
    attributes:
      gl/inject-editor: true
    container:
      image: {image}
      memoryLimit: 1024M
      env:
        - name: FROM_DEVFILE
          value: "1"
      endpoints:
        - name: http-python
          targetPort: 8080
"""


SEVERAL = (
    DEVFILE
    + """\
  - name: side
    container:
      image: {image}
      command: [sleep, infinity]
commands:
  - id: hello
    exec:
      component: py
      commandLine: echo "hello $WHO from $PWD"; exit 3
      workingDir: /tmp
      env: [{{name: WHO, value: "a b"}}]
      group: {{kind: test, isDefault: true}}
  - {{id: ask, exec: {{component: py, commandLine: 'read line; echo "$line; $(test -t 0 && echo terminal)"'}}}}
  - {{id: aside, exec: {{component: side, commandLine: 'echo "in $PROJECT_SOURCE"; hostname >/dev/null'}}}}
  - {{id: both, composite: {{parallel: true, commands: [hello, aside]}}}}
  - {{id: in-order, composite: {{commands: [aside, hello, aside]}}}}
  - {{id: deploy, apply: {{component: cluster}}}}
"""
)
"""Commands of two containers, and one that no workspace runs."""


@pytest.fixture(scope="session")
def image() -> str:
    """The tools image serves as a developer's image, too: it has a shell and Git."""
    return tools_image()


@pytest.fixture(scope="session")
def repositories(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """URLs by name: a good one, and several that no workspace can be made of."""
    server = GitServer(tmp_path_factory.mktemp("git"))
    devfiles = {
        "app": DEVFILE.format(image=image),
        "no-image": DEVFILE.format(image="registry.invalid/moorage/none:1"),
        "broken": DEVFILE.format(image=image).replace("name: py", "name: Py_"),
        "no-devfile": "",
        "several": SEVERAL.format(image=image).replace(
            "commands:", "  - {name: cluster, kubernetes: {inlined: x}}\ncommands:", 1
        ),
    }
    for name, text in devfiles.items():
        server.add(name)
        work = server.folder / f"{name}.work"
        if text:
            (work / ".devfile.yaml").write_text(text)
            commit(work, "devfile")
            run("git", "-C", str(work), "push", "-q", "origin", "HEAD:main")
    yield {name: server.url(name, address_of_this_machine()) for name in devfiles}
    server.close()


@pytest.fixture(scope="session")
def installed(image: str) -> Iterator[Installation]:
    with installation() as made:
        made.started("--tools-image", image, "--repository-network", address_of_this_machine())
        yield made
        for item in made.json("list", "--all")["items"]:
            made.moor("delete", item["name"], "--yes", "--timeout", "60")


@pytest.fixture(scope="session")
def workspace(installed: Installation, repositories: dict[str, str]) -> str:
    """The title of a workspace that runs."""
    done = installed.moor(
        "create", repositories["app"], "--name", "shell", "--env", "GIVEN=a b", "-o", "json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return "shell"
