"""What people write into forms and addresses."""

from __future__ import annotations

import pytest

from moorage.kernel.errors import Conflict, InvalidInput, Unavailable
from moorage.server.web import forms

from .test_views import workspace


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("abc-_123", "abc-_123"),
        ("  abc\n", "abc"),
        ("http://localhost:8080/sign-in/link/abc-_123", "abc-_123"),
        ("https://m.example.com/sign-in/link/abc/?next=%2F#x", "abc"),
        ("localhost:8080/sign-in/link/abc", "abc"),
        ("/sign-in/link/abc", "abc"),
        ("", ""),
        ("/", ""),
        ("http://[/sign-in/link/abc", "abc"),
        ("//[", "["),
    ],
)
def test_token_of_what_was_pasted(text: str, token: str) -> None:
    """A whole link and a bare code are the same."""
    assert forms.token_of(text) == token


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/new?repository=https%3A%2F%2Fgit.example.com%2Fa",
        "/workspaces/workspace-1-2-abc123",
        "/sign-in/authorize?redirect_uri=http%3A%2F%2Flocalhost&state=x",
    ],
)
def test_next_within_the_server(address: str) -> None:
    """A path of the server is gone on to as it is."""
    assert forms.safe_next(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "new",
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n//evil.example",
        "javascript:alert(1)",
        " /new",
        "/sign-in/link/abc",
        "http:/evil.example",
        "//[",
        "///[",
        "//[x]/",
    ],
)
def test_next_elsewhere(address: str) -> None:
    """Whatever a browser could take for another site's address leads to the list (no open
    redirect)."""
    assert forms.safe_next(address) == "/"


def test_environment_of_lines() -> None:
    """One variable per line; a value holds anything, = included; comments and empty lines say
    nothing."""
    assert forms.environment_of("A=1\n\n# note\n B = x=y \r\nC=") == {
        "A": "1",
        "B": " x=y ",
        "C": "",
    }


@pytest.mark.parametrize("text", ["A", "A=1\nnonsense", "=x"])
def test_environment_that_is_none(text: str) -> None:
    """A line that is no variable is named by its number."""
    with pytest.raises(InvalidInput, match=f"Line {len(text.splitlines())} ") as caught:
        forms.environment_of(text)
    assert caught.value.field == "env"


def test_new_workspace() -> None:
    """The form becomes the request that the API takes too; what it does not know is left out."""
    form = forms.NewWorkspace.of(
        {"repository": " https://x/y ", "ref": "main", "env": "A=1", "other": "?"}
    )
    request = form.request()
    assert (request.repository, request.ref, request.env) == ("https://x/y", "main", {"A": "1"})


def test_a_field_that_is_too_long_is_named() -> None:
    """A limit of the API's schema is told beside the field."""
    with pytest.raises(InvalidInput) as caught:
        forms.NewWorkspace(repository="https://x/y", name="a" * 101).request()
    assert caught.value.field == "name"


@pytest.mark.parametrize(
    ("error", "errors"),
    [
        (InvalidInput("No.", hint="Do so.", field="ref"), {"ref": "No. Do so."}),
        (Conflict("Taken.", field="name"), {"name": "Taken."}),
        (InvalidInput("No.", field="editor"), {}),
        (Unavailable("Away."), {}),
    ],
)
def test_errors_beside_their_fields(error: Exception, errors: dict[str, str]) -> None:
    """An error that names a field of the form stands beside it; any other stands above the form."""
    assert forms.errors_of(error, frozenset({"repository", "ref", "name"})) == errors


@pytest.mark.parametrize(
    ("path", "query", "address"),
    [
        ("/", "", "/sign-in"),
        ("/workspaces/w", "", "/sign-in?next=%2Fworkspaces%2Fw"),
        (
            "/new",
            "repository=https%3A%2F%2Fx&ref=a",
            "/sign-in?next=%2Fnew%3Frepository%3Dhttps%253A%252F%252Fx%26ref%3Da",
        ),
    ],
)
def test_sign_in_address(path: str, query: str, address: str) -> None:
    """Whoever is sent to sign in comes back to where they were."""
    assert forms.sign_in_address(path, query) == address


def test_address_of_any_port() -> None:
    """Another port's address follows from the pattern that the workspace has, also without an
    editor."""
    assert (
        forms.port_address(workspace(), 3000) == "http://3000-workspace-1-2-abc123.localhost:8080/"
    )
    assert (
        forms.port_address(workspace(url=""), 3000)
        == "http://3000-workspace-1-2-abc123.localhost:8080/"
    )


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_no_port(port: int) -> None:
    """A number that is no port is refused."""
    with pytest.raises(InvalidInput):
        forms.port_address(workspace(), port)


def test_port_origins() -> None:
    """The content security policy lets a form lead to the workspace's own zone."""
    assert forms.port_origins(workspace()) == "http://*.localhost:8080"
