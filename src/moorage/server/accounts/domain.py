"""The domain of accounts, as the application takes it in."""

from __future__ import annotations

from moorage.server.accounts.changes import SessionChanged, UserChanged
from moorage.server.accounts.expiry import delete_expired
from moorage.server.accounts.revocation import Validities
from moorage.server.accounts.routes import api
from moorage.server.domain import Domain

ACCOUNTS = Domain(
    name="accounts",
    api=(api,),
    expired=(delete_expired,),
    changes=(SessionChanged, UserChanged),
    parts=lambda _core: (Validities(),),
)
