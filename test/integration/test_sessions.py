# SPDX-License-Identifier: GPL-2.0-or-later
"""
Who is behind an address as WireGuard and session hooks tell it, what ends with a peer or a
session, and the guard against Port Fail; over WireGuard.
"""

import json
import time

import pytest

import kernel
import wire
from control import Control, Watch
from lab import EXTERNAL, PEERS
from netns import eventually, receive
from traffic import Connection, arrives, flows_over, is_forwarded
from wire import TCP, UDP

TUNNEL = "wireguard"
CLIENTS = 3
RENAME = False
PEER_GONE_S = 5.0
FLOW_GONE_S = 1.0
FRIENDS = range(20000, 20100)
PREFER_FAILURE = wire.option(wire.PREFER_FAILURE)


def policy_of(lab, users=None, **sections):
    """alice is the first client by her key; nobody else is named, unless `users` says so."""
    generous = {"rate": 10000, "mappings": 1000}
    return lab.policy(**{
        "classes": {"default": {**generous, "ports": "10240-19999"},
                    "friends": {**generous, "ports": f"{FRIENDS.start}-{FRIENDS.stop - 1}"}},
        "users": users or {"alice": {"class": "friends",
                                     "wireguard": [lab.clients[0].public_key]}},
        **sections})


@pytest.fixture(autouse=True)
def peers(lab):
    """After each test the peers are as they were at first."""
    yield
    lab.restore_peers()


@pytest.fixture
def control_of(run):
    """Start a daemon with a policy: it and its admin."""
    def start(policy):
        daemon = run(policy)
        return daemon, Control(daemon.control)

    return start


def user_of(control, address):
    return control.explain(address, "udp", 5000)["user"]


def held_by(gateway, client):
    return [mapping for mapping in kernel.mappings(gateway)
            if mapping.internal == client.address]


# WireGuard

def test_a_key_gives_its_peers_addresses_the_users_class(daemon, c1, c2, control):
    for client, ports, name in ((c1, FRIENDS, "alice"), (c2, range(10240, 20000), c2.address)):
        reply = client.natpmp(UDP, 5000)
        assert reply.result == 0 and reply.external in ports
        (mapping,) = control.mappings(address=client.address)
        assert mapping["user"] == name
    alice = control.user("alice")
    assert alice["connected"] and alice["addresses"] == [c1.address]


def test_a_second_allowed_address_shares_the_quota(lab, run, c1):
    second = c1.at("10.9.0.30")
    c1.ns.ip(f"address add {second.address}/24 dev wg0\n")
    lab.set_peer(c1, "allowed-ips", f"{c1.address}/32,{second.address}/32")
    run(policy_of(lab, classes={"default": {}, "friends": {"mappings": 1}}))
    assert second.natpmp(UDP, 5000).result == 0
    assert c1.natpmp(UDP, 5000).result == wire.NATPMP_NO_RESOURCES
    c1.ns.ip(f"address delete {second.address}/24 dev wg0\n")


def test_a_removed_peers_mappings_and_flows_go(lab, daemon, c1, c2, internet, gateway, control):
    port = c1.natpmp(TCP, 5000).external
    assert c1.natpmp(UDP, 5000).external == port
    other = c2.natpmp(UDP, 6000).external
    with c1.udp(5000) as inside, internet.udp(PEERS[0]) as peer, \
            Connection(c1, internet, 5000, (EXTERNAL, port)) as connection:
        assert connection.passes() and arrives(peer, (EXTERNAL, port), inside)
        lab.remove_peer(c1)
        removed = time.monotonic()
        assert eventually(lambda: not held_by(gateway, c1) and not flows_over(gateway, port),
                          PEER_GONE_S)
        print(f"gone after {time.monotonic() - removed:.1f} s")
    assert not kernel.flows(gateway, f"src={c1.address}")
    assert not control.user("alice")["connected"]
    assert [m.external_port for m in kernel.mappings(gateway)] == [other]
    assert is_forwarded(c2, 6000, internet, PEERS[0], other)


def test_a_peer_that_comes_gets_its_users_class(lab, daemon, c1, control):
    lab.remove_peer(c1)
    assert eventually(lambda: not control.user("alice")["connected"], PEER_GONE_S)
    lab.restore_peer(c1)
    assert eventually(lambda: control.user("alice")["connected"], PEER_GONE_S)
    assert c1.natpmp(UDP, 5000).external in FRIENDS


