"""Models that the account services return and the API sends."""

from __future__ import annotations

from pydantic import BaseModel, Field

from moorage.server.authorization import Role


class Me(BaseModel):
    id: int
    name: str
    role: Role


class User(BaseModel):
    id: int
    name: str
    role: Role
    blocked: bool
    created_at: float


class Users(BaseModel):
    items: list[User]


class AddUser(BaseModel):
    name: str
    role: Role = Role.DEVELOPER


class ChangeUser(BaseModel):
    role: Role


class SignInLink(BaseModel):
    url: str
    """Whole URL, for a browser."""
    expires_at: float


class SignedIn(BaseModel):
    """A new session. `token` is the cookie's value, known to nobody but the browser."""

    token: str = Field(repr=False)
    user: User
    expires_at: float


class CreateToken(BaseModel):
    label: str = Field(default="", max_length=100)
    days: float | None = Field(default=None, gt=0, le=3660)
    """Until it expires; None: as the installation has it."""


class Token(BaseModel):
    id: int
    label: str
    created_at: float
    expires_at: float | None
    made_by: int | None = None
    """Id of the token by which it was made, and with which it ends."""


class NewToken(Token):
    token: str = Field(repr=False)
    """Shown once."""


class Tokens(BaseModel):
    items: list[Token]
