# SPDX-License-Identifier: GPL-2.0-or-later
"""What packets do: in, out, between clients, and when a mapping ends; over WireGuard."""

import socket
import time

import pytest

import kernel
import wire
from lab import EXTERNAL, PEERS, WIREGUARD_PORT
from netns import eventually, receive
from traffic import Connection, arrives, flows_over
from wire import TCP, UDP

TUNNEL = "wireguard"
POOL = range(10240, 32768)
SHORT_S = 2

pytestmark = pytest.mark.usefixtures("daemon")


def policy_of(lab):
    return lab.policy({"lifetime": {"min": 1, "default": 60, "max": 3600}})


# Inward

def test_udp_from_any_peer_arrives_and_is_answered_from_the_mapped_port(c1, internet):
    target = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    with c1.udp(5000) as inside:
        for address in PEERS:
            with internet.udp(address) as peer:
                source = arrives(peer, target, inside)
                assert source == peer.getsockname()
                assert arrives(inside, source, peer) == target


def test_tcp_from_any_peer(c1, internet):
    target = (EXTERNAL, c1.natpmp(TCP, 5000).external)
    for address in PEERS:
        with Connection(c1, internet, 5000, target, (address, 0)) as connection:
            assert connection.source == connection.peer.getsockname()
            assert connection.passes()


def test_a_pcp_mapping_carries_packets_like_any_other(c1, internet):
    target = (EXTERNAL, c1.pcp(UDP, 5000).external)
    with c1.udp(5000) as inside, internet.udp(PEERS[0]) as peer:
        source = arrives(peer, target, inside)
        assert source and arrives(inside, source, peer) == target


@pytest.mark.parametrize("mapped, other", [(TCP, UDP), (UDP, TCP)])
def test_the_other_protocol_stays_closed(c1, internet, mapped, other):
    target = (EXTERNAL, c1.natpmp(mapped, 5000).external)
    if other == UDP:
        with c1.udp(5000) as inside, internet.udp(PEERS[0]) as peer:
            assert arrives(peer, target, inside) is None
    else:
        with c1.tcp_listen(5000), pytest.raises(OSError):
            internet.tcp_connect(target, timeout=0.4)


def test_an_unmapped_pool_port_is_silent(internet):
    """No RST and no ICMP within the time that RFC 5382 REQ-4 asks for: the SYN times out."""
    with pytest.raises(socket.timeout):
        internet.tcp_connect((EXTERNAL, 20000), timeout=0.5)
    with internet.udp(PEERS[0]) as peer:
        peer.connect((EXTERNAL, 20000))
        peer.send(b"anybody?")
        time.sleep(0.1)
        peer.send(b"an error would show here")


def test_icmp_errors_of_a_mapping_pass_both_ways(c1, internet):
    port = c1.natpmp(UDP, 5000).external
    with c1.udp(5000) as inside:
        inside.connect((PEERS[0], 9))
        inside.send(b"to a closed port")
        with pytest.raises(ConnectionRefusedError):
            inside.recv(10)
    with internet.udp(PEERS[0]) as peer:
        peer.connect((EXTERNAL, port))
        peer.send(b"to a closed port")
        with pytest.raises(ConnectionRefusedError):
            peer.recv(10)


def test_connections_that_end_leave_the_mapping(c1, internet, gateway):
    target = (EXTERNAL, c1.natpmp(TCP, 5000).external)
    (left_before,) = kernel.mappings(gateway).values()
    for abort in (False, True):
        for _ in range(5):
            with Connection(c1, internet, 5000, target) as connection:
                assert connection.passes()
                if abort:
                    connection.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                               b"\1\0\0\0\0\0\0\0")
    (left,) = kernel.mappings(gateway).values()
    assert left > left_before - 5
    with Connection(c1, internet, 5000, target) as connection:
        assert connection.passes()


# Outward

def test_own_packets_leave_from_the_mapped_port_to_everybody(c1, internet):
    mapped = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    with c1.udp(5000) as inside:
        for address in PEERS:
            with internet.udp(address, 9000) as peer:
                assert arrives(inside, (address, 9000), peer) == mapped