def test_an_address_given_to_another_peer_takes_nothing_along(
        lab, run, c1, c2, internet, gateway):
    control = Control(run(policy_of(lab, {
        "alice": {"class": "friends", "wireguard": [c1.public_key]},
        "bob": {"class": "friends", "wireguard": [c2.public_key]}})).control)
    heir = c2.at(c1.address)
    port = c1.natpmp(UDP, 5000).external
    with internet.udp(PEERS[0], 9000) as peer:
        with c1.udp(5000) as inside:
            assert arrives(peer, (EXTERNAL, port), inside)
        # WireGuard takes an address from its peer when another gets it.
        lab.set_peer(c2, "allowed-ips", f"{c2.address}/32,{c1.address}/32")
        lab.set_peer(c1, "allowed-ips", "")
        assert eventually(lambda: not held_by(gateway, c1) and not flows_over(gateway, port),
                          PEER_GONE_S)
        assert user_of(control, c1.address) == "bob"
        c2.ns.ip(f"address add {heir.address}/24 dev wg0\n")
        try:
            with heir.udp(5000) as inside:
                peer.sendto(b"for the one before", (EXTERNAL, port))
                assert receive(inside) is None
            refused = heir.pcp(UDP, 5000, port, options=PREFER_FAILURE)
            assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL
            reply = heir.natpmp(UDP, 5000)
            assert reply.result == 0 and reply.external != port
            (mapping,) = control.mappings(user="bob")
            assert mapping["internal_address"] == heir.address
        finally:
            c2.ns.ip(f"address delete {heir.address}/24 dev wg0\n")


def test_a_static_port_of_a_key_follows_its_peer(lab, run, c1, internet, gateway):
    run(policy_of(lab, {"alice": {"class": "friends", "wireguard": [c1.public_key],
                                  "static": [{"port": 20050, "internal-port": 5000}]}}))
    assert is_forwarded(c1, 5000, internet, PEERS[0], 20050)
    lab.remove_peer(c1)
    assert eventually(lambda: not kernel.mappings(gateway), PEER_GONE_S)
    lab.restore_peer(c1)
    assert eventually(lambda: len(held_by(gateway, c1)) == 2, PEER_GONE_S)
    assert is_forwarded(c1, 5000, internet, PEERS[0], 20050)


def test_with_a_peers_network_go_the_flows_of_its_addresses(
        lab, daemon, c2, internet, gateway):
    """Also those of addresses that the peer has by a prefix, and that hold no mapping."""
    lab.set_peer(c2, "allowed-ips", f"{c2.address}/32,10.9.0.64/28")
    inner, mapped = c2.at("10.9.0.66"), c2.at("10.9.0.67")
    both = "".join(f"address {{0}} {client.address}/24 dev wg0\n" for client in (inner, mapped))
    c2.ns.ip(both.format("add"))
    try:
        time.sleep(2.5)  # until the daemon has seen the peer
        port = mapped.natpmp(UDP, 5000).external
        with inner.udp(7000) as outward, internet.udp(PEERS[0], 9000) as peer:
            source = arrives(outward, (PEERS[0], 9000), peer)
            assert arrives(peer, source, outward)
            lab.set_peer(c2, "allowed-ips", f"{c2.address}/32")
            assert eventually(lambda: not held_by(gateway, mapped), PEER_GONE_S)
            assert eventually(lambda: not kernel.flows(gateway, f"src={inner.address}"), 2)
            assert not flows_over(gateway, port)
    finally:
        c2.ns.ip(both.format("delete"))


def test_a_key_goes_before_an_address_and_a_session_before_both(lab, run, c1):
    control = Control(run(policy_of(lab, {
        "alice": {"class": "friends", "wireguard": [c1.public_key]},
        "bob": {"addresses": [c1.address]}})).control)
    assert user_of(control, c1.address) == "alice"
    control.session_up(c1.address, "bob")
    assert user_of(control, c1.address) == "bob"
    control.session_down(c1.address)
    assert user_of(control, c1.address) == "alice"
    lab.remove_peer(c1)
    assert eventually(lambda: user_of(control, c1.address) == "bob", PEER_GONE_S)


