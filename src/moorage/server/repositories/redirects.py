"""Asks a host where a repository of its is instead, and believes nothing: one connection, headers
alone.

The connection goes to an address that was checked, as Git's does, so that a second answer of the
DNS changes nothing; no redirect is followed, and no body is read, whatever its length.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from moorage.server.repositories import errors
from moorage.server.repositories.git import Way
from moorage.server.repositories.rules import Repository

if TYPE_CHECKING:
    import httpx

SECONDS = 10.0
"""For each single wait. How long all of it takes is the caller's to limit; how long headers are,
h11 does (100 kB)."""
_SUFFIX = "/info/refs"


async def target_of(repository: Repository, way: Way) -> str | None:
    """The URL of the repository that the host names, not checked; None when it names none. Raises
    `InvalidInput`."""
    import httpx  # rarely needed, and 10 MB

    if repository.scheme not in ("http", "https"):
        return None
    here = f"{repository.url.rstrip('/')}{_SUFFIX}"
    try:
        location = await _location(here, repository, way)
        target = urljoin(here, location).split("?")[0]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise errors.unreachable(repository, str(error)) from error
    if not location or not target.endswith(_SUFFIX):
        return None
    if not target.startswith(("http://", "https://")) or (
        repository.scheme == "https" and not target.startswith("https://")
    ):
        raise errors.error_of("it redirects to another protocol", repository, limit=0)
    return target.removesuffix(_SUFFIX)


async def _location(here: str, repository: Repository, way: Way) -> str:
    """The header `Location` of a redirect; "" when it is none. Raises `httpx.HTTPError`,
    `httpx.InvalidURL`."""
    import httpx

    url = httpx.URL(here, params={"service": "git-upload-pack"})
    headers = {"Host": repository.authority, "Accept-Encoding": "identity"}
    tls = ssl.create_default_context(cafile=way.ca_bundle or None)
    async with httpx.AsyncClient(
        verify=tls, timeout=SECONDS, trust_env=False, proxy=way.proxy or None
    ) as client:
        last: httpx.HTTPError | None = None
        for address in way.addresses or [repository.host]:
            request = client.build_request(
                "GET",
                url.copy_with(host=address),
                headers=headers,
                extensions={"sni_hostname": repository.host},
            )
            try:
                answer = await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error
                continue
            await answer.aclose()
            return answer.headers["location"] if answer.has_redirect_location else ""
        assert last is not None
        raise last
