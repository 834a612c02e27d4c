# SPDX-License-Identifier: GPL-2.0-or-later
"""PCP as RFC 6887 has it: the header and its checks, options, MAP, lifetimes, deletion."""

import struct
import time

import pytest

import kernel
import wire
from expect import matches, octets, silence
from lab import EXTERNAL
from netns import eventually
from wire import TCP, UDP, option

POOL = range(10240, 32768)
NONCE = octets("01020304 05060708 090a0b0c")
OTHER_NONCE = octets("0c0b0a09 08070605 04030201")
PREFER_FAILURE = option(wire.PREFER_FAILURE)
UNKNOWN_OPTIONAL = option(200, b"abcdefgh")

HEADER = "02010000 00000e10 00000000 00000000 0000ffff 0a090102"
DELETE_HEADER = "02010000 00000000 00000000 00000000 0000ffff 0a090102"
MAP_5000 = "01020304 05060708 090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000"
ANSWER_HEADER = "02810000 00000e10 ........ 00000000 00000000 00000000"
ANSWER_5000 = ("01020304 05060708 090a0b0c 11000000 1388.... 00000000 00000000 0000ffff "
               "cb007101")


def held(gateway):
    return {(m.protocol, m.external_port, m.internal, m.internal_port)
            for m in kernel.mappings(gateway)}


def ask(client, request):
    return wire.PcpReply.parse(client.ask(request))


def refused(client, gateway, request, result, lifetime=wire.LONG_ERROR_S):
    """
    Assert that the request fails with the result and lifetime, that the reply is a copy of it
    beyond the header, and that nothing changed.
    """
    before = held(gateway)
    reply = ask(client, request)
    assert (reply.result, reply.lifetime) == (result, lifetime)
    assert reply.rest == (request + b"\0" * (-len(request) % 4))[24:1100]
    assert held(gateway) == before
    return reply


# Vectors

@pytest.mark.parametrize("request_text, reply_text", [
    pytest.param("02000000 00000000 00000000 00000000 0000ffff 0a090102",
                 "02800000 00000000 ........ 00000000 00000000 00000000", id="announce"),
    pytest.param(HEADER + MAP_5000, ANSWER_HEADER + ANSWER_5000, id="map"),
    pytest.param("02010000 00000e10 00000000 00000000 0000ffff 0a090103" + MAP_5000,
                 "0281000c 00000708 ........ 00000000 00000000 00000000" + MAP_5000,
                 id="client address wrong"),
    pytest.param(HEADER + "01020304 05060708 090a0b0c 00000000 13880000 00000000 00000000"
                          "0000ffff 00000000",
                 "02810003 00000708 ........ ........ ........ ........"
                 "01020304 05060708 090a0b0c 00000000 13880000 00000000 00000000"
                 "0000ffff 00000000", id="protocol 0 with a port"),
    pytest.param(HEADER + "01020304 05060708 090a0b0c 06000000 00000000 00000000 00000000"
                          "0000ffff 00000000",
                 "02810009 00000708 ........ 00000000 00000000 00000000"
                 "01020304 05060708 090a0b0c 06000000 00000000 00000000 00000000"
                 "0000ffff 00000000", id="all of TCP"),
    pytest.param(DELETE_HEADER + "01020304 05060708 090a0b0c 11000000 13881e61 00000000"
                                 "00000000 0000ffff 00000000",
                 "02810000 00000000 ........ 00000000 00000000 00000000"
                 "01020304 05060708 090a0b0c 11000000 13881e61 00000000"
                 "00000000 0000ffff 00000000", id="deletion of nothing"),
    pytest.param(HEADER + MAP_5000 + "40000000",
                 "02810005 00000708 ........ 00000000 00000000 00000000" + MAP_5000 + "40000000",
                 id="unknown mandatory option"),
    pytest.param(HEADER + MAP_5000 + "c8000008 61626364 65666768",
                 ANSWER_HEADER + ANSWER_5000, id="unknown optional option"),
    pytest.param(HEADER + MAP_5000 + "c80000ff",
                 "02810006 00000708 ........ 00000000 0000ffff 0a090102" + MAP_5000 + "c80000ff",
                 id="option beyond the end"),
    pytest.param(HEADER + MAP_5000 + "02000000",
                 "02810006 00000708 ........ 00000000 0000ffff 0a090102" + MAP_5000 + "02000000",
                 id="PREFER_FAILURE without a port"),
    pytest.param("02020000 0000003c 00000000 00000000 0000ffff 0a090102 01020304 05060708 090a0b0c"
                 "06000000 13880000 00000000 00000000 0000ffff 00000000 01bb0000 00000000 00000000"
                 "0000ffff c6336409",
                 "02820004 00000708 ........ 00000000 0000ffff 0a090102 01020304 05060708 090a0b0c"
                 "06000000 13880000 00000000 00000000 0000ffff 00000000 01bb0000 00000000 00000000"
                 "0000ffff c6336409", id="peer"),
    pytest.param(HEADER + MAP_5000 + "aa",
                 "02810003 00000708 ........ 00000000 0000ffff 0a090102" + MAP_5000 + "aa000000",
                 id="61 octets"),
    pytest.param("02630000 00000007 00000000 00000000 0000ffff 0a090102 deadbeef",
                 "02e30004 00000708 ........ 00000000 0000ffff 0a090102 deadbeef",
                 id="unknown opcode"),
])
def test_vector(daemon, c1, request_text, reply_text):
    matches(c1.ask(octets(request_text)), reply_text)


