# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT-PMP as RFC 6886 has it: formats, results, creating, renewing, deleting, the epoch."""

import re
import threading
import time

import pytest

import kernel
import wire
from expect import matches, octets, silence
from lab import EXTERNAL
from netns import eventually
from wire import TCP, UDP

POOL = range(10240, 32768)


@pytest.fixture
def refusing(lab, run):
    """A gateway that gives its clients UDP ports only."""
    return run(lab.policy({"protocols": ["udp"]}))


def held(gateway):
    """What the kernel maps, as (protocol, external port, internal address, internal port)."""
    return {(m.protocol, m.external_port, m.internal, m.internal_port)
            for m in kernel.mappings(gateway)}


# Formats (3.2, 3.3)

def test_external_address(daemon, c1):
    matches(c1.ask(octets("0000")), "0080 0000 ........ cb007101")


def test_a_longer_address_request_is_answered_like_the_plain_one(daemon, c1):
    for length in (4, 12, 60):
        matches(c1.ask(bytes(length)), "0080 0000 ........ cb007101")


def test_map_udp(daemon, c1):
    matches(c1.ask(octets("00010000 13880000 0000003c")), "00810000 ........ 1388.... 0000003c")


def test_map_tcp(daemon, c1):
    matches(c1.ask(octets("00020000 13880000 0000003c")), "00820000 ........ 1388.... 0000003c")


def test_the_reserved_field_is_ignored(daemon, c1, gateway):
    reply = c1.ask(octets("0001ffff 13884e20 0000003c"))
    matches(reply, "00810000 ........ 13884e20 0000003c")
    assert held(gateway) == {("udp", 20000, c1.address, 5000)}


@pytest.mark.parametrize("length", range(2, 12))
def test_a_cut_map_request_is_dropped(daemon, c1, gateway, length):
    silence(c1, octets("00010000 13880000 0000003c")[:length])
    assert not held(gateway)


def test_a_longer_map_request_is_answered_like_the_plain_one(daemon, c1):
    request = octets("00010000 13884e20 0000003c")
    for padding in (1, 4, 48):
        matches(c1.ask(request + bytes(padding)), "00810000 ........ 13884e20 0000003c")


def test_source_port_5350_is_served(daemon, c1):
    with c1.socket(5350) as sock:
        matches(c1.ask(octets("0000"), sock=sock), "0080 0000 ........ cb007101")


# Results (3.5)

@pytest.mark.parametrize("opcode", [3, 7, 64, 127])
def test_an_unknown_opcode_returns_the_request_with_result_5(daemon, c1, opcode):
    matches(c1.ask(octets(f"00{opcode:02x}aabb 13880000 00000e10")),
            f"00{opcode | 0x80:02x}0005 ........ 00000e10")
    matches(c1.ask(octets(f"00{opcode:02x}")), f"00{opcode | 0x80:02x}0005 ........")


def test_a_refusal_names_the_internal_port_and_nothing_else(refusing, c1, gateway):
    matches(c1.ask(octets("00020000 00160016 00000e10")), "00820002 ........ 00160000 00000000")
    assert not held(gateway)


def test_a_refusal_carries_the_epoch(refusing, c1):
    refused, given, asked = c1.natpmp(TCP, 22), c1.natpmp(UDP, 22), c1.external()
    assert refused.result == wire.NOT_AUTHORIZED and given.result == 0
    assert refused.epoch <= given.epoch <= asked.epoch <= refused.epoch + 1


def test_internal_ports_outside_the_policy_are_refused(lab, run, c1, gateway):
    run(lab.policy({"internal-ports": "1024-65535"}))
    assert c1.natpmp(UDP, 1023).result == wire.NOT_AUTHORIZED
    assert c1.natpmp(UDP, 1024).result == 0
    assert len(held(gateway)) == 1


