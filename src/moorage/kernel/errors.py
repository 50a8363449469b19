"""The one error tree.

    MoorageError
    ├── InvalidInput        what was asked for is malformed            HTTP 422, exit code 2
    │   └── TooLarge        … or larger than is accepted               HTTP 413
    ├── NotSignedIn         nobody is signed in, or no longer          HTTP 401, exit code 3
    ├── Forbidden           who is signed in may not do this           HTTP 403, exit code 4
    ├── NotFound            it does not exist, or not for this person  HTTP 404, exit code 5
    ├── Conflict            it contradicts what is there already       HTTP 409, exit code 6
    ├── LimitReached        a quota or a rate is used up               HTTP 429, exit code 7
    ├── Unavailable         something that it needs does not answer    HTTP 503, exit code 8
    ├── Misconfigured       this installation cannot run like this     HTTP 500, exit code 9
    ├── PartFailed          it runs, but for a part of it              HTTP 500, exit code 10
    └── ForRepair           what runs is there to repair it from       HTTP 500, exit code 11

Every error has a stable `code` (a programme may branch on it), a `message` (one sentence for a
person) and a `hint` (what to do next; may be empty). The kinds are mapped to HTTP status, exit code
and page in one place each: `status` and `exit_code` here, `server.http.problems` for bodies. Errors
of other libraries are wrapped where they enter, with `raise … from`.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MoorageError(Exception):
    """Base of all errors that a person may see.

    `code` is lower-case words joined by `-`, for instance `repository-not-found`. `details` holds
    JSON values that a programme may want (a field's name, a limit); it never holds a secret.
    """

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, code: str = "", hint: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class InvalidInput(MoorageError):
    """`field` names the input at fault, as the API spells it; "" when it is not one field."""

    status = 422
    exit_code = 2
    default_code = "invalid-input"

    def __init__(
        self, message: str, *, code: str = "", hint: str = "", field: str = "", **details: Any
    ) -> None:
        super().__init__(message, code=code, hint=hint, **details)
        self.field = field


class TooLarge(InvalidInput):
    status = 413
    default_code = "too-large"


class NotSignedIn(MoorageError):
    status = 401
    exit_code = 3
    default_code = "not-signed-in"


class Forbidden(MoorageError):
    status = 403
    exit_code = 4
    default_code = "forbidden"


class NotFound(MoorageError):
    status = 404
    exit_code = 5
    default_code = "not-found"


class Conflict(MoorageError):
    status = 409
    exit_code = 6
    default_code = "conflict"


class LimitReached(MoorageError):
    status = 429
    exit_code = 7
    default_code = "limit-reached"


class Unavailable(MoorageError):
    status = 503
    exit_code = 8
    default_code = "unavailable"


class Misconfigured(MoorageError):
    status = 500
    exit_code = 9
    default_code = "misconfigured"


class PartFailed(MoorageError):
    status = 500
    exit_code = 10
    default_code = "part-failed"


class ForRepair(MoorageError):
    status = 500
    exit_code = 11
    default_code = "for-repair"


BY_STATUS: dict[int, type[MoorageError]] = {
    cls.status: cls
    for cls in (
        InvalidInput,
        TooLarge,
        NotSignedIn,
        Forbidden,
        NotFound,
        Conflict,
        LimitReached,
        Unavailable,
    )
}
BY_STATUS |= {502: Unavailable, 504: Unavailable}
"""Which error a client raises again for an answer of that status; any other status is a
`MoorageError`.

502 and 504 are a proxy's words for a server that is away, as during an upgrade (RFC 9110, 15.6.3
and 15.6.5).
"""