def test_a_reload_does_not_touch_what_a_user_by_key_has(
        lab, run, c1, internet, gateway):
    static = {"port": 20050, "internal-port": 5050}
    users = {"alice": {"class": "friends", "wireguard": [c1.public_key], "static": [static]}}
    daemon = run(policy_of(lab, users))
    control = Control(daemon.control)
    port = c1.natpmp(TCP, 5000).external
    before = set(kernel.mappings(gateway))
    with Connection(c1, internet, 5000, (EXTERNAL, port)) as connection, \
            Connection(c1, internet, 5050, (EXTERNAL, 20050)) as other:
        for number in range(5):
            daemon.configure(policy_of(lab, {**users, f"user{number}": {}}))
            status, answer = control.reload()
            assert (status, answer["changes"]["revoked"], answer["changes"]["kept"]) == (200, 0, 3)
            assert set(kernel.mappings(gateway)) == before
            assert connection.passes() and other.passes()


def test_a_reload_that_names_a_peers_key_does_not_touch_its_mappings(
        lab, daemon, c2, internet, gateway, control):
    port = c2.natpmp(TCP, 5000).external
    with Connection(c2, internet, 5000, (EXTERNAL, port)) as connection:
        daemon.configure(policy_of(lab, {"bob": {"wireguard": [c2.public_key]}}))
        status, answer = control.reload()
        assert (status, answer["changes"]["revoked"]) == (200, 0)
        assert connection.passes()
    (mapping,) = control.mappings()
    assert (mapping["user"], mapping["external_port"]) == ("bob", port)


@pytest.mark.parametrize("heir", ["bob", None])
def test_a_reload_that_takes_a_key_from_a_user_ends_her_mappings(
        lab, daemon, c1, internet, gateway, control, heir):
    port = c1.natpmp(TCP, 5000).external
    with Connection(c1, internet, 5000, (EXTERNAL, port)) as connection:
        daemon.configure(policy_of(lab, {heir or "carol": {
            "class": "friends", **({"wireguard": [c1.public_key]} if heir else {})}}))
        checked = control.ctl_json("check", daemon.config)["changes"]
        status, answer = control.reload()
        assert status == 200
        assert not kernel.mappings(gateway)
        assert eventually(lambda: not connection.reaches_inside(0.2))
    assert checked["revoked"] == 1
    assert answer["changes"] == checked
    assert user_of(control, c1.address) == (heir or c1.address)


# Sessions

def test_a_session_gives_the_address_its_user_and_class(daemon, c1, c2, c3, control):
    control.session_up(c2.address, "carol", "--class", "friends")
    control.session_up(c3.address, "dave")
    assert c2.natpmp(UDP, 5000).external in FRIENDS
    assert c3.natpmp(UDP, 5000).external not in FRIENDS
    for client, name in ((c2, "carol"), (c3, "dave")):
        (mapping,) = control.mappings(user=name)
        assert mapping["internal_address"] == client.address
        assert control.user(name)["connected"]
    assert control.ctl("session", "up", "--address", c2.address, "--user", "carol",
                       "--class", "nobles", check=False).returncode == 1
    assert len(control.mappings(user="carol")) == 1, "a refused message changes nothing"


def test_a_session_of_a_user_of_the_policy_has_his_class(daemon, c2, control):
    control.session_up(c2.address, "alice", "--id", "1")
    assert c2.natpmp(UDP, 5000).external in FRIENDS
    control.session_down(c2.address, "--id", "1")
    assert user_of(control, c2.address) == c2.address


def test_a_session_up_of_the_same_session_touches_nothing(daemon, c2, internet, control):
    control.session_up(c2.address, "carol", "--id", "1")
    port = c2.natpmp(TCP, 5000).external
    with Connection(c2, internet, 5000, (EXTERNAL, port)) as connection:
        control.session_up(c2.address, "carol", "--id", "1")
        time.sleep(0.3)
        assert connection.passes()


