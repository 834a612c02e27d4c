# SPDX-License-Identifier: GPL-2.0-or-later
"""Static ports: held from start to stop for their user, whatever anybody asks."""

import time

import pytest

import kernel
import wire
from control import Control
from expect import matches, octets
from lab import EXTERNAL, PEERS
from netns import eventually
from traffic import Connection, arrives, flows_over, is_forwarded
from wire import TCP, UDP

CLIENTS = 2
PORT = 31413
INTERNAL = 5000
HALF = 20500
PREFER_FAILURE = wire.option(wire.PREFER_FAILURE)
PAIR = {"port": PORT, "internal-port": INTERNAL}


def policy_of(lab, statics=(PAIR, {"port": HALF, "protocols": ["udp"]}), default_class=None,
              users=None):
    """alice, the first client, has a pair and a single UDP port."""
    return lab.policy(
        {"lifetime": {"min": 1, "default": 60, "max": 3600}, **(default_class or {})},
        users=users or {"alice": {"addresses": [lab.clients[0].address],
                                  "static": list(statics)}})


def held(gateway):
    return {(m.protocol, m.external_port, m.internal, m.internal_port)
            for m in kernel.mappings(gateway)}


@pytest.fixture
def all_of_them(c1):
    return {("udp", PORT, c1.address, INTERNAL), ("tcp", PORT, c1.address, INTERNAL),
            ("udp", HALF, c1.address, HALF)}


def test_both_protocols_are_forwarded_without_a_request(
        daemon, c1, internet, gateway, all_of_them):
    assert held(gateway) == all_of_them
    with c1.udp(INTERNAL) as inside, internet.udp(PEERS[0]) as peer:
        source = arrives(peer, (EXTERNAL, PORT), inside)
        assert source == peer.getsockname()
        assert arrives(inside, source, peer) == (EXTERNAL, PORT)
    with Connection(c1, internet, INTERNAL, (EXTERNAL, PORT)) as connection:
        assert connection.passes()
    assert is_forwarded(c1, HALF, internet, PEERS[0], HALF)


def test_own_packets_leave_from_the_static_port(daemon, c1, internet):
    with c1.udp(INTERNAL) as inside, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(inside, (PEERS[0], 9000), peer) == (EXTERNAL, PORT)


def test_they_are_listed_as_static(daemon, c1, control):
    mappings = control.mappings(user="alice")
    assert {(m["protocol"], m["external_port"], m["origin"], m["internal_address"])
            for m in mappings} == {(protocol, port, "static", c1.address) for protocol, port in
                                   (("udp", PORT), ("tcp", PORT), ("udp", HALF))}


@pytest.mark.parametrize("protocol", [UDP, TCP])
def test_a_request_for_its_internal_port_gets_it(
        daemon, c1, gateway, protocol, all_of_them):
    for suggested in (0, PORT, 15000):
        reply = c1.natpmp(protocol, INTERNAL, suggested, lifetime=600)
        assert (reply.result, reply.external, reply.lifetime) == (0, PORT, 600)
        reply = c1.pcp(protocol, INTERNAL, suggested, lifetime=600)
        assert (reply.result, reply.external, reply.address) == (0, PORT, EXTERNAL)
        assert reply.lifetime == 600
    assert c1.pcp(protocol, INTERNAL, PORT, options=PREFER_FAILURE).external == PORT
    refused = c1.pcp(protocol, INTERNAL, 15000, options=PREFER_FAILURE)
    assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert held(gateway) == all_of_them


def test_deletion_is_not_authorized(daemon, c1, gateway, all_of_them):
    matches(c1.ask(wire.natpmp_map(UDP, INTERNAL, lifetime=0)),
            "00810002 ........ 13880000 00000000")
    for _ in range(2):
        reply = c1.pcp(TCP, INTERNAL, lifetime=0)
        assert reply.result == wire.NOT_AUTHORIZED
    c1.pcp(TCP, INTERNAL)
    assert c1.pcp(TCP, INTERNAL, lifetime=0).result == wire.NOT_AUTHORIZED
    assert held(gateway) == all_of_them


def test_delete_all_is_refused_but_removes_the_others(
        daemon, c1, c2, gateway, all_of_them):
    for internal in (7000, 7001):
        assert c1.natpmp(UDP, internal).result == 0
    tcp = c1.natpmp(TCP, 7000).external
    other = c2.natpmp(UDP, 7000).external
    matches(c1.ask(octets("00010000 00000000 00000000")), "00810002 ........ 00000000 00000000")
    assert held(gateway) == all_of_them | {("tcp", tcp, c1.address, 7000),
                                           ("udp", other, c2.address, 7000)}


def test_the_other_half_is_its_owners_alone(daemon, c1, c2, gateway):
    assert c2.natpmp(TCP, 7000, suggested=HALF).external != HALF
    refused = c2.pcp(TCP, 7001, HALF, options=PREFER_FAILURE)
    assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert c1.natpmp(TCP, HALF, suggested=HALF).external == HALF
    assert ("tcp", HALF, c1.address, HALF) in held(gateway)


def test_nobody_else_gets_a_static_port(lab, run, c1, c2):
    """Not even as the last port of the pool."""
    run(lab.policy(nat={"ports": "20000-20003"}, users={
        "alice": {"addresses": [c1.address], "static": [{"port": 20001}]},
        "absent": {"static": [{"port": 20002}]}}))
    given = [c2.natpmp(protocol, 7000 + number) for number in range(4) for protocol in (UDP, TCP)]
    ports = {reply.external for reply in given if reply.result == 0}
    assert ports == {20000, 20003}