def test_own_connections_leave_from_the_mapped_port(c1, internet):
    mapped = (EXTERNAL, c1.natpmp(TCP, 5000).external)
    with internet.tcp_listen(PEERS[0], 9000) as listener:
        with c1.ns.tcp_connect((PEERS[0], 9000), (c1.address, 5000)) as inside:
            accepted, source = listener.accept()
            accepted.close()
            assert inside.recv(1) == b""
    assert source == mapped


def test_an_answer_after_the_flow_was_forgotten_leaves_from_the_mapped_port(
        c1, internet, gateway):
    target = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    with c1.udp(5000) as inside, internet.udp(PEERS[0]) as peer:
        source = arrives(peer, target, inside)
        gateway.run(["conntrack", "-D", "-p", "udp", "--orig-src", PEERS[0]])
        assert arrives(inside, source, peer) == target


def test_a_flow_from_before_the_mapping_takes_its_port(c1, internet):
    with c1.udp(5000) as inside, internet.udp(PEERS[0], 9000) as peer:
        before = arrives(inside, (PEERS[0], 9000), peer)
        assert before[0] == EXTERNAL
        mapped = (EXTERNAL, c1.natpmp(UDP, 5000).external)
        assert eventually(lambda: arrives(inside, (PEERS[0], 9000), peer) == mapped)


def test_a_peer_of_a_flow_from_before_the_mapping_is_seen_as_it_is(c1, internet):
    """An old flow with the same two ends must not make the kernel change the peer's port."""
    with c1.udp(5000) as inside, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(inside, (PEERS[0], 9000), peer)
        mapped = (EXTERNAL, c1.natpmp(UDP, 5000).external)
        assert eventually(lambda: arrives(peer, mapped, inside) == (PEERS[0], 9000))


def test_other_traffic_leaves_outside_the_pool(c1, c2, internet):
    c1.natpmp(UDP, 5000)
    for client in (c1, c2):
        for port in (6000, 20000, 40000):
            with client.udp(port) as inside, internet.udp(PEERS[0], 9000) as peer:
                source = arrives(inside, (PEERS[0], 9000), peer)
                assert source[0] == EXTERNAL and source[1] not in POOL
    with internet.tcp_listen(PEERS[0], 9000) as listener:
        with c1.ns.tcp_connect((PEERS[0], 9000), (c1.address, 20001)):
            accepted, source = listener.accept()
            accepted.close()
    assert source[0] == EXTERNAL and source[1] not in POOL


def test_source_ports_of_other_traffic_stay_within_the_policys(lab, run, c1, internet):
    run(lab.policy(nat={"masquerade-ports": "50000-50009"}))
    with c1.udp(6000) as inside, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(inside, (PEERS[0], 9000), peer)[1] in range(50000, 50010)


def test_where_the_operator_masquerades_only_mapped_ports_are_translated(
        lab, run, c1, internet):
    run(lab.policy(nat={"masquerade": "off"}))
    mapped = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    with c1.udp(5000) as inside, c1.udp(6000) as other, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(inside, (PEERS[0], 9000), peer) == mapped
        assert arrives(other, (PEERS[0], 9000), peer) == (c1.address, 6000)


def test_ping_from_a_client(c1):
    assert c1.ns.run(["ping", "-c", "1", "-W", "2", PEERS[0]]).returncode == 0


# Between clients

def test_a_neighbour_reaches_a_mapping_without_showing_a_tunnel_address(c1, c2):
    target = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    with c1.udp(5000) as inside, c2.udp(6000) as neighbour:
        source = arrives(neighbour, target, inside)
        assert source and source[0] == EXTERNAL and source[1] not in POOL
        assert arrives(inside, source, neighbour) == target


def test_two_mappings_talk_from_mapped_port_to_mapped_port(c1, c2):
    one = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    two = (EXTERNAL, c2.natpmp(UDP, 6000).external)
    with c1.udp(5000) as first, c2.udp(6000) as second:
        assert arrives(second, one, first) == two
        assert arrives(first, two, second) == one