def test_with_a_session_end_its_mappings_and_conversations(
        daemon, c2, internet, gateway, control):
    control.session_up(c2.address, "carol", "--id", "1")
    port = c2.natpmp(TCP, 5000).external
    assert c2.natpmp(UDP, 5000).external == port
    with c2.udp(5000) as inside, c2.udp(7000) as outward, internet.udp(PEERS[0], 9000) as peer, \
            internet.tcp_listen(PEERS[0], 9001) as listener, \
            Connection(c2, internet, 5000, (EXTERNAL, port)) as connection, \
            c2.ns.tcp_connect((PEERS[0], 9001), (c2.address, 0)) as own:
        accepted, _ = listener.accept()
        source = arrives(outward, (PEERS[0], 9000), peer)
        assert connection.passes() and arrives(peer, (EXTERNAL, port), inside) and source
        assert arrives(peer, source, outward)
        with Watch(control) as watch:
            control.session_down(c2.address, "--id", "1")
            ended = time.monotonic()
            assert not kernel.mappings(gateway)
            assert eventually(lambda: not flows_over(gateway, port) and not kernel.flows(
                gateway, f"src={c2.address}"), FLOW_GONE_S)
            assert time.monotonic() - ended < FLOW_GONE_S + 0.2
        assert not connection.reaches_inside()
        assert not connection.reaches_outside()
        assert arrives(peer, (EXTERNAL, port), inside) is None
        assert arrives(peer, source, outward) is None, "a flow that left without a mapping"
        own.settimeout(0.4)
        accepted.sendall(b"still?")
        with pytest.raises(OSError):
            own.recv(10)
        accepted.close()
    assert watch.kinds().count("ended") == 2 and watch.kinds().count("session-down") == 1


def test_the_next_user_of_an_address_inherits_nothing(daemon, c2, internet, gateway, control):
    control.session_up(c2.address, "carol", "--id", "1")
    port = c2.natpmp(UDP, 5000).external
    with c2.udp(5000) as inside, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(peer, (EXTERNAL, port), inside)
        control.session_down(c2.address, "--id", "1")
        control.session_up(c2.address, "dave", "--id", "2")
        assert eventually(lambda: not flows_over(gateway, port))
        while receive(inside, 0.1):
            pass
        peer.sendto(b"for carol", (EXTERNAL, port))
        assert receive(inside) is None
        assert not control.mappings()
        refused = c2.pcp(UDP, 5000, port, options=PREFER_FAILURE)
        assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL
        reply = c2.natpmp(UDP, 5000)
        assert reply.result == 0 and reply.external != port
        assert control.user("dave")["held"] == 1


def test_without_a_down_the_next_user_inherits_nothing_either(
        daemon, c2, internet, gateway, control):
    control.session_up(c2.address, "carol", "--id", "1")
    port = c2.natpmp(TCP, 5000).external
    with Connection(c2, internet, 5000, (EXTERNAL, port)) as connection:
        assert connection.passes()
        control.session_up(c2.address, "dave", "--id", "2")
        assert not kernel.mappings(gateway)
        assert eventually(lambda: not flows_over(gateway, port))
        assert not connection.reaches_inside() and not connection.reaches_outside()


def test_an_unknown_users_mapping_ends_when_a_session_begins(
        daemon, c2, gateway, control):
    port = c2.natpmp(UDP, 5000).external
    control.session_up(c2.address, "carol")
    assert not kernel.mappings(gateway)
    refused = c2.pcp(UDP, 5000, port, options=PREFER_FAILURE)
    assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL


def test_a_late_down_does_not_end_a_newer_session(daemon, c2, internet, gateway, control):
    control.session_up(c2.address, "carol", "--id", "old")
    control.session_up(c2.address, "carol", "--id", "new")
    port = c2.natpmp(TCP, 5000).external
    with Connection(c2, internet, 5000, (EXTERNAL, port)) as connection:
        late = control.session_down(c2.address, "--id", "old", check=False)
        assert late.returncode == 1 and late.stderr.strip()
        time.sleep(0.3)
        assert connection.passes()
        assert len(held_by(gateway, c2)) == 1
        assert user_of(control, c2.address) == "carol"
    control.session_down(c2.address, "--id", "new")
    assert not kernel.mappings(gateway)
    nobody = control.session_down(c2.address, check=False)
    assert nobody.returncode == 1


def test_a_user_comes_back_to_the_same_port_at_another_address(daemon, c2, c3, control):
    """The port of a session that ended rests, but not for its own user."""
    control.session_up(c2.address, "carol")
    port = c2.natpmp(UDP, 5000).external
    control.session_down(c2.address)
    control.session_up(c3.address, "carol")
    assert c3.natpmp(UDP, 5000, suggested=port).external == port