def test_an_empty_pool_is_result_4_and_a_taken_suggestion_is_not(lab, run, c1, c2, gateway):
    run(lab.policy(nat={"ports": "20000-20001"}))
    first = c1.natpmp(UDP, 5000, suggested=20000)
    second = c2.natpmp(UDP, 5000, suggested=20000)
    assert (first.result, first.external) == (0, 20000)
    assert (second.result, second.external) == (0, 20001)
    before = held(gateway)
    matches(c1.ask(wire.natpmp_map(UDP, 6000, 20000, 60)), "00810004 ........ 17700000 00000000")
    assert held(gateway) == before
    assert c2.natpmp(UDP, 5000).result == 0, "a renewal needs no free port"


def test_the_quota_is_result_4_and_spares_renewals_and_others(lab, run, c1, c2, gateway):
    run(lab.policy({"mappings": 2}))
    ports = [c1.natpmp(UDP, internal).external for internal in (5000, 5001)]
    assert c1.natpmp(TCP, 5000).result == 0, "a pair on one port counts once"
    matches(c1.ask(wire.natpmp_map(UDP, 5002)), "00810004 ........ 138a0000 00000000")
    assert c1.natpmp(UDP, 5000).external == ports[0]
    assert c2.natpmp(UDP, 5000).result == 0
    assert c1.natpmp(UDP, 5001, lifetime=0).result == 0
    assert c1.natpmp(UDP, 5002).result == 0
    assert len(held(gateway)) == 4


def test_internal_port_0_is_refused_unless_the_policy_assigns_it(daemon, c1, gateway):
    matches(c1.ask(octets("00010000 00000001 0000003c")), "00810002 ........ 00000000 00000000")
    assert not held(gateway)


def test_internal_port_0_where_the_policy_assigns_it(lab, run, c1, gateway):
    run(lab.policy(protocols={"internal-port-zero": "assign"}))
    first = wire.NatpmpMap.parse(c1.ask(octets("00010000 00000001 0000003c")))
    assert (first.result, first.internal, first.lifetime) == (0, 0, 60)
    assert first.external in POOL
    assert held(gateway) == {("udp", first.external, c1.address, first.external)}
    for opcode in ("0001", "0002"):
        again = wire.NatpmpMap.parse(c1.ask(octets(opcode + "0000 00000001 0000003c")))
        assert (again.result, again.internal, again.external) == (0, 0, first.external)
    assert held(gateway) == {(protocol, first.external, c1.address, first.external)
                             for protocol in ("udp", "tcp")}


# Creating and renewing (3.3)

def test_a_mapping_points_to_the_packets_source(daemon, c1, c2, gateway):
    port = c1.natpmp(UDP, 5000).external
    other = c2.natpmp(UDP, 5000).external
    assert held(gateway) == {("udp", port, c1.address, 5000), ("udp", other, c2.address, 5000)}
    assert all(m.external == EXTERNAL for m in kernel.mappings(gateway))


def test_only_the_protocol_that_was_asked_is_mapped(daemon, c1, gateway):
    port = c1.natpmp(TCP, 5000).external
    assert held(gateway) == {("tcp", port, c1.address, 5000)}


def test_the_companion_port_is_kept_for_the_same_client(daemon, c1, c2):
    assert c1.natpmp(TCP, 5000, suggested=20000).external == 20000
    stranger = c2.natpmp(UDP, 5000, suggested=20000)
    assert stranger.result == 0 and stranger.external != 20000
    assert c2.pcp(UDP, 5001, suggested=20000).external not in (0, 20000)
    refused = c2.pcp(UDP, 5002, suggested=20000, options=wire.option(wire.PREFER_FAILURE))
    assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000


@pytest.mark.parametrize("suggested", [0, 1])
def test_the_companion_gets_the_same_number(daemon, c1, suggested):
    port = c1.natpmp(UDP, 5000).external
    assert c1.natpmp(TCP, 5000, suggested=suggested).external == port