# Header and addresses (7, 8)

def test_the_reserved_header_field_is_ignored_and_answered_with_zero(daemon, c1):
    reply = c1.ask(octets(HEADER.replace("02010000", "0201ffff") + MAP_5000))
    matches(reply, ANSWER_HEADER + ANSWER_5000)


def test_the_reserved_field_of_map_is_ignored_and_answered_with_zero(daemon, c1):
    reply = c1.ask(octets(HEADER + MAP_5000.replace("11000000", "11ffffff")))
    matches(reply, ANSWER_HEADER + ANSWER_5000)


def test_a_reply_of_a_parsed_request_has_zeros_behind_the_epoch(daemon, c1):
    for request in (wire.pcp_announce(c1.address), wire.pcp_map(c1.address, UDP, 5000),
                    wire.pcp_map("10.9.1.3", UDP, 5000), wire.pcp_map(c1.address, 47, 0)):
        assert ask(c1, request).reserved == bytes(12)


@pytest.mark.parametrize("length", [26, 61, 63, 1101, 1104])
def test_a_reply_of_an_unparsed_request_repeats_its_client_address(daemon, c1, length):
    request = wire.pcp_map(c1.address, UDP, 5000).ljust(length, b"\0")[:length]
    assert ask(c1, request).reserved == request[12:24]


def test_the_external_address_comes_as_an_ipv4_mapped_one(daemon, c1):
    reply = c1.pcp(UDP, 5000)
    assert reply.rest[20:36] == octets("00000000 00000000 0000ffff cb007101")


@pytest.mark.parametrize("text", ["00000001 00000000 0000ffff cb007101",
                                  "00000000 00000000 00000000 00000000",
                                  "00000000 00000000 0000ffff 00000000",
                                  "00000000 00000000 0000ffff 0a090102",
                                  "20010db8 00000000 00000000 00000001",
                                  "00000000 00000000 0000ffff 7f000001",
                                  "00000000 00000000 0000ffff e0000005",
                                  "00000000 00000000 0000ffff cb007109"])
def test_a_suggested_address_does_no_harm(daemon, c1, gateway, text):
    request = wire.pcp_request(wire.MAP, c1.address, 3600, NONCE + octets(
        "11000000 1388 0050") + octets(text))
    reply = ask(c1, request)
    assert (reply.result, reply.address) == (0, EXTERNAL)
    assert reply.external in POOL


