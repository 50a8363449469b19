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
    "language", [*LANGUAGES, OTHER], ids=lambda language: language.name or "other"
)
def test_a_first_devfile_is_good_everywhere(language: object) -> None:
    """It is valid, and GitLab takes it."""
    assert isinstance(language, type(OTHER))
    devfile = parse(to_yaml(first_devfile("x", language, image=language.image, port=8080)))
    assert refusals(devfile, "gitlab") == ()
    assert devfile.components[0].container is not None
    assert devfile.components[0].container.endpoints[0].target_port == 8080
