"""The error tree."""

from moorage.kernel import errors
from moorage.kernel.errors import InvalidInput, MoorageError, TooLarge, Unavailable


def kinds(base: type[MoorageError]) -> list[type[MoorageError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in kinds(child))]


def test_the_drawing_in_the_docstring_is_true():
    """Every kind that the module defines stands in its docstring, with its HTTP status."""
    drawn = {
        line.split()[1]: line
        for line in errors.__doc__.splitlines()
        if "──" in line and "HTTP" in line
    }
    here = [kind for kind in kinds(MoorageError)[1:] if kind.__module__ == errors.__name__]
    assert {kind.__name__ for kind in here} <= {
        name for line in drawn.values() for name in line.split()
    }
    for kind in here:
        line = next(line for line in drawn.values() if kind.__name__ in line.split())
        assert f"HTTP {kind.status}" in line


def test_statuses_lead_back_to_kinds():
    """A client raises the kind again that the server raised; a proxy that finds no server says that
    it is away."""
    for status, kind in errors.BY_STATUS.items():
        assert kind.status == status or (status in (502, 504) and kind is Unavailable)


def test_an_error_carries_code_message_hint_and_details():
    """The text for a person is message and hint; the code defaults to the kind's."""
    error = InvalidInput("The name is taken.", hint="Choose another.", field="name", limit=3)
    assert (error.code, str(error), error.field) == (
        "invalid-input",
        "The name is taken. Choose another.",
        "name",
    )
    assert error.details == {"limit": 3}
    assert TooLarge("Too large.", code="devfile-too-large").code == "devfile-too-large"
