# SPDX-License-Identifier: GPL-2.0-or-later
"""Interfaces and addresses that are several, absent, come, go, and come back."""

import pytest

import kernel
import wire
from lab import EXTERNAL, PEERS, Client, Lab
from netns import eventually
from wire import UDP

WITHIN_S = 3.0


@pytest.fixture
def lab():
    """Of its own for each test: interfaces change."""
    with Lab("veth", clients=2) as lab:
        yield lab


def answers(client, to=None):
    """True when the gateway gives the client its external address."""
    reply = client.ask(wire.NATPMP_EXTERNAL, to=to, timeout=0.1)
    return reply is not None and reply[3] == 0


def cut(lab, number):
    """Remove the tunnel of a client."""
    lab.gateway.ip(f"link delete tun{number - 1}\n")


def join(lab, number, name=None):
    """Make the tunnel of a client anew, under the same name or another."""
    name = name or f"tun{number - 1}"
    client = lab.clients[number - 1]
    lab.gateway.ip(f"link add {name} type veth peer name tun0 netns {client.ns.name}\n"
                   f"address add {client.gateway}/24 dev {name}\n"
                   f"link set {name} up\n")
    client.ns.ip(f"address add {client.address}/24 dev tun0\n"
                 "link set tun0 up\n"
                 f"route add default via {client.gateway} dev tun0\n")


def test_replies_come_from_the_address_asked(lab, run):
    lab.gateway.ip("address add 10.9.1.9/24 dev tun0\naddress add 10.99.0.1/32 dev tun0\n")
    run(lab.policy())
    c1 = lab.clients[0]
    for address in ("10.9.1.1", "10.9.1.9", "10.99.0.1"):
        assert answers(c1, to=address)
        assert c1.ask(wire.pcp_announce(c1.address), to=address)[3] == 0
    port = c1.natpmp(UDP, 5000).external
    reply = wire.NatpmpMap.parse(c1.ask(wire.natpmp_map(UDP, 5000), to="10.99.0.1"))
    assert reply.external == port, "one table for all addresses"


def test_an_address_that_comes_and_goes(lab, run):
    run(lab.policy())
    c1 = lab.clients[0]
    assert not answers(c1, to="10.99.0.1")
    lab.gateway.ip("address add 10.99.0.1/32 dev tun0\n")
    assert eventually(lambda: answers(c1, to="10.99.0.1"), WITHIN_S)
    lab.gateway.ip("address delete 10.99.0.1/32 dev tun0\n")
    assert answers(c1)
    lab.gateway.ip("address add 10.99.0.1/32 dev tun0\n")
    assert eventually(lambda: answers(c1, to="10.99.0.1"), WITHIN_S)


def test_only_the_addresses_of_the_policy_are_served(lab, run):
    lab.gateway.ip("address add 10.9.1.9/24 dev tun0\n")
    run(lab.policy(tunnels=[{"interface": "tun*", "listen": ["10.9.1.9", "10.9.2.1"]}]))
    c1, c2 = lab.clients
    assert answers(c1, to="10.9.1.9") and answers(c2)
    assert not answers(c1, to="10.9.1.1")


def test_a_tunnel_that_is_absent_is_waited_for(lab, run):
    cut(lab, 1)
    run(lab.policy(tunnels=[{"interface": "vpn7"}]))
    join(lab, 1, "vpn7")
    assert eventually(lambda: answers(lab.clients[0]), WITHIN_S)
    assert lab.clients[0].natpmp(UDP, 5000).result == 0


def test_a_tunnel_that_goes_and_comes_back(lab, run):
    run(lab.policy())
    c1, c2 = lab.clients
    assert answers(c1)
    cut(lab, 1)
    assert answers(c2)
    join(lab, 1)
    assert eventually(lambda: answers(c1), WITHIN_S)
    port = c1.natpmp(UDP, 5000).external
    with c1.udp(5000) as inside, lab.internet.udp(PEERS[0]) as peer:
        peer.sendto(b"hello", (EXTERNAL, port))
        assert inside.recvfrom(10)[0] == b"hello"


def test_a_tunnel_that_is_set_down_and_up(lab, run):
    run(lab.policy())
    c1 = lab.clients[0]
    lab.gateway.ip("link set tun0 down\n")
    lab.gateway.ip("link set tun0 up\n")
    assert eventually(lambda: answers(c1), WITHIN_S)


def test_a_glob_takes_what_matches_now_and_later(lab, run):
    cut(lab, 2)
    run(lab.policy(tunnels=[{"interface": "tun*"}]))
    c1, c2 = lab.clients
    assert answers(c1)
    join(lab, 2, "tun44")
    assert eventually(lambda: answers(c2), WITHIN_S)
    cut_name = "tun44"
    lab.gateway.ip(f"link delete {cut_name}\n")
    join(lab, 2, "other0")
    assert not answers(c2)
    assert answers(c1)


def test_new_tunnels_get_the_same_protection(lab, run):
    """The rules know an interface that came after the daemon."""
    cut(lab, 2)
    run(lab.policy())
    join(lab, 2)
    c2 = lab.clients[1]
    assert eventually(lambda: answers(c2), WITHIN_S)
    lab.internet.ip(f"route add 10.9.2.0/24 via {EXTERNAL}\n")
    with c2.udp(5000, timeout=0.3) as inside, lab.internet.udp(PEERS[0], 9000) as peer:
        peer.sendto(b"injected", (c2.address, 5000))
        with pytest.raises(TimeoutError):
            inside.recv(20)
        inside.sendto(b"out", (PEERS[0], 9000))
        assert peer.recvfrom(10)[1][0] == EXTERNAL