# The order of checks (8.2)

@pytest.mark.parametrize("length", [25, 26, 27, 61, 62, 63])
def test_a_length_that_is_no_multiple_of_4_is_malformed_and_padded(daemon, c1, gateway, length):
    request = wire.pcp_map(c1.address, UDP, 5000).ljust(length, b"\xaa")[:length]
    refused(c1, gateway, request, wire.MALFORMED_REQUEST)


@pytest.mark.parametrize("length", [24, 28, 56])
def test_a_map_cut_short_is_malformed(daemon, c1, gateway, length):
    refused(c1, gateway, wire.pcp_map(c1.address, UDP, 5000)[:length], wire.MALFORMED_REQUEST)


@pytest.mark.parametrize("length", [1101, 1104, 1200, 1400])
def test_more_than_1100_octets_is_malformed_and_the_reply_has_1100(daemon, c1, gateway, length):
    request = wire.pcp_map(c1.address, UDP, 5000) + option(200, bytes(length - 64))
    reply = c1.ask(request[:length].ljust(length, b"\0"))
    assert len(reply) == 1100
    assert reply[3] == wire.MALFORMED_REQUEST
    assert not held(gateway)


def test_exactly_1100_octets_are_served(daemon, c1):
    request = wire.pcp_map(c1.address, UDP, 5000) + option(200, bytes(1100 - 64))
    assert len(request) == 1100
    assert len(c1.ask(request)) == 60


@pytest.mark.parametrize("address", ["10.9.1.3", "10.9.2.2", "0.0.0.0", "::", "::10.9.1.2",
                                     "1::ffff:10.9.1.2"])
def test_a_wrong_client_address_is_a_mismatch_for_every_opcode(daemon, c1, gateway, address):
    if address == "1::ffff:10.9.1.2":
        address = "1:0:0:0:0:ffff:a09:102"
    refused(c1, gateway, wire.pcp_map(address, UDP, 5000), wire.ADDRESS_MISMATCH)
    refused(c1, gateway, wire.pcp_announce(address), wire.ADDRESS_MISMATCH)


def test_the_length_counts_before_the_client_address(daemon, c1, gateway):
    refused(c1, gateway, wire.pcp_announce("10.9.1.3") + b"ab", wire.MALFORMED_REQUEST)


@pytest.mark.parametrize("opcode", [3, 5, 63, 64, 95, 96, 126, 127])
def test_an_unknown_opcode_is_copied_back_uninterpreted(daemon, c1, gateway, opcode):
    request = wire.pcp_request(opcode, c1.address, 7, data=bytes(range(76)))
    refused(c1, gateway, request, wire.UNSUPP_OPCODE)


def test_a_request_from_a_neighbour_on_a_tunnel_of_its_own_maps_nothing(daemon, c2, gateway):
    """The first client's address in the header and the source, but from the second's tunnel."""
    c2.ns.ip("address add 10.9.1.2/32 dev tun0\n")
    try:
        with c2.ns.udp("10.9.1.2") as sock:
            for target in ("10.9.2.1", "10.9.1.1"):
                sock.sendto(wire.pcp_map("10.9.1.2", UDP, 5000), (target, wire.PORT))
                sock.sendto(wire.natpmp_map(UDP, 5000), (target, wire.PORT))
        c2.external()
        time.sleep(0.1)
        assert not held(gateway)
    finally:
        c2.ns.ip("address delete 10.9.1.2/32 dev tun0\n")


def test_another_tunnels_gateway_address_is_not_served(daemon, c2, gateway):
    silence(c2, wire.natpmp_map(UDP, 5000), wire.pcp_map(c2.address, UDP, 5000), to="10.9.1.1")
    assert not held(gateway)


# Options (7.3)