def test_a_neighbour_connects_over_tcp(c1, c2):
    target = (EXTERNAL, c1.natpmp(TCP, 5000).external)
    with Connection(c1, c2.ns, 5000, target, (c2.address, 0)) as connection:
        assert connection.source[0] == EXTERNAL
        assert connection.passes()


def test_a_client_reaches_itself(c1):
    target = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    with c1.udp(5000) as inside, c1.udp(6000) as own:
        source = arrives(own, target, inside)
        assert source and source[0] == EXTERNAL
        assert arrives(inside, source, own) == target


def test_without_hairpin_nothing_passes(lab, run, c1, c2):
    run(lab.policy(nat={"hairpin": False}))
    target = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    with c1.udp(5000) as inside, c2.udp(6000) as neighbour:
        assert arrives(neighbour, target, inside) is None


# Attacks

def test_a_port_is_not_shadowed_by_a_neighbours_source_port(c1, c2, internet):
    port = c1.natpmp(UDP, 5000, suggested=20000).external
    assert port == 20000
    with c2.udp(port) as thief, c1.udp(5000) as inside, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(thief, (PEERS[0], 9000), peer) != (EXTERNAL, port)
        assert arrives(peer, (EXTERNAL, port), inside) == (PEERS[0], 9000)
        assert receive(thief, 0.1) is None


def test_a_port_is_not_shadowed_by_a_flow_from_before(c1, c2, internet):
    with c2.udp(20000) as thief, c1.udp(5000) as inside, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(thief, (PEERS[0], 9000), peer) != (EXTERNAL, 20000)
        assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000
        assert arrives(peer, (EXTERNAL, 20000), inside) == (PEERS[0], 9000)
        assert receive(thief, 0.1) is None


def test_the_vpns_own_port_is_not_shadowed_by_a_clients_source_port(c2, internet):
    with c2.udp(WIREGUARD_PORT) as thief, internet.udp(PEERS[0], 9000) as peer:
        source = arrives(thief, (PEERS[0], 9000), peer)
        assert source[0] == EXTERNAL and source[1] not in (*POOL, WIREGUARD_PORT)


def test_an_early_probe_captures_nothing(c1, internet, gateway):
    with internet.udp(PEERS[0], 9000) as peer, c1.udp(5000) as inside:
        assert arrives(peer, (EXTERNAL, 20000), inside, timeout=0.1) is None
        assert not flows_over(gateway, 20000)
        assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000
        assert arrives(peer, (EXTERNAL, 20000), inside) == (PEERS[0], 9000)


def test_packets_routed_to_a_tunnel_address_do_not_arrive(c1, internet):
    port = c1.natpmp(UDP, 5000).external
    c1.natpmp(TCP, 5000)
    internet.ip(f"route add 10.9.0.0/24 via {EXTERNAL}\n")
    try:
        with internet.udp(PEERS[0], 9000) as peer, c1.udp(5000) as inside, c1.udp(5001) as other:
            assert arrives(peer, (c1.address, 5000), inside) is None
            assert arrives(peer, (c1.address, 5001), other) is None
            assert arrives(peer, (EXTERNAL, port), inside) == (PEERS[0], 9000)
        with c1.tcp_listen(5000), pytest.raises(OSError):
            internet.tcp_connect((c1.address, 5000), timeout=0.4)
    finally:
        internet.ip(f"route delete 10.9.0.0/24 via {EXTERNAL}\n")


def test_answers_to_a_clients_own_packets_do_arrive(c1, internet):
    with c1.udp(7777) as inside, internet.udp(PEERS[0], 9000) as peer:
        source = arrives(inside, (PEERS[0], 9000), peer)
        assert arrives(peer, source, inside) == (PEERS[0], 9000)