def test_sessions_of_one_user_share_a_quota(lab, run, c2, c3):
    control = Control(run(policy_of(lab, classes={
        "default": {"mappings": 1}, "friends": {}})).control)
    for client in (c2, c3):
        control.session_up(client.address, "carol")
    assert c2.natpmp(UDP, 5000).result == 0
    assert c3.natpmp(UDP, 5000).result == wire.NATPMP_NO_RESOURCES
    control.session_down(c2.address)
    assert c3.natpmp(UDP, 5000).result == 0


def test_the_end_of_one_session_leaves_the_class_of_another(daemon, c2, c3, control):
    for client in (c2, c3):
        control.session_up(client.address, "carol", "--class", "friends")
    port = c2.natpmp(UDP, 5000).external
    control.session_down(c3.address)
    assert control.user("carol")["class"] == "friends"
    assert c2.natpmp(UDP, 5001).external in FRIENDS
    assert c2.natpmp(UDP, 5000).external == port


def test_a_session_keeps_its_class_over_a_reload(lab, c2, c3, control_of):
    users = {"bob": {}}
    daemon, control = control_of(policy_of(lab, users))
    control.session_up(c2.address, "bob", "--class", "friends")
    control.session_up(c3.address, "carol", "--class", "friends")
    ports = [client.natpmp(UDP, 5000).external for client in (c2, c3)]
    assert all(port in FRIENDS for port in ports)
    daemon.configure(policy_of(lab, {**users, "dave": {}}))
    status, answer = control.reload()
    assert (status, answer["changes"]["revoked"], answer["changes"]["kept"]) == (200, 0, 2)
    for client, port in zip((c2, c3), ports):
        assert client.natpmp(UDP, 5000).external == port
        assert client.natpmp(UDP, 5001).external in FRIENDS


def test_a_session_makes_a_refused_stranger_a_user(lab, c2, control_of):
    _, control = control_of(policy_of(lab, **{"unknown-users": "refuse"}))
    assert c2.natpmp(UDP, 5000).result == wire.NOT_AUTHORIZED
    control.session_up(c2.address, "alice")
    assert c2.natpmp(UDP, 5000).result == 0
    control.session_down(c2.address)
    assert c2.natpmp(UDP, 5000).result == wire.NOT_AUTHORIZED


def test_many_sessions_come_and_go_while_others_are_served(
        daemon, c1, c2, internet, control, capsys):
    """Each ends a mapping and its flows; a neighbour's conversation notices nothing."""
    port = c1.natpmp(TCP, 5000).external
    began = time.monotonic()
    with Connection(c1, internet, 5000, (EXTERNAL, port)) as connection:
        for number in range(100):
            body = json.dumps({"user": f"user{number % 7}", "id": str(number)})
            assert control.call("PUT", f"/v1/sessions/{c2.address}", body)[0] == 200
            assert c2.natpmp(UDP, 5000 + number % 3).result == 0
            assert len(control.mappings(address=c2.address)) == 1
            if number % 2:
                assert control.call("DELETE", f"/v1/sessions/{c2.address}")[0] == 200
                assert not control.mappings(address=c2.address)
        took = time.monotonic() - began
        assert connection.passes()
    with capsys.disabled():
        print(f"\n    100 sessions with a mapping each in {took:.2f} s")


def test_a_ban_of_a_user_holds_at_every_address(daemon, c2, c3, gateway, control):
    control.session_up(c2.address, "carol")
    assert c2.natpmp(UDP, 5000).result == 0
    control.ctl("ban", "--user", "carol")
    assert not kernel.mappings(gateway)
    control.session_down(c2.address)
    control.session_up(c3.address, "carol")
    assert c3.natpmp(UDP, 5000).result == wire.NOT_AUTHORIZED
    assert c2.natpmp(UDP, 5000).result == 0, "the address is somebody else's now"


def test_a_session_at_an_ipv6_address(daemon, control):
    control.session_up("fd00:9::2", "carol", "--id", "1")
    assert control.user("carol")["addresses"] == ["fd00:9::2"]
    control.session_down("fd00:9::2", "--id", "1")
    carol = control.user("carol")
    assert carol is None or not carol["connected"]


