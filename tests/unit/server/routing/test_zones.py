"""What gateways are told, by zone."""

from __future__ import annotations

import random
from functools import reduce

from moorage.contract.gateway import Grant, Route, RouteTable, Session, apply, decode
from moorage.server.routing.feed import RouteFeed
from moorage.server.routing.table import Facts, Placed, key_of
from moorage.server.routing.zones import Zones

NEAR, FAR = "http://near", "http://far"
OWN = "http://server"


def placed(name: str, zone: str = NEAR, address: str = "10.0.0.1") -> Placed:
    return Placed(zone, Route(workspace=name, owner=1, address=address))


def granted(*grants: Grant, gone: tuple[Grant, ...] = ()) -> Facts:
    return Facts(grants={**{key_of(g): g for g in grants}, **{key_of(g): None for g in gone}})


def test_changes_and_tables_agree() -> None:
    """A gateway that applies every change has the table that a new gateway of its zone is given; no
    news is told."""
    session = Session(id="s", user=1, user_name="a", expires_at=1.0)
    grant, early = Grant(user=2, workspace="w", port=80), Grant(user=2, workspace="later")
    steps: list[tuple[Facts, set[str]]] = [
        (
            Facts(
                routes={"w": placed("w")},
                sessions={(FAR, "s"): session},
                grants={key_of(grant): grant},
            ),
            {NEAR, FAR},
        ),
        (Facts(routes={"w": placed("w", address="")}), {NEAR}),
        (Facts(routes={"w": placed("w", address=""), "unknown": None}), set()),
        (Facts(sessions={(FAR, "s"): session, (NEAR, "unknown"): None}), set()),
        (Facts(sessions={(NEAR, "s"): session}), {NEAR}),
        (granted(early), set()),
        (Facts(routes={"later": placed("later", FAR)}), {FAR}),
        (Facts(routes={"w": placed("w", FAR)}), {NEAR, FAR}),
        (granted(gone=(grant,)), {FAR}),
        (Facts(sessions={(NEAR, "s"): None}), {NEAR}),
        (Facts(sessions={(FAR, "s"): None, (NEAR, "s"): None}, routes={"later": None}), {FAR}),
        (granted(gone=(early, grant)), set()),
        (Facts(routes={"w": None}), {FAR}),
    ]
    zones = Zones()
    tables = {zone: RouteTable(revision=0, server_url=OWN) for zone in (NEAR, FAR)}
    for news, concerned in steps:
        difference = zones.learn(news)
        assert set(difference) == concerned
        for zone, table in tables.items():
            if zone in difference:
                tables[zone] = apply(table, difference[zone].change(table.revision + 1))
            assert tables[zone] == zones.table(zone, tables[zone].revision, OWN)
    for table in tables.values():
        assert table.routes == table.sessions == table.grants == ()


def test_any_order_of_news_comes_to_the_same() -> None:
    """Whatever comes, goes and moves: what gateways have put together is what is so."""
    chance = random.Random(7)
    zones, tables = Zones(), {zone: RouteTable(revision=0, server_url=OWN) for zone in (NEAR, FAR)}
    names = [f"w{number}" for number in range(6)]
    for _ in range(2000):
        name = chance.choice(names)
        grant = Grant(user=chance.randrange(3), workspace=chance.choice(names), port=80)
        place = placed(name, chance.choice((NEAR, FAR)), chance.choice(("", "10.0.0.1")))
        news = Facts(
            routes={name: chance.choice((None, place))} if chance.random() < 0.6 else {},
            grants={key_of(grant): chance.choice((None, grant))} if chance.random() < 0.6 else {},
        )
        difference = zones.learn(news)
        for zone in difference:
            tables[zone] = apply(tables[zone], difference[zone].change(tables[zone].revision + 1))
        for zone, table in tables.items():
            ours = zones.table(zone, table.revision, OWN)
            assert (set(table.routes), set(table.grants)) == (set(ours.routes), set(ours.grants))
            assert len(table.routes) == len(ours.routes)


def test_facts_are_replaced_as_a_whole() -> None:
    """After lost notifications, what is no longer there goes, and what is the same is no news."""
    zones = Zones()
    zones.learn(
        Facts(routes={"one": placed("one"), "two": placed("two"), "three": placed("three", FAR)})
    )
    difference = zones.learn(
        zones.news_of(Facts(routes={"two": placed("two"), "three": placed("three", FAR)}))
    )
    assert set(difference) == {NEAR}
    change = difference[NEAR].change(2)
    assert (change.routes, change.removed_routes) == ((), ("one",))


async def test_a_gateway_hears_of_its_own_zone_without_a_gap() -> None:
    """With a thousand zones, news of one are offered to its gateways alone; each gateway's
    revisions have no gap, and several gateways of a zone are told the same."""
    feed = RouteFeed(OWN)
    zones = [f"http://zone{number}" for number in range(1000)]
    contexts = [feed.listen(zone) for zone in [*zones, zones[3]]]
    opened = [context.__enter__() for context in contexts]
    for _ in range(2):
        for zone in zones[:5]:
            feed.learn(Facts(routes={zone: placed(zone, zone, str(random.random()))}))
    feed.learn(
        Facts(sessions={(zones[3], "s"): Session(id="s", user=1, user_name="a", expires_at=1.0)})
    )
    told = [[decode(text) for text in listener._queue] for _, listener in opened]
    assert [len(changes) for changes in told] == [2] * 3 + [3, 2] + [0] * 995 + [3]
    assert told[3] == told[1000]
    for (begun, _), changes in zip(opened, told, strict=True):
        reduce(apply, changes, begun)  # raises at a gap
    with feed.listen(zones[3]) as (table, _):
        assert (table.revision, len(table.routes), len(table.sessions)) == (3, 1, 1)
    for context in contexts:
        context.__exit__(None, None, None)