def test_the_internet_is_not_answered(c1, internet, gateway):
    requests = (wire.NATPMP_EXTERNAL, wire.natpmp_map(UDP, 5000),
                wire.pcp_map(PEERS[0], UDP, 5000), b"\3\0")
    internet.ip(f"route add 10.9.0.0/24 via {EXTERNAL}\n")
    try:
        with internet.udp(PEERS[0]) as peer:
            for address in (EXTERNAL, c1.gateway):
                for request in requests:
                    peer.sendto(request, (address, wire.PORT))
            assert receive(peer, 0.5) is None
    finally:
        internet.ip(f"route delete 10.9.0.0/24 via {EXTERNAL}\n")
    assert not kernel.mappings(gateway)
    assert not flows_over(gateway, wire.PORT)


@pytest.mark.parametrize("address", [EXTERNAL, "224.0.0.1", "10.9.0.255", "255.255.255.255"])
def test_only_the_tunnels_own_address_is_served(c1, gateway, address):
    with c1.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for request in (wire.NATPMP_EXTERNAL, wire.natpmp_map(UDP, 5000),
                        wire.pcp_map(c1.address, UDP, 5000)):
            sock.sendto(request, (address, wire.PORT))
        assert receive(sock, 0.4) is None
    assert not kernel.mappings(gateway)


@pytest.mark.parametrize("port", [wire.PORT, WIREGUARD_PORT])
def test_the_gateways_own_ports_are_never_mapped(c1, port):
    assert c1.natpmp(UDP, 5000, suggested=port).external not in (0, port)
    refused = c1.pcp(UDP, 5001, suggested=port, options=wire.option(wire.PREFER_FAILURE))
    assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL


def test_a_pool_port_with_a_listener_of_the_gateway_is_not_given(lab, run, gateway, c1, internet):
    with gateway.udp("0.0.0.0", 20000) as service, gateway.tcp_listen("0.0.0.0", 20001):
        run(lab.policy())
        for protocol, port in ((UDP, 20000), (TCP, 20001)):
            assert c1.natpmp(protocol, 5000, suggested=port).external not in (0, port)
        with internet.udp(PEERS[0]) as peer:
            assert arrives(peer, (EXTERNAL, 20000), service) == peer.getsockname()


# The end of a mapping

def test_deletion_cuts_tcp_and_udp_and_leaves_nothing(c1, internet, gateway):
    port = c1.natpmp(TCP, 5000).external
    assert c1.natpmp(UDP, 5000).external == port
    target = (EXTERNAL, port)
    with Connection(c1, internet, 5000, target) as connection, \
            c1.udp(5000) as inside, internet.udp(PEERS[0]) as peer:
        assert connection.passes()
        assert arrives(peer, target, inside)
        for protocol in (TCP, UDP):
            assert c1.natpmp(protocol, 5000, lifetime=0).result == 0
        assert not kernel.mappings(gateway)
        assert eventually(lambda: not flows_over(gateway, port))
        assert arrives(peer, target, inside) is None
        assert not connection.reaches_inside()


def test_deletion_by_pcp_cuts_as_well(c1, internet, gateway):
    nonce = b"n" * 12
    port = c1.pcp(TCP, 5000, nonce=nonce).external
    with Connection(c1, internet, 5000, (EXTERNAL, port)) as connection:
        assert connection.passes()
        assert c1.pcp(TCP, 5000, lifetime=0, nonce=nonce).result == 0
        assert eventually(lambda: not flows_over(gateway, port))
        assert not connection.reaches_inside()


def test_deletion_ends_the_flows_that_left_through_the_mapping(c1, internet, gateway):
    port = c1.natpmp(UDP, 5000).external
    with c1.udp(5000) as inside, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(inside, (PEERS[0], 9000), peer) == (EXTERNAL, port)
        assert arrives(peer, (EXTERNAL, port), inside)
        c1.natpmp(UDP, 5000, lifetime=0)
        assert eventually(lambda: not flows_over(gateway, port))
        assert arrives(peer, (EXTERNAL, port), inside) is None
        assert arrives(inside, (PEERS[0], 9000), peer)[1] not in POOL