def test_a_static_port_comes_and_goes_with_its_users_session(
        lab, run, c2, c3, internet, gateway):
    control = Control(run(policy_of(lab, {"carol": {
        "class": "friends", "static": [{"port": 20050, "internal-port": 5000,
                                        "protocols": ["udp"]}]}})).control)
    assert not kernel.mappings(gateway)
    control.session_up(c2.address, "carol", "--id", "1")
    assert is_forwarded(c2, 5000, internet, PEERS[0], 20050)
    control.session_down(c2.address, "--id", "1")
    assert not kernel.mappings(gateway)
    control.session_up(c3.address, "carol", "--id", "2")
    assert is_forwarded(c3, 5000, internet, PEERS[0], 20050)


# Port Fail

def with_outer_address(lab, client, address):
    """Let a packet with this source reach the gateway's external interface."""
    lab.internet.ip(f"address add {address}/32 dev lo\n")
    # Strict reverse-path filtering is the kernel's; here the guard is to be seen.
    for name in ("all", "eth0"):
        lab.gateway.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)


@pytest.fixture
def outer(lab, c2):
    """
    The Internet side has the second client's underlay address, too, as if its packets took
    the way past the tunnel.
    """
    with_outer_address(lab, c2, c2.outer)
    with_outer_address(lab, c2, "192.0.2.200")
    yield c2.outer
    for address in (c2.outer, "192.0.2.200"):
        lab.internet.ip(f"address delete {address}/32 dev lo\n")


def test_what_a_peer_sends_past_its_tunnel_is_dropped(lab, daemon, c1, c2, outer, internet):
    assert c2.external().result == 0, "the gateway knows where the peer is"
    port = c1.natpmp(UDP, 5000).external
    with c1.udp(5000) as inside, internet.udp(outer, 9000) as past, \
            internet.udp("192.0.2.200", 9000) as stranger, internet.udp(PEERS[0]) as peer:
        assert arrives(stranger, (EXTERNAL, port), inside) == ("192.0.2.200", 9000)
        assert arrives(peer, (EXTERNAL, port), inside)
        assert eventually(lambda: arrives(past, (EXTERNAL, port), inside, timeout=0.3) is None,
                          PEER_GONE_S)
        assert arrives(past, (EXTERNAL, port), inside) is None
        with c2.udp(6000) as neighbour:
            assert arrives(neighbour, (EXTERNAL, port), inside), "through the tunnel it may"


def test_the_guard_knows_a_peer_that_stood_at_the_start(lab, run, c1, c2, outer, internet):
    assert c2.ns.run(["ping", "-c", "1", "-W", "2", c2.gateway])
    run(policy_of(lab))
    port = c1.natpmp(UDP, 5000).external
    with c1.udp(5000) as inside, internet.udp(outer, 9000) as past:
        assert arrives(past, (EXTERNAL, port), inside) is None


def test_the_guard_survives_a_reload(lab, daemon, c1, c2, outer, internet, control):
    assert control.reload()[0] == 200
    port = c1.natpmp(UDP, 5000).external
    with c1.udp(5000) as inside, internet.udp(outer, 9000) as past:
        assert arrives(past, (EXTERNAL, port), inside) is None


def test_the_guard_follows_a_peer_to_another_outer_address(
        lab, daemon, c1, c2, outer, internet):
    port = c1.natpmp(UDP, 5000).external
    with c1.udp(5000) as inside, internet.udp("192.0.2.200", 9000) as past:
        assert arrives(past, (EXTERNAL, port), inside)
        # Nothing of the peer may tell the gateway meanwhile that it is where it was.
        c2.ns.ip("link set eth0 down\n")
        try:
            lab.set_peer(c2, "endpoint", "192.0.2.200:40000")
            assert eventually(
                lambda: arrives(past, (EXTERNAL, port), inside, timeout=0.3) is None, PEER_GONE_S)
        finally:
            c2.ns.ip("link set eth0 up\n")


def test_without_the_guard_it_passes(lab, run, c1, c2, outer, internet):
    run(policy_of(lab, nat={"port-fail-guard": False}))
    port = c1.natpmp(UDP, 5000).external
    with c1.udp(5000) as inside, internet.udp(outer, 9000) as past:
        assert arrives(past, (EXTERNAL, port), inside) == (outer, 9000)