def test_suggestion_0_gets_a_port_of_the_pool(daemon, c1):
    ports = {c1.natpmp(UDP, internal).external for internal in range(80, 180)}
    assert len(ports) == 100 and all(port in POOL for port in ports)
    steps = sorted(ports)
    assert max(b - a for a, b in zip(steps, steps[1:])) > 2, "next-free choice"


def test_a_free_suggestion_is_granted(daemon, c1):
    for port in (10240, 20000, 32767):
        assert c1.natpmp(UDP, port, suggested=port).external == port


@pytest.mark.parametrize("suggested", [1, 22, 80, 5351, 10239, 32768, 51820, 65535])
def test_a_suggestion_outside_the_pool_gets_another_port(daemon, c1, suggested):
    reply = c1.natpmp(UDP, 5000, suggested=suggested)
    assert reply.result == 0 and reply.external in POOL


def test_a_taken_suggestion_gets_another_port(daemon, c1, c2):
    assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000
    reply = c2.natpmp(UDP, 5000, suggested=20000)
    assert reply.result == 0 and reply.external in POOL and reply.external != 20000


def test_a_second_request_for_an_internal_port_returns_the_first_port(daemon, c1, gateway):
    assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000
    assert c1.natpmp(UDP, 5000, suggested=21000).external == 20000
    assert len(held(gateway)) == 1


def test_a_repetition_gets_the_same_answer(daemon, c1, gateway):
    request = wire.natpmp_map(UDP, 5000, lifetime=600)
    replies = c1.ask_all([request] * 5)
    assert len(replies) == 5
    assert len({(reply[:4], reply[8:]) for reply in replies}) == 1
    assert len(held(gateway)) == 1


def test_a_renewal_begins_the_lifetime_anew(daemon, c1, gateway):
    c1.natpmp(UDP, 5000, lifetime=100)
    c1.natpmp(UDP, 5000, lifetime=1000)
    (left,) = kernel.mappings(gateway).values()
    assert 900 < left <= 1000 + 30


def test_a_renewal_after_a_restart_gets_its_port_again(daemon, c1):
    port = c1.natpmp(UDP, 5000).external
    assert daemon.stop() == 0
    daemon.start()
    assert c1.natpmp(UDP, 5000, suggested=port).external == port


@pytest.mark.parametrize("asked, granted", [(60, 60), (61, 61), (3600, 3600), (7200, 7200),
                                            (86400, 86400), (86401, 86400), (2**32 - 1, 86400),
                                            (1, 60), (59, 60)])
def test_lifetimes_of_the_default_policy(daemon, c1, gateway, asked, granted):
    assert c1.natpmp(UDP, 5000, lifetime=asked).lifetime == granted
    (left,) = kernel.mappings(gateway).values()
    assert granted < left <= granted + 30


def test_the_kernel_ends_a_mapping_soon_after_its_lease(daemon, c1, gateway):
    c1.natpmp(UDP, 5000, lifetime=600)
    (left,) = kernel.mappings(gateway).values()
    assert 600 < left <= 630


# Expiry and deletion (3.4)

def test_a_mapping_ends_when_its_lifetime_does(lab, run, c1, gateway):
    run(lab.policy({"lifetime": {"min": 1, "default": 60, "max": 3600}}))
    began = time.monotonic()
    assert c1.natpmp(UDP, 5000, lifetime=2).lifetime == 2
    assert c1.natpmp(UDP, 5001, lifetime=600).lifetime == 600
    assert eventually(lambda: len(held(gateway)) == 1, 4)
    assert 1.9 < time.monotonic() - began < 3.1
    assert {m.internal_port for m in kernel.mappings(gateway)} == {5001}


