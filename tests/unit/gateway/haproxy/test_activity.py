"""HAProxy's books of what people do."""

from __future__ import annotations

from moorage.gateway.haproxy.activity import HEARTBEAT, Look, busy, noted, sent

TABLE = """\
# table: activity, type: string, size:102400, used:2
0x55d3c4a3b0a8: key=Xk3_a-9 use=0 exp=3599000 shard=0 gpt0=1764439200
0x55d3c4a3b1b8: key=other use=1 exp=0 shard=0 gpt0=0

"""
STREAMS = """\
0x5594f82ecdf0: [29/Nov/2026:18:35:40.642692] id=798 proto=tcpv4 source=127.0.0.1:33538
  flags=0x400c4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x5594f7f98180
  txn=0x5594f8325ea0 flags=0x8000 meth=1 status=101 req.st=MSG_TUNNEL rsp.st=MSG_TUNNEL req.f=0xcc
  req=0x5594f82ece10 (f=0x8848202 an=0x0 pipe=0 tofwd=-1 total=456)
      an_exp=<NEVER> rex=23h59m wex=<NEVER>
  res=0x5594f82ece70 (f=0x88048202 an=0x0 pipe=0 tofwd=-1 total=288)

0x5594f82ecdff: [29/Nov/2026:18:35:40.642692] id=799 proto=tcpv4 source=127.0.0.1:33539
  txn=0x5594f8325ea0 flags=0x8000 meth=1 status=200 req.st=MSG_DONE rsp.st=MSG_DATA req.f=0xcc
  req=0x5594f82ece10 (f=0x8848202 an=0x0 pipe=0 tofwd=-1 total=999)
  res=0x5594f82ece70 (f=0x88048202 an=0x0 pipe=0 tofwd=-1 total=288)

0x5594f82ecd00: [29/Nov/2026:18:35:40.642692] id=800 proto=tcpv4 source=127.0.0.1:33540
  txn=0x5594f8325ea0 flags=0x8000 meth=1 status=101 req.st=MSG_TUNNEL rsp.st=MSG_TUNNEL req.f=0xcc
  req=0x5594f82ece10 (f=0x8848202 an=0x0 pipe=0 tofwd=-1 total=1024)
  res=0x5594f82ece70 (f=0x88048202 an=0x0 pipe=0 tofwd=-1 total=7)
"""
ONE, OTHER = ("0x1", "1"), ("0x2", "2")


def test_when_people_did_something():
    """By session; an entry whose time was not written yet says nothing."""
    assert noted(TABLE) == {"Xk3_a-9": 1764439200.0}


def test_how_much_browsers_sent():
    """Of WebSockets alone: any other request is no work that goes on."""
    assert sent(STREAMS) == {("0x5594f82ecdf0", "798"): 456, ("0x5594f82ecd00", "800"): 1024}
    assert sent("") == {}


def test_a_heartbeat_is_no_work():
    """Neither is what was sent before the first look, nor what another WebSocket sent that had the
    same place in HAProxy."""
    before = Look(10.0, {ONE: 100, OTHER: 100})
    quiet, much = 100 + int(HEARTBEAT * 5), 101 + int(HEARTBEAT * 5)
    assert busy(before, Look(15.0, {ONE: quiet, OTHER: much})) == {"0x2"}
    assert busy(before, Look(15.0, {("0x1", "3"): 9999, OTHER: 100})) == set()
    assert busy(Look(0.0, {}), Look(15.0, {ONE: 9999})) == set()