@pytest.mark.parametrize("code", [0, 4, 5, 12, 13, 64, 127])
def test_an_unknown_mandatory_option_is_unsupported(daemon, c1, gateway, code):
    refused(c1, gateway, wire.pcp_map(c1.address, UDP, 5000, options=option(code)),
            wire.UNSUPP_OPTION)


@pytest.mark.parametrize("name, options", [
    ("THIRD_PARTY", option(wire.THIRD_PARTY, wire.address_octets("10.9.1.3"))),
    ("THIRD_PARTY of the client itself", option(wire.THIRD_PARTY,
                                                wire.address_octets("10.9.1.2"))),
    ("FILTER", wire.filter_option(120, 0, "198.51.100.0")),
])
def test_mandatory_options_that_are_not_offered_are_unsupported(
        daemon, c1, gateway, name, options):
    refused(c1, gateway, wire.pcp_map(c1.address, UDP, 5000, options=options), wire.UNSUPP_OPTION)


@pytest.mark.parametrize("code", [129, 200, 254, 255])
def test_an_unknown_optional_option_is_left_out(daemon, c1, code):
    reply = c1.pcp(UDP, 5000, options=option(code, b"abcde"))
    assert (reply.result, reply.options) == (0, b"")


def test_port_set_is_left_out_while_it_is_not_offered(daemon, c1, gateway):
    reply = c1.pcp(UDP, 5000, options=option(wire.PORT_SET, struct.pack("!HHB", 10, 5000, 0)))
    assert (reply.result, reply.options) == (0, b"")
    assert len(held(gateway)) == 1


@pytest.mark.parametrize("options", [
    option(200, length=1), option(200, b"abcd", length=9), option(64, length=4),
    UNKNOWN_OPTIONAL + option(200, length=65535), PREFER_FAILURE + option(255, length=200)])
def test_options_that_run_past_the_end_are_malformed(daemon, c1, gateway, options):
    request = wire.pcp_map(c1.address, UDP, 5000, suggested=20000, options=options)
    refused(c1, gateway, request, wire.MALFORMED_OPTION)


def test_prefer_failure_with_contents_or_twice_is_malformed(daemon, c1, gateway):
    for options in (option(wire.PREFER_FAILURE, b"abcd"), PREFER_FAILURE * 2):
        refused(c1, gateway, wire.pcp_map(c1.address, UDP, 5000, 20000, options=options),
                wire.MALFORMED_OPTION)


def test_a_processed_option_is_answered_with_its_reserved_octet_zero(daemon, c1):
    reply = c1.pcp(UDP, 5000, 20000, options=option(wire.PREFER_FAILURE, reserved=0xff))
    assert (reply.result, reply.external) == (0, 20000)
    assert reply.options == PREFER_FAILURE


def test_a_success_holds_exactly_the_processed_options(daemon, c1):
    options = UNKNOWN_OPTIONAL + PREFER_FAILURE + UNKNOWN_OPTIONAL
    assert c1.pcp(UDP, 5000, 20000, options=options).options == PREFER_FAILURE


def test_an_error_holds_all_options(daemon, c1, c2, gateway):
    c2.pcp(UDP, 5000, 20000)
    options = UNKNOWN_OPTIONAL + PREFER_FAILURE + UNKNOWN_OPTIONAL
    reply = ask(c1, wire.pcp_map(c1.address, UDP, 5000, 20000, options=options))
    assert reply.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert reply.options == options


def test_options_behind_an_announcement(daemon, c1, gateway):
    address = c1.address
    assert ask(c1, wire.pcp_announce(address, options=UNKNOWN_OPTIONAL)).result == 0
    refused(c1, gateway, wire.pcp_announce(address, options=option(64)), wire.UNSUPP_OPTION)
    refused(c1, gateway, wire.pcp_announce(address, options=option(200, length=8)),
            wire.MALFORMED_OPTION)