def test_a_renewal_around_the_instant_of_expiry_is_a_renewal_or_a_new_mapping(
        lab, run, c1, gateway):
    run(lab.policy({"lifetime": {"min": 1, "default": 60, "max": 3600}}))
    for early_s in (0.02, 0.005, 0.0, -0.005, -0.02, -0.2):
        port = c1.natpmp(UDP, 5000, lifetime=1).external
        time.sleep(1 - early_s)
        reply = c1.natpmp(UDP, 5000, suggested=port, lifetime=600)
        assert (reply.result, reply.external, reply.lifetime) == (0, port, 600)
        time.sleep(0.1)
        assert held(gateway) == {("udp", port, c1.address, 5000)}
        assert c1.natpmp(UDP, 5000, lifetime=0).result == 0


def test_deletion_ignores_the_suggestion_and_answers_with_zeros(daemon, c1, gateway):
    c1.natpmp(UDP, 5000)
    matches(c1.ask(octets("00010000 1388270f 00000000")), "00810000 ........ 13880000 00000000")
    assert not held(gateway)


def test_deleting_what_does_not_exist_answers_like_the_first_deletion(daemon, c1, gateway):
    c1.natpmp(UDP, 5000)
    request = wire.natpmp_map(UDP, 5000, lifetime=0)
    first, second = c1.ask(request), c1.ask(request)
    assert (first[:4], first[8:]) == (second[:4], second[8:])
    matches(first, "00810000 ........ 13880000 00000000")
    assert not held(gateway)


def test_a_deletion_leaves_the_other_protocol_and_the_neighbours(daemon, c1, c2, gateway):
    udp, tcp = c1.natpmp(UDP, 5000).external, c1.natpmp(TCP, 5000).external
    other = c2.natpmp(UDP, 5000).external
    assert udp == tcp
    c1.natpmp(UDP, 5000, lifetime=0)
    assert held(gateway) == {("tcp", tcp, c1.address, 5000), ("udp", other, c2.address, 5000)}


def test_delete_all_of_one_protocol(daemon, c1, c2, gateway):
    for internal in (5000, 5001):
        c1.natpmp(UDP, internal)
        c1.natpmp(TCP, internal)
    c2.natpmp(UDP, 5000)
    matches(c1.ask(octets("00010000 00000000 00000000")), "00810000 ........ 00000000 00000000")
    assert {(m.protocol, m.internal) for m in kernel.mappings(gateway)} == {
        ("tcp", c1.address), ("udp", c2.address)}
    assert len(held(gateway)) == 3


def test_delete_all_where_there_is_nothing(daemon, c1):
    matches(c1.ask(octets("00020000 00000000 00000000")), "00820000 ........ 00000000 00000000")


def test_delete_all_spares_pcp_mappings(daemon, c1, gateway):
    c1.pcp(UDP, 5000)
    c1.natpmp(UDP, 5001)
    c1.ask(octets("00010000 00000000 00000000"))
    assert {m.internal_port for m in kernel.mappings(gateway)} == {5000}


def test_deleting_a_pcp_mapping_is_refused(daemon, c1, gateway):
    c1.pcp(UDP, 5000)
    matches(c1.ask(wire.natpmp_map(UDP, 5000, lifetime=0)), "00810002 ........ 13880000 00000000")
    assert len(held(gateway)) == 1


def test_mapping_a_pcp_mapping_returns_its_port_and_extends_nothing(daemon, c1, gateway):
    given = c1.pcp(UDP, 5000, lifetime=600)
    reply = c1.natpmp(UDP, 5000, suggested=20000, lifetime=7200)
    assert (reply.result, reply.external) == (0, given.external)
    assert reply.lifetime <= 600
    (left,) = kernel.mappings(gateway).values()
    assert left <= 630


def test_a_released_port_rests_for_others_and_returns_to_its_client(daemon, c1, c2):
    assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000
    c1.natpmp(UDP, 5000, lifetime=0)
    assert c2.natpmp(UDP, 5000, suggested=20000).external != 20000
    assert c2.natpmp(TCP, 5000, suggested=20000).external != 20000
    assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000