def test_without_an_external_address_requests_fail_and_recover(lab, run):
    run(lab.policy())
    c1 = lab.clients[0]
    assert c1.natpmp(UDP, 5000).result == 0
    lab.gateway.ip(f"address delete {EXTERNAL}/24 dev eth0\n")
    assert eventually(lambda: c1.external().result == wire.NATPMP_NETWORK_FAILURE, WITHIN_S)
    assert c1.external().address == "0.0.0.0"
    refusal = c1.natpmp(UDP, 6000, suggested=20000)
    assert (refusal.result, refusal.internal, refusal.external, refusal.lifetime) == (
        wire.NATPMP_NETWORK_FAILURE, 6000, 0, 0)
    answer = c1.pcp(UDP, 6000)
    assert (answer.result, answer.lifetime) == (wire.NETWORK_FAILURE, wire.SHORT_ERROR_S)
    assert c1.natpmp(UDP, 5000, lifetime=0).result in (0, wire.NATPMP_NETWORK_FAILURE)
    lab.gateway.ip(f"address add {EXTERNAL}/24 dev eth0\n")
    assert eventually(lambda: c1.external().result == 0, WITHIN_S)
    assert c1.natpmp(UDP, 6000).result == 0


def test_a_start_without_an_external_address(lab, run):
    lab.gateway.ip(f"address delete {EXTERNAL}/24 dev eth0\n")
    run(lab.policy())
    c1 = lab.clients[0]
    assert c1.external().result == wire.NATPMP_NETWORK_FAILURE
    lab.gateway.ip(f"address add {EXTERNAL}/24 dev eth0\n")
    assert eventually(lambda: c1.external().result == 0, WITHIN_S)


def test_another_external_address_resets_the_epoch_and_serves_new_mappings(lab, run):
    run(lab.policy())
    c1 = lab.clients[0]
    assert c1.natpmp(UDP, 5000).result == 0
    assert eventually(lambda: c1.external().epoch >= 4, 6)
    lab.gateway.ip(f"address delete {EXTERNAL}/24 dev eth0\n"
                   "address add 203.0.113.2/24 dev eth0\n")
    assert eventually(lambda: c1.external().address == "203.0.113.2", WITHIN_S)
    assert c1.external().epoch <= 3
    port = c1.natpmp(UDP, 5000).external
    assert {m.external for m in kernel.mappings(lab.gateway)} == {"203.0.113.2"}
    with c1.udp(5000) as inside, lab.internet.udp(PEERS[0], 9000) as peer:
        inside.sendto(b"out", (PEERS[0], 9000))
        assert peer.recvfrom(10)[1] == ("203.0.113.2", port)
        peer.sendto(b"in", ("203.0.113.2", port))
        assert inside.recvfrom(10)[0] == b"in"


def test_with_two_external_addresses_mappings_answer_at_the_one_told(lab, run):
    lab.gateway.ip("address add 203.0.113.2/24 dev eth0\n")
    run(lab.policy())
    c1 = lab.clients[0]
    told = c1.external().address
    port = c1.natpmp(UDP, 5000).external
    assert {m.external for m in kernel.mappings(lab.gateway)} == {told}
    with c1.udp(5000) as inside, lab.internet.udp(PEERS[0], 9000) as peer:
        peer.sendto(b"in", (told, port))
        assert inside.recvfrom(10)[0] == b"in"
        inside.sendto(b"out", (PEERS[0], 9000))
        assert peer.recvfrom(10)[1] == (told, port)


def test_an_advertised_address_is_told_in_place_of_the_own(lab, run):
    run(lab.policy(external=[{"interface": "eth0", "advertise": "198.51.100.7"}]))
    c1 = lab.clients[0]
    assert c1.external().address == "198.51.100.7"
    reply = c1.pcp(UDP, 5000)
    assert (reply.result, reply.address) == (0, "198.51.100.7")
    assert {m.external for m in kernel.mappings(lab.gateway)} == {EXTERNAL}
    with c1.udp(5000) as inside, lab.internet.udp(PEERS[0]) as peer:
        peer.sendto(b"in", (EXTERNAL, reply.external))
        assert inside.recvfrom(10)[0] == b"in"


def test_the_default_routes_interface_is_the_external_one(lab, run):
    run(lab.policy(external=[{}]))
    assert lab.clients[0].external().address == EXTERNAL


def test_many_addresses_of_one_client(lab, run):
    space = lab.clients[0].ns
    space.ip("".join(f"address add 10.9.1.{n}/24 dev tun0\n" for n in range(10, 30)))
    run(lab.policy({"mappings": 1}))
    several = [Client(space, f"10.9.1.{n}", "10.9.1.1") for n in range(10, 30)]
    ports = {client.natpmp(UDP, 5000).external for client in several}
    assert len(ports) == 20, "each address is a user of its own"
    assert {m.internal for m in kernel.mappings(lab.gateway)} == {c.address for c in several}