def test_options_of_map_mean_nothing_behind_an_announcement(daemon, c1):
    for options in (PREFER_FAILURE, wire.filter_option(120, 0, "198.51.100.0"),
                    option(wire.THIRD_PARTY, wire.address_octets("10.9.1.3"))):
        reply = ask(c1, wire.pcp_announce(c1.address, options=options))
        assert reply.result in (wire.UNSUPP_OPTION, wire.MALFORMED_OPTION)


def test_an_announcement_is_answered_with_lifetime_0(daemon, c1, gateway):
    reply = ask(c1, wire.pcp_announce(c1.address, lifetime=2**32 - 1))
    assert (reply.result, reply.lifetime, reply.rest) == (0, 0, b"")
    assert not held(gateway)


# MAP (11)

def test_map_creates_for_its_source_and_protocol_only(daemon, c1, gateway):
    reply = c1.pcp(TCP, 5000, nonce=NONCE)
    assert (reply.result, reply.nonce, reply.protocol, reply.internal) == (0, NONCE, TCP, 5000)
    assert (reply.address, reply.lifetime) == (EXTERNAL, 3600)
    assert held(gateway) == {("tcp", reply.external, c1.address, 5000)}


@pytest.mark.parametrize("protocol", [1, 33, 41, 47, 50, 132, 136, 255])
@pytest.mark.parametrize("internal", [0, 5000])
def test_other_transports_are_unsupported(daemon, c1, gateway, protocol, internal):
    refused(c1, gateway, wire.pcp_map(c1.address, protocol, internal), wire.UNSUPP_PROTOCOL)


@pytest.mark.parametrize("protocol", [0, TCP, UDP])
def test_wildcards_cannot_be_met(daemon, c1, gateway, protocol):
    refused(c1, gateway, wire.pcp_map(c1.address, protocol, 0), wire.UNSUPP_PROTOCOL)


@pytest.mark.parametrize("lifetime", [0, 3600])
def test_protocol_0_with_a_port_is_malformed(daemon, c1, gateway, lifetime):
    refused(c1, gateway, wire.pcp_map(c1.address, 0, 5000, lifetime=lifetime),
            wire.MALFORMED_REQUEST)


def test_a_nonce_of_zeros_is_a_nonce(lab, run, c1):
    run(lab.policy(protocols={"pcp-nonce": "strict"}))
    assert c1.pcp(UDP, 5000, nonce=bytes(12)).result == 0
    assert c1.pcp(UDP, 5000, nonce=NONCE).result == wire.NOT_AUTHORIZED
    assert c1.pcp(UDP, 5000, nonce=bytes(12)).result == 0


def test_identical_requests_get_identical_answers(daemon, c1, gateway):
    replies = c1.ask_all([wire.pcp_map(c1.address, UDP, 5000, nonce=NONCE)] * 10)
    assert len(replies) == 10
    assert len({reply[:8] + reply[12:] for reply in replies}) == 1
    assert len(held(gateway)) == 1


def test_an_existing_mapping_keeps_its_port_whatever_is_suggested(daemon, c1, gateway):
    port = c1.pcp(UDP, 5000, 20000, nonce=NONCE).external
    assert port == 20000
    again = c1.pcp(UDP, 5000, 21000, lifetime=7200, nonce=NONCE)
    assert (again.result, again.external, again.lifetime) == (0, 20000, 7200)
    (left,) = kernel.mappings(gateway).values()
    assert 7200 < left <= 7230


def test_prefer_failure_does_not_move_an_own_mapping(daemon, c1, gateway):
    c1.pcp(UDP, 5000, 20000, lifetime=600, nonce=NONCE)
    reply = c1.pcp(UDP, 5000, 21000, lifetime=7200, nonce=NONCE, options=PREFER_FAILURE)
    assert reply.result == wire.CANNOT_PROVIDE_EXTERNAL and reply.lifetime > 0
    (left,) = kernel.mappings(gateway).values()
    assert left <= 630
    same = c1.pcp(UDP, 5000, 20000, lifetime=600, nonce=NONCE, options=PREFER_FAILURE)
    assert (same.result, same.external) == (0, 20000)


