"""Who may pass to a workspace, as a browser sees it."""

from __future__ import annotations

from integration.gateway.installation import BOB
from integration.gateway.world import ANAS, BOBS, World


async def test_without_a_session_to_sign_in_and_back(world: World):
    """A page without a session leads over the server's sign-in back to the very URL that was asked for."""
    client = await world.person()
    wanted = world.at(path="/deep/page?folder=/projects/x&a=b%20c")
    answer = await client.get(wanted)
    assert str(answer.url) == wanted
    assert answer.json()["upstream"] == "anas"
    assert answer.json()["path"] == "/deep/page?folder=/projects/x&a=b c".replace("b c", "b%20c")
    hosts = [redirect.url.netloc.decode() for redirect in answer.history]
    zone = f"localhost:{world.gateway.port}"
    own = f"{world.gateway.host(ANAS, world.port)}:{world.gateway.port}"
    assert hosts == [own, zone, zone, zone, own]


async def test_another_person_gets_403(world: World):
    """Somebody who is signed in, but does not own the workspace, gets the 403 page, which names themselves alone."""
    client = await world.person(BOB)
    answer = await client.get(world.at())
    assert answer.status_code == 403
    assert "bob" in answer.text
    assert "ana" not in answer.text.replace("Moorage", "")
    assert (await client.get(world.at(BOBS))).json()["upstream"] == "bobs"