def test_they_stay_long_after_the_shortest_lifetime(daemon, c1, internet, gateway, all_of_them):
    assert c1.natpmp(UDP, INTERNAL, lifetime=1).lifetime == 1
    assert c1.pcp(TCP, INTERNAL, lifetime=1).result == 0
    time.sleep(3)
    assert held(gateway) == all_of_them
    assert all(left > 1800 for left in kernel.mappings(gateway).values())
    assert is_forwarded(c1, INTERNAL, internet, PEERS[0], PORT)


def test_they_do_not_count_toward_the_quota(lab, run, c1, gateway):
    control = Control(run(policy_of(lab, default_class={"mappings": 1})).control)
    assert len(held(gateway)) == 3
    assert control.user("alice")["held"] == 0
    assert c1.natpmp(UDP, INTERNAL).external == PORT
    assert c1.natpmp(UDP, 7000).result == 0
    assert c1.natpmp(UDP, 7001).result == wire.NATPMP_NO_RESOURCES


def test_a_reload_without_one_ends_it_with_its_flows(
        lab, daemon, c1, internet, gateway, control):
    with Connection(c1, internet, INTERNAL, (EXTERNAL, PORT)) as connection:
        assert connection.passes()
        daemon.configure(policy_of(lab, statics=[{"port": HALF, "protocols": ["udp"]}]))
        status, answer = control.reload()
        assert (status, answer["changes"]["revoked"], answer["changes"]["kept"]) == (200, 2, 1)
        assert held(gateway) == {("udp", HALF, c1.address, HALF)}
        assert eventually(lambda: not flows_over(gateway, PORT))
        assert not connection.reaches_inside()
    reply = c1.natpmp(UDP, INTERNAL)
    assert reply.result == 0 and reply.lifetime == 3600


def test_a_reload_with_a_new_one_serves_it_at_once(lab, daemon, c1, internet, control):
    taken = c1.natpmp(UDP, 7000, suggested=15000)
    assert taken.external == 15000
    daemon.configure(policy_of(lab, statics=[PAIR, {"port": 15000, "internal-port": 7000}]))
    assert control.reload()[0] == 200
    for protocol, client_port, port in ((UDP, 7000, 15000), (TCP, 7000, 15000)):
        assert c1.natpmp(protocol, client_port).external == port
    assert {m["origin"] for m in control.mappings(port=15000)} == {"static"}
    assert is_forwarded(c1, 7000, internet, PEERS[0], 15000)


def test_a_reload_that_gives_a_strangers_port_to_a_user_ends_the_strangers(
        lab, daemon, c1, c2, internet, gateway, control):
    assert c2.natpmp(TCP, 7000, suggested=15000).external == 15000
    with Connection(c2, internet, 7000, (EXTERNAL, 15000)) as connection:
        daemon.configure(policy_of(lab, statics=[{"port": 15000}]))
        assert control.reload()[0] == 200
        assert held(gateway) == {(protocol, 15000, c1.address, 15000)
                                 for protocol in ("udp", "tcp")}
        assert eventually(lambda: not connection.reaches_inside(0.2))
    assert is_forwarded(c1, 15000, internet, PEERS[0], 15000)


def test_revoked_ones_come_back_at_once(daemon, internet, c1, gateway, all_of_them, control):
    with Connection(c1, internet, INTERNAL, (EXTERNAL, PORT)) as connection:
        assert control.ctl_json("revoke", "--port", PORT)["revoked"] == 2
        assert held(gateway) == all_of_them
    with Connection(c1, internet, INTERNAL, (EXTERNAL, PORT)) as connection:
        assert connection.passes()


def test_they_stay_in_the_kernel_after_a_stop_and_come_back_with_a_start(
        daemon, c1, internet, gateway, all_of_them):
    assert daemon.stop() == 0
    assert held(gateway) == all_of_them
    assert is_forwarded(c1, INTERNAL, internet, PEERS[0], PORT)
    daemon.start()
    assert held(gateway) == all_of_them


def test_a_banned_users_are_gone_until_the_ban_is_over(
        daemon, c1, c2, internet, gateway, all_of_them, control):
    control.ctl("ban", "--user", "alice")
    assert not held(gateway)
    control.ctl("unban", "--user", "alice")
    assert held(gateway) == all_of_them
    control.ctl("ban", "--user", "alice", "--for", 1)
    assert not held(gateway)
    assert eventually(lambda: held(gateway) == all_of_them, 2.5)


def test_a_banned_addresss_stay_away_whatever_else_changes(
        daemon, c1, c2, gateway, all_of_them, control):
    c2.natpmp(UDP, 7000)
    control.ctl("ban", "--address", c1.address)
    assert {m.internal for m in kernel.mappings(gateway)} == {c2.address}
    assert control.reload()[0] == 200
    assert {m.internal for m in kernel.mappings(gateway)} == {c2.address}, "after a reload"
    control.ctl("revoke", "--address", c2.address)
    assert not held(gateway), "after another's revocation"
    control.ctl("unban", "--address", c1.address)
    assert held(gateway) == all_of_them


def test_bans_of_two_addresses_end_each_in_its_time(lab, run, c1, c2, gateway):
    control = Control(run(policy_of(lab, users={
        "alice": {"addresses": [c1.address], "static": [{"port": 20001}]},
        "bob": {"addresses": [c2.address], "static": [{"port": 20002}]}})).control)
    control.ctl("ban", "--address", c1.address, "--for", 1)
    control.ctl("ban", "--address", c2.address, "--for", 2)
    assert not held(gateway)
    assert eventually(lambda: held(gateway), 1.5)
    assert {m.internal for m in kernel.mappings(gateway)} == {c1.address}
    assert eventually(lambda: len(held(gateway)) == 4, 1.5)