def test_a_free_suggestion_is_granted(daemon, c1):
    for port in (10240, 23456, 32767):
        assert c1.pcp(UDP, port, port).external == port
    assert c1.pcp(UDP, 6000, 24000, address=EXTERNAL).external == 24000


@pytest.mark.parametrize("port", [1, 80, 5350, 5351, 10239, 32768, 65535])
def test_a_suggestion_outside_the_pool(daemon, c1, gateway, port):
    reply = c1.pcp(UDP, 5000, port)
    assert reply.result == 0 and reply.external in POOL
    request = wire.pcp_map(c1.address, UDP, 5001, port, options=PREFER_FAILURE)
    before = held(gateway)
    answer = ask(c1, request)
    assert answer.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert answer.lifetime >= wire.SHORT_ERROR_S
    assert answer.rest == request[24:]
    assert held(gateway) == before


def test_a_taken_suggestion(daemon, c1, c2, gateway):
    assert c1.pcp(UDP, 5000, 20000).external == 20000
    reply = c2.pcp(UDP, 5000, 20000)
    assert reply.result == 0 and reply.external in POOL and reply.external != 20000
    before = held(gateway)
    refusal = c2.pcp(UDP, 5001, 20000, options=PREFER_FAILURE)
    assert refusal.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert refusal.lifetime >= wire.SHORT_ERROR_S
    assert held(gateway) == before


def test_prefer_failure_with_a_foreign_address(daemon, c1, gateway):
    for address in ("203.0.113.9", "127.0.0.1", "224.0.0.5"):
        reply = c1.pcp(UDP, 5000, 20000, address=address, options=PREFER_FAILURE)
        assert reply.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert not held(gateway)
    for internal, address in ((5000, "0.0.0.0"), (5001, EXTERNAL), (5002, "::")):
        reply = c1.pcp(UDP, internal, 20000 + internal, address=address, options=PREFER_FAILURE)
        assert (reply.result, reply.external) == (0, 20000 + internal)


def test_an_error_leaves_the_suggestion_as_it_was(daemon, c1, gateway):
    request = wire.pcp_map(c1.address, 47, 0, suggested=81, address="198.51.100.7",
                           nonce=NONCE)
    refused(c1, gateway, request, wire.UNSUPP_PROTOCOL)


def test_the_quota(lab, run, c1, c2, gateway):
    run(lab.policy({"mappings": 2}))
    for internal in (5000, 5001):
        assert c1.pcp(UDP, internal, nonce=NONCE).result == 0
    refused(c1, gateway, wire.pcp_map(c1.address, UDP, 5002), wire.USER_EX_QUOTA,
            wire.SHORT_ERROR_S)
    assert c1.pcp(UDP, 5000, nonce=NONCE).result == 0
    assert c2.pcp(UDP, 5000).result == 0
    assert c1.natpmp(UDP, 5003).result == wire.NATPMP_NO_RESOURCES, "one quota for both"
    assert c1.pcp(UDP, 5000, lifetime=0, nonce=NONCE).result == 0
    assert c1.pcp(UDP, 5002).result == 0


def test_an_empty_pool_is_no_resources_and_takes_nothing_from_anybody(
        lab, run, c1, c2, gateway):
    run(lab.policy(nat={"ports": "20000-20003"}))
    for internal in range(5000, 5004):
        assert c1.pcp(UDP, internal).result == 0
    refused(c2, gateway, wire.pcp_map(c2.address, UDP, 5000), wire.NO_RESOURCES,
            wire.SHORT_ERROR_S)
    assert len(held(gateway)) == 4