def test_deletion_cuts_a_neighbours_flow(c1, c2):
    target = (EXTERNAL, c1.natpmp(UDP, 5000).external)
    with c1.udp(5000) as inside, c2.udp(6000) as neighbour:
        assert arrives(neighbour, target, inside)
        c1.natpmp(UDP, 5000, lifetime=0)
        assert eventually(lambda: arrives(neighbour, target, inside, timeout=0.2) is None)


def test_deletion_spares_all_other_flows(c1, c2, internet):
    gone = (EXTERNAL, c1.natpmp(TCP, 5000).external)
    with Connection(c1, internet, 5000, gone), \
            Connection(c1, internet, 5001, (EXTERNAL, c1.natpmp(TCP, 5001).external)) as own, \
            Connection(c2, internet, 5000, (EXTERNAL, c2.natpmp(TCP, 5000).external)) as other, \
            internet.tcp_listen(PEERS[0], 9000) as listener, \
            c1.ns.tcp_connect((PEERS[0], 9000), (c1.address, 0)) as outward:
        accepted, _ = listener.accept()
        assert own.passes() and other.passes()
        c1.natpmp(TCP, 5000, lifetime=0)
        time.sleep(0.2)
        assert own.passes() and other.passes()
        outward.sendall(b"ping")
        assert accepted.recv(10) == b"ping"
        accepted.close()


def test_expiry_cuts_tcp_and_udp_in_the_same_second(c1, internet, gateway):
    port = c1.natpmp(TCP, 5000, lifetime=SHORT_S).external
    granted = time.monotonic()
    assert c1.natpmp(UDP, 5000, lifetime=SHORT_S).external == port
    target = (EXTERNAL, port)
    with Connection(c1, internet, 5000, target) as connection, \
            c1.udp(5000) as inside, internet.udp(PEERS[0]) as peer:
        assert connection.passes() and arrives(peer, target, inside)
        assert eventually(lambda: not kernel.mappings(gateway), SHORT_S + 2)
        ended = time.monotonic() - granted
        assert SHORT_S - 0.1 < ended < SHORT_S + 1.1
        assert eventually(lambda: not flows_over(gateway, port))
        assert not connection.reaches_inside()
        assert arrives(peer, target, inside) is None
        with c1.tcp_listen(5000), pytest.raises(OSError):
            internet.tcp_connect(target, timeout=0.4)


def test_a_renewal_in_time_keeps_the_connection(c1, internet):
    port = c1.natpmp(TCP, 5000, lifetime=SHORT_S).external
    with Connection(c1, internet, 5000, (EXTERNAL, port)) as connection:
        for _ in range(3):
            time.sleep(0.8)
            assert c1.natpmp(TCP, 5000, suggested=port, lifetime=SHORT_S).external == port
            assert connection.passes()
    assert c1.natpmp(TCP, 5000, lifetime=0).result == 0


def test_the_next_holder_of_a_port_inherits_no_flow(lab, run, c1, c2, internet):
    run(lab.policy({"quarantine": 0}))
    assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000
    with c1.udp(5000) as first, c2.udp(5000) as second, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(peer, (EXTERNAL, 20000), first)
        c1.natpmp(UDP, 5000, lifetime=0)
        assert c2.natpmp(UDP, 5000, suggested=20000).external == 20000
        assert eventually(lambda: arrives(peer, (EXTERNAL, 20000), second, timeout=0.2))
        while receive(first, 0.1):
            pass  # what came before the deletion was through
        peer.sendto(b"later", (EXTERNAL, 20000))
        assert receive(second) and receive(first, 0.1) is None


def test_a_restart_leaves_no_flow_of_the_mappings_that_were(daemon, c1, internet, gateway):
    port = c1.natpmp(TCP, 5000).external
    with Connection(c1, internet, 5000, (EXTERNAL, port)) as connection:
        assert connection.passes()
        assert daemon.stop() == 0
        assert connection.passes(), "stopping leaves the mappings in the kernel"
        daemon.start()
        assert not kernel.mappings(gateway)
        assert eventually(lambda: not flows_over(gateway, port))
        assert not connection.reaches_inside()