def test_a_released_port_is_free_for_all_after_the_quarantine(lab, run, c1, c2):
    run(lab.policy({"quarantine": 1}))
    assert c1.natpmp(UDP, 5000, suggested=20000).external == 20000
    c1.natpmp(UDP, 5000, lifetime=0)
    assert c2.natpmp(UDP, 5000, suggested=20000).external != 20000
    time.sleep(1.3)
    assert c2.natpmp(UDP, 5001, suggested=20000).external == 20000


# Epoch (3.6)

def test_the_epoch_starts_at_1_and_counts_seconds(daemon, c1):
    first, began = c1.external().epoch, time.monotonic()
    assert 1 <= first <= 2
    time.sleep(2.1)
    passed = time.monotonic() - began
    assert passed - 1.1 <= c1.external().epoch - first <= passed + 1.1


def test_both_protocols_share_one_epoch(daemon, c1):
    one = c1.external().epoch
    two = wire.PcpReply.parse(c1.ask(wire.pcp_announce(c1.address))).epoch
    three = c1.natpmp(UDP, 5000).epoch
    assert one <= two <= three <= one + 1


def test_a_restart_empties_the_table_and_resets_the_epoch(daemon, c1, gateway):
    c1.natpmp(UDP, 5000)
    time.sleep(2.2)
    assert c1.external().epoch >= 3
    daemon.stop()
    daemon.start()
    assert c1.external().epoch <= 2
    assert not held(gateway)


# Role (3.3), rates

def test_beyond_the_rate_a_client_is_not_answered_and_others_are(lab, run, c1, c2):
    run(lab.policy({"rate": 20}))
    replies = c1.ask_all([wire.NATPMP_EXTERNAL] * 200)
    assert 40 <= len(replies) <= 50
    assert c2.external().result == 0
    time.sleep(1)
    assert len(c1.ask_all([wire.NATPMP_EXTERNAL] * 15)) == 15


def test_a_flooding_client_does_not_slow_another(lab, run, c1, c2):
    run(lab.policy({"rate": 20}))
    done = threading.Event()

    def flood():
        with c1.socket() as sock:
            for _ in range(50000):
                if done.is_set():
                    break
                sock.sendto(wire.NATPMP_EXTERNAL, (c1.gateway, wire.PORT))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(15):
            began = time.monotonic()
            assert c2.external().result == 0
            assert time.monotonic() - began < 0.1
            time.sleep(0.02)
    finally:
        done.set()
        thread.join()


def test_natpmpc_of_debian(daemon, c1, gateway):
    output = c1.ns.run(["natpmpc"]).stdout
    assert f"Public IP address : {EXTERNAL}" in output
    ports = []
    for protocol in ("udp", "tcp"):
        output = c1.ns.run(["natpmpc", "-a", "0", "6881", protocol, "60"]).stdout
        found = re.search(rf"Mapped public port (\d+) protocol {protocol.upper()} "
                          r"to local port 6881 liftime 60", output)
        assert found, output
        ports.append(int(found[1]))
    assert held(gateway) == {("udp", ports[0], c1.address, 6881),
                             ("tcp", ports[0], c1.address, 6881)}
    for protocol in ("udp", "tcp"):
        c1.ns.run(["natpmpc", "-a", "0", "6881", protocol, "0"])
    assert not held(gateway)


def test_natpmpc_of_the_vpn_scripts(lab, run, c1, gateway):
    run(lab.policy(protocols={"internal-port-zero": "assign"}))
    ports = set()
    for _ in range(2):
        for protocol in ("udp", "tcp"):
            output = c1.ns.run(["natpmpc", "-a", "1", "0", protocol, "60"]).stdout
            found = re.search(r"Mapped public port (\d+) protocol \w+ to local port 0", output)
            assert found, output
            ports.add(int(found[1]))
    (port,) = ports
    assert held(gateway) == {(protocol, port, c1.address, port) for protocol in ("udp", "tcp")}