def test_what_the_policy_forbids_is_not_authorized(lab, run, c1, gateway):
    run(lab.policy({"protocols": ["udp"], "internal-ports": "1024-65535"}))
    refused(c1, gateway, wire.pcp_map(c1.address, UDP, 80), wire.NOT_AUTHORIZED)
    reply = ask(c1, wire.pcp_map(c1.address, TCP, 5000))
    assert reply.result in (wire.NOT_AUTHORIZED, wire.UNSUPP_PROTOCOL)
    assert not held(gateway)


def test_pcp_adopts_a_nat_pmp_mapping(daemon, c1, gateway):
    port = c1.natpmp(UDP, 5000).external
    reply = c1.pcp(UDP, 5000, nonce=NONCE)
    assert (reply.result, reply.external) == (0, port)
    assert len(held(gateway)) == 1
    assert c1.natpmp(UDP, 5000, lifetime=0).result == wire.NOT_AUTHORIZED
    assert c1.pcp(UDP, 5000, lifetime=0, nonce=NONCE).result == 0
    assert not held(gateway)


def test_pcp_does_not_delete_a_nat_pmp_mapping(daemon, c1, gateway):
    c1.natpmp(UDP, 5000)
    assert c1.pcp(UDP, 5000, lifetime=0, nonce=NONCE).result == wire.NOT_AUTHORIZED
    assert len(held(gateway)) == 1


# Nonces

def test_strict_another_nonce_is_not_authorized_for_what_is_left(lab, run, c1, gateway):
    run(lab.policy(protocols={"pcp-nonce": "strict"}))
    c1.pcp(UDP, 5000, lifetime=600, nonce=NONCE)
    time.sleep(1.5)
    for lifetime in (7200, 120, 0):
        reply = c1.pcp(UDP, 5000, lifetime=lifetime, nonce=OTHER_NONCE)
        assert reply.result == wire.NOT_AUTHORIZED
        assert 590 <= reply.lifetime <= 599
    (left,) = kernel.mappings(gateway).values()
    assert 590 <= left <= 629
    assert c1.pcp(UDP, 5000, lifetime=600, nonce=NONCE).result == 0


def test_relaxed_a_new_nonce_from_the_own_address_adopts(daemon, c1, gateway):
    port = c1.pcp(UDP, 5000, nonce=NONCE).external
    adopted = c1.pcp(UDP, 5000, lifetime=7200, nonce=OTHER_NONCE)
    assert (adopted.result, adopted.external, adopted.lifetime) == (0, port, 7200)
    assert len(held(gateway)) == 1
    assert c1.pcp(UDP, 5000, lifetime=0, nonce=NONCE).result == wire.NOT_AUTHORIZED
    assert c1.pcp(UDP, 5000, lifetime=0, nonce=OTHER_NONCE).result == 0
    assert not held(gateway)


def test_relaxed_deletion_still_needs_the_nonce(daemon, c1, gateway):
    c1.pcp(UDP, 5000, lifetime=600, nonce=NONCE)
    reply = c1.pcp(UDP, 5000, lifetime=0, nonce=OTHER_NONCE)
    assert reply.result == wire.NOT_AUTHORIZED and 590 <= reply.lifetime <= 600
    assert len(held(gateway)) == 1
    assert c1.pcp(UDP, 5000, lifetime=0, nonce=NONCE).result == 0


# Lifetime and deletion (15)

@pytest.mark.parametrize("asked, granted", [(1, 120), (119, 120), (120, 120), (3600, 3600),
                                            (86400, 86400), (86401, 86400), (2**32 - 1, 86400)])
def test_lifetimes_of_the_default_policy(daemon, c1, gateway, asked, granted):
    assert c1.pcp(UDP, 5000, lifetime=asked).lifetime == granted
    (left,) = kernel.mappings(gateway).values()
    assert granted < left <= granted + 30


