"""Sign-in links: each signs one person in, once, within minutes."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import Forbidden, LimitReached, NotFound
from moorage.kernel.ids import fingerprint, new_secret
from moorage.server import audit
from moorage.server.accounts import models, schemas, sessions
from moorage.server.accounts.lifetimes import latest_end
from moorage.server.accounts.rows import as_actor, as_user, find_user
from moorage.server.accounts.tokens import authority_of, one_person_at_a_time
from moorage.server.audit import Occurrence, Target, denials
from moorage.server.authorization import Action, Kind, Person
from moorage.server.core import Core
from moorage.server.storage.database import changed_one

LINKS = 20
"""Sign-in links of one person that nobody has used yet, at most."""


async def create_sign_in_link(core: Core, actor: Person, name: str) -> schemas.SignInLink:
    """A link that signs `name` in: once, within minutes. Raises `Forbidden` when that user is
    blocked, `LimitReached`."""
    secret, now = new_secret(), core.clock.now()
    async with core.database.write() as session:
        user = await find_user(session, actor, name, Action.CREATE_SIGN_IN_LINK)
        as_actor(user)
        authority = await authority_of(session, actor)
        await _check_links(session, user, now)
        ends_at = latest_end(authority, own=user.id == actor.user_id)
        expires_at = now + core.settings.sign_in_link_minutes * 60
        link = models.SignInLink(
            fingerprint=fingerprint(secret),
            user_id=user.id,
            expires_at=expires_at if ends_at is None else min(expires_at, ends_at),
            token_id=authority.token_id,
            ends_at=ends_at,
        )
        session.add(link)
        audit.record(session, actor, Action.CREATE_SIGN_IN_LINK, Target(Kind.USER, user.name))
    return schemas.SignInLink(
        url=f"{core.settings.origin}/sign-in/link/{secret}", expires_at=link.expires_at
    )


async def find_sign_in_link(core: Core, token: str) -> schemas.User:
    """Whom the link would sign in. Burns nothing. Raises `NotFound`, as `sign_in_with_link`
    does."""
    async with core.database.read() as session:
        _, user = await _user_of_link(core, session, token)
    return as_user(user)


async def sign_in_with_link(core: Core, token: str, address: str = "") -> schemas.SignedIn:
    """Uses the link up and begins a session. `address`: where from, as `Person.address`.

    Raises `NotFound` when it is wrong, used or expired, `Forbidden` when its user is blocked; that
    somebody tried is written down.
    """
    try:
        return await _sign_in(core, token, address)
    except (NotFound, Forbidden) as error:
        await denials.deny_sign_in(core, address, error.code)
        raise


async def _sign_in(core: Core, token: str, address: str) -> schemas.SignedIn:
    now = core.clock.now()
    async with core.database.write() as session:
        await one_person_at_a_time(session)
        link, user = await _user_of_link(core, session, token)
        used = await session.execute(
            update(models.SignInLink)
            .where(
                models.SignInLink.fingerprint == fingerprint(token),
                models.SignInLink.used_at.is_(None),
            )
            .values(used_at=now)
        )
        if not changed_one(used):
            raise _link_error("used")
        secret, row = await sessions.begin(core, session, user, link)
        actor = replace(as_actor(user, row.id), address=address)
        target = Target(Kind.USER, user.name)
        audit.record(session, actor, Occurrence.SIGN_IN, target, detail="by a sign-in link")
    return schemas.SignedIn(token=secret, user=as_user(user), expires_at=row.expires_at)


async def _check_links(session: AsyncSession, user: models.User, now: float) -> None:
    query = select(func.count()).where(
        models.SignInLink.user_id == user.id,
        models.SignInLink.used_at.is_(None),
        models.SignInLink.expires_at > now,
    )
    if (await session.scalar(query) or 0) >= LINKS:
        raise LimitReached(
            f"There are {LINKS} sign-in links for {user.name} already that nobody has used.",
            code="too-many-sign-in-links",
            hint="Use one of them, or wait until they have expired.",
            limit=LINKS,
        )


async def _user_of_link(
    core: Core, session: AsyncSession, token: str
) -> tuple[models.SignInLink, models.User]:
    """Raises `NotFound`, and `Forbidden` when the user is blocked."""
    link = await session.get(models.SignInLink, fingerprint(token))
    if link is None:
        raise _link_error("wrong")
    if link.used_at is not None:
        raise _link_error("used")
    if link.expires_at <= core.clock.now():
        raise _link_error("expired")
    user = await session.get_one(models.User, link.user_id)
    as_actor(user)
    return link, user


def _link_error(why: str) -> NotFound:
    sentence = {
        "wrong": "This sign-in link is not valid.",
        "used": "This sign-in link has been used already.",
        "expired": "This sign-in link has expired.",
    }[why]
    return NotFound(
        sentence, code=f"sign-in-link-{why}", hint="Ask for a new one: moor sign-in-link"
    )
