# SPDX-License-Identifier: GPL-2.0-or-later
"""One port, two protocols: which answers what, and what nobody answers."""

import pytest

import kernel
import wire
from expect import matches, octets, silence

pytestmark = pytest.mark.usefixtures("daemon")

MAP_TAIL = "01020304 05060708 090a0b0c 11000000 13880000 00000000 00000000 0000ffff 00000000"
MAP = octets("02010000 00000e10 00000000 00000000 0000ffff 0a090102" + MAP_TAIL)


def test_the_first_octet_selects_the_protocol(c1):
    matches(c1.ask(octets("0000")), "0080 0000 ........ cb007101")
    matches(c1.ask(wire.pcp_announce(c1.address)), "02800000 00000000 ........" + "0" * 24)


@pytest.mark.parametrize("version", [1, 3, 4, 127, 255])
@pytest.mark.parametrize("length", [2, 24, 60])
def test_other_versions_are_told_the_version_that_is_spoken(c1, gateway, version, length):
    request = bytes([version, 1]) + MAP[2:length]
    reply = c1.ask(request)
    copied = (request + bytes(24))[12:max(24, length)].hex()
    matches(reply, "02810001 00000708 ........" + copied)
    assert not kernel.mappings(gateway)


def test_an_unknown_opcode_of_another_version_is_a_version_error(c1):
    matches(c1.ask(octets("03050000 00000000 00000000 00000000 00000000 00000000")),
            "02850001 00000708 ........ 00000000 00000000 00000000")


def test_version_1_in_two_octets(c1):
    matches(c1.ask(octets("0101")), "02810001 00000708 ........ 00000000 00000000 00000000")


def test_a_version_error_counts_more_than_a_wrong_length(c1):
    assert wire.PcpReply.parse(c1.ask(bytes([3, 1]) + bytes(24))).result == wire.UNSUPP_VERSION


@pytest.mark.parametrize("length", [2, 4, 20, 23])
def test_pcp_shorter_than_its_header_is_dropped(c1, length):
    silence(c1, MAP[:length], bytes([2, 0]) + bytes(length - 2))


@pytest.mark.parametrize("text", ["0080", "0081" + "00" * 10, "0080" + "00" * 10,
                                  "0280" + "00" * 22, "0281" + "00" * 58, "0380" + "00" * 22,
                                  "01ff" + "00" * 22, "00ff", "02ff" + "00" * 1098])
def test_responses_are_never_answered(c1, text):
    silence(c1, octets(text))


def test_datagrams_of_no_or_one_octet_are_dropped(c1):
    silence(c1, b"", b"\0", b"\1", b"\2", b"\xff")


def test_without_pcp_its_clients_learn_to_fall_back(lab, run, c1):
    run(lab.policy(protocols={"pcp": False}))
    for opcode in (0, 1, 2, 5):
        request = bytes([2, opcode]) + MAP[2:]
        matches(c1.ask(request), "0080 0001 ........")
        matches(c1.ask(request[:24]), "0080 0001 ........")
    assert c1.natpmp(wire.UDP, 5000).result == 0


@pytest.mark.parametrize("version", [1, 3, 255])
def test_without_pcp_every_other_version_gets_eight_octets(lab, run, c1, version):
    run(lab.policy(protocols={"pcp": False}))
    matches(c1.ask(bytes([version, 1]) + MAP[2:]), "0080 0001 ........")
    matches(c1.ask(bytes([version, 0])), "0080 0001 ........")


def test_without_nat_pmp_its_clients_can_read_the_version_error(lab, run, c1, gateway):
    run(lab.policy(protocols={"nat-pmp": False}))
    matches(c1.ask(octets("0000")), "02800001 00000708 ........" + "0" * 24)
    matches(c1.ask(wire.natpmp_map(wire.UDP, 5000)),
            "02810001 00000708 ........ ........ ........ ........")
    assert not kernel.mappings(gateway)
    assert c1.pcp(wire.UDP, 5000).result == 0


def test_the_server_holds_5351_only(gateway):
    bound = [line.split()[3] for line in gateway.run(["ss", "-Hlun"]).stdout.splitlines()]
    assert sorted(bound) == ["10.9.1.1%tun0:5351", "10.9.2.1%tun1:5351"]


def test_numbers_are_big_endian(c1, gateway):
    reply = c1.ask(octets("0001 0000 1234 5678 00000102"))
    matches(reply, "0081 0000 ........ 1234 5678 00000102")
    (mapping,) = kernel.mappings(gateway)
    assert (mapping.internal_port, mapping.external_port) == (0x1234, 0x5678)


@pytest.mark.parametrize("opcode", range(128))
def test_every_opcode_of_pcp_is_answered_with_itself(c1, opcode):
    reply = wire.PcpReply.parse(c1.ask(wire.pcp_request(opcode, c1.address, data=bytes(76))))
    assert reply.opcode == opcode
    if opcode > 2:
        assert (reply.result, reply.lifetime) == (wire.UNSUPP_OPCODE, wire.LONG_ERROR_S)