def test_a_minimum_of_the_policy_counts_for_pcp_too(lab, run, c1, gateway):
    run(lab.policy({"lifetime": {"min": 1, "default": 60, "max": 3600}}))
    began = time.monotonic()
    assert c1.pcp(UDP, 5000, lifetime=2).lifetime == 2
    assert eventually(lambda: not held(gateway), 4)
    assert 1.9 < time.monotonic() - began < 3.1


def test_a_smaller_lifetime_shortens(daemon, c1, gateway):
    c1.pcp(UDP, 5000, lifetime=3600, nonce=NONCE)
    assert c1.pcp(UDP, 5000, lifetime=120, nonce=NONCE).lifetime == 120
    (left,) = kernel.mappings(gateway).values()
    assert left <= 150


def test_deletion_copies_the_suggestion_and_ignores_it(daemon, c1, gateway):
    c1.pcp(UDP, 5000, nonce=NONCE)
    request = wire.pcp_map(c1.address, UDP, 5000, suggested=7777, lifetime=0, nonce=NONCE,
                           address="198.51.100.7")
    for _ in range(2):
        reply = ask(c1, request)
        assert (reply.result, reply.lifetime) == (0, 0)
        assert reply.rest == request[24:]
        assert not held(gateway)


def test_deletion_with_a_mandatory_option_that_makes_no_sense(daemon, c1, gateway):
    c1.pcp(UDP, 5000, 20000, nonce=NONCE)
    refused(c1, gateway, wire.pcp_map(c1.address, UDP, 5000, 20000, lifetime=0, nonce=NONCE,
                                      options=PREFER_FAILURE), wire.MALFORMED_OPTION)
    assert len(held(gateway)) == 1


@pytest.mark.parametrize("protocol", [0, TCP])
def test_deletion_of_wildcards_touches_nothing_else(daemon, c1, gateway, protocol):
    for internal in (5000, 5001):
        c1.pcp(TCP, internal, nonce=NONCE)
    reply = c1.pcp(protocol, 0, lifetime=0, nonce=NONCE)
    assert (reply.result, reply.lifetime) == (0, 0)
    assert len(held(gateway)) == 2


def test_a_released_port_rests_for_others_and_returns_to_its_client(daemon, c1, c2):
    assert c1.pcp(UDP, 5000, 20000, nonce=NONCE).external == 20000
    assert c1.pcp(UDP, 5000, lifetime=0, nonce=NONCE).result == 0
    assert c2.pcp(UDP, 5000, 20000).external != 20000
    refusal = c2.pcp(UDP, 5001, 20000, options=PREFER_FAILURE)
    assert refusal.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert c1.pcp(UDP, 5000, 20000, nonce=NONCE).external == 20000


def test_the_epoch_is_in_every_reply(daemon, c1):
    first = ask(c1, wire.pcp_announce(c1.address)).epoch
    assert 1 <= first <= 2
    time.sleep(1.1)
    epochs = [ask(c1, request).epoch for request in (
        wire.pcp_map(c1.address, UDP, 5000), wire.pcp_map(c1.address, 47, 0),
        wire.pcp_map("10.9.1.3", UDP, 5000), wire.pcp_request(99, c1.address),
        bytes([3, 1]) + bytes(22), wire.pcp_announce(c1.address))]
    assert epochs == sorted(epochs) and first < epochs[0] and epochs[-1] - epochs[0] <= 1


def test_a_nonce_shows_nowhere(run, lab, c1, gateway):
    daemon = run(lab.policy(log={"level": "debug", "identity": "full"}))
    nonce = b"secret-nonce"
    c1.pcp(UDP, 5000, nonce=nonce)
    c1.pcp(UDP, 5000, lifetime=0, nonce=OTHER_NONCE)
    log = daemon.log().lower()
    for spelling in (nonce.hex(), nonce.decode(), nonce.hex(" "), nonce.hex(":")):
        assert spelling not in log
    assert "debug" in log or log, "the log is there to be looked at"
