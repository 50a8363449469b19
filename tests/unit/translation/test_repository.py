"""A first devfile for a repository that has none."""

from __future__ import annotations

import pytest

from moorage.devfile import parse, refusals, to_yaml
from moorage.translation.repository import LANGUAGES, OTHER, first_devfile, guess


@pytest.mark.parametrize(
    ("files", "language", "port"),
    [
        ({"requirements.txt": "flask"}, "Python", 5000),
        ({"pyproject.toml": "dependencies = ['fastapi']"}, "Python", 8000),
        ({"requirements.txt": "", "hello.py": "HTTPServer(('', 8080), Handler)"}, "Python", 8080),
        ({"package.json": '{"scripts": {"start": "vite --port 4000"}}'}, "JavaScript", 4000),
        ({"package.json": "{}", "server.js": "app.listen(3001)"}, "JavaScript", 3001),
        ({"go.mod": "", "main.go": 'http.ListenAndServe(":9090", nil)'}, "Go", 9090),
        ({"pom.xml": "<artifactId>spring-boot-starter</artifactId>"}, "Java", 8080),
        (
            {"pom.xml": "", "src/main/resources/application.properties": "server.port=9000"},
            "Java",
            9000,
        ),
        ({"App.csproj": ""}, "C#", None),
        ({"Cargo.toml": ""}, "Rust", None),
        ({"requirements.txt": "flask", "Dockerfile": "FROM x\nEXPOSE 7000\n"}, "Python", 7000),
        ({"README.md": ""}, "", None),
        ({"sub/package.json": ""}, "", None),
    ],
)
def test_language_and_port_are_found(
    files: dict[str, str], language: str, port: int | None
) -> None:
    """Files at the top give the language away; what is exposed or listened on gives the port."""
    found = guess(files)
    assert (found.language.name, found.port) == (language, port)


@pytest.mark.parametrize(
    ("files", "image", "image_from"),
    [
        ({"go.mod": "", "Dockerfile": "FROM golang:1.22-alpine AS b\nFROM scratch\n"}, "golang:1.22-alpine", "Dockerfile"),
        ({"package.json": "", "Dockerfile": "FROM node:20 AS b\nFROM nginx:1\n"}, "node:20", "Dockerfile"),
        ({"package.json": "", "Dockerfile": "FROM nginx:1\n"}, "docker.io/library/node:24", ""),
        ({"setup.py": "", "Dockerfile": "ARG V\nFROM python:$V\n"}, "docker.io/library/python:3.13", ""),
        ({"setup.py": "", "Dockerfile": "from --platform=linux/amd64 reg.example/py/python:3.11 as x"}, "reg.example/py/python:3.11", "Dockerfile"),
        ({"README.md": "", "Dockerfile": "FROM reg.example/base:1\n"}, "reg.example/base:1", "Dockerfile"),
        ({"README.md": "", "Dockerfile": "FROM gcr.io/distroless/base:1\n"}, "docker.io/library/debian:stable", ""),
        ({"go.mod": "", ".gitpod.yml": "image: gitpod/workspace-go:1 # x\n", "Dockerfile": "FROM golang:1"}, "gitpod/workspace-go:1", ".gitpod.yml"),
        ({"go.mod": "", ".gitpod.yml": "image:\n  file: .gitpod.Dockerfile\n"}, "docker.io/library/golang:1.25", ""),
        ({"go.mod": ""}, "docker.io/library/golang:1.25", ""),
    ],
)  # fmt: skip
def test_the_image_that_is_there_is_taken(
    files: dict[str, str], image: str, image_from: str
) -> None:
    """What a .gitpod.yml or a Dockerfile names goes before the language's own image, where people
    can work in it; each such file is told of."""
    found = guess(files)
    assert (found.image, found.image_from) == (image, image_from)
    told = [name for name in (".gitpod.yml", "Dockerfile") if name in files]
    assert [note.partition(" ")[0] for note in found.notes] == told
    taken = [note for note in found.notes if "is taken from it" not in note]
    assert [note.partition(" ")[0] for note in taken] == ([image_from] if image_from else [])


def test_the_port_of_a_gitpod_yml() -> None:
    """What it says goes before what the code says."""
    gitpod = "ports:\n  - port: 3100\n    onOpen: ignore\n"
    assert guess({"package.json": "vite", ".gitpod.yml": gitpod}).port == 3100


@pytest.mark.parametrize(
    "language", [*LANGUAGES, OTHER], ids=lambda language: language.name or "other"
)
def test_a_first_devfile_is_good_everywhere(language: object) -> None:
    """It is valid, and GitLab takes it."""
    assert isinstance(language, type(OTHER))
    devfile = parse(to_yaml(first_devfile("x", language, image=language.image, port=8080)))
    assert refusals(devfile, "gitlab") == ()
    assert devfile.components[0].container is not None
    assert devfile.components[0].container.endpoints[0].target_port == 8080
