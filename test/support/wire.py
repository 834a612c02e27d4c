# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT-PMP (RFC 6886) and PCP (RFC 6887) as octets: a client's side of both protocols."""

import dataclasses
import ipaddress
import os
import struct

PORT = 5351

UDP = 17
TCP = 6
PROTOCOL_NAMES = {UDP: "udp", TCP: "tcp"}

ANNOUNCE = 0
MAP = 1
PEER = 2

# Result codes of both protocols, as far as NAT-PMP has them; above 5 they are PCP's.
SUCCESS = 0
UNSUPP_VERSION = 1
NOT_AUTHORIZED = 2
NATPMP_NETWORK_FAILURE = 3
NATPMP_NO_RESOURCES = 4
NATPMP_UNSUPP_OPCODE = 5
MALFORMED_REQUEST = 3
UNSUPP_OPCODE = 4
UNSUPP_OPTION = 5
MALFORMED_OPTION = 6
NETWORK_FAILURE = 7
NO_RESOURCES = 8
UNSUPP_PROTOCOL = 9
USER_EX_QUOTA = 10
CANNOT_PROVIDE_EXTERNAL = 11
ADDRESS_MISMATCH = 12
EXCESSIVE_REMOTE_PEERS = 13

LONG_ERROR_S = 1800
SHORT_ERROR_S = 30

THIRD_PARTY = 1
PREFER_FAILURE = 2
FILTER = 3
DESCRIPTION = 128
PREFIX64 = 129
PORT_SET = 130


def address_octets(address):
    """The sixteen octets of a PCP address field; IPv4 as ::ffff:a.b.c.d."""
    ip = ipaddress.ip_address(address)
    if ip.version == 4:
        return b"\0" * 10 + b"\xff\xff" + ip.packed
    return ip.packed


def address_text(octets):
    ip = ipaddress.IPv6Address(octets)
    return str(ip.ipv4_mapped or ip)


NATPMP_EXTERNAL = b"\0\0"


def natpmp_map(protocol, internal, suggested=0, lifetime=3600, reserved=0):
    opcode = 1 if protocol == UDP else 2
    return struct.pack("!BBHHHI", 0, opcode, reserved, internal, suggested, lifetime)


@dataclasses.dataclass
class NatpmpExternal:
    result: int
    epoch: int
    address: str

    @classmethod
    def parse(cls, reply):
        assert len(reply) == 12 and reply[:2] == b"\x00\x80", reply.hex()
        result, epoch, address = struct.unpack("!HI4s", reply[2:])
        return cls(result, epoch, str(ipaddress.IPv4Address(address)))


@dataclasses.dataclass
class NatpmpMap:
    opcode: int
    result: int
    epoch: int
    internal: int
    external: int
    lifetime: int

    @classmethod
    def parse(cls, reply):
        assert len(reply) == 16 and reply[0] == 0, reply.hex()
        return cls(*struct.unpack("!BHIHHI", reply[1:]))


def pcp_request(opcode, client, lifetime=0, data=b"", options=b"", version=2, reserved=0):
    return (struct.pack("!BBHI", version, opcode, reserved, lifetime) + address_octets(client)
            + data + options)


def pcp_announce(client, **header):
    return pcp_request(ANNOUNCE, client, **header)


def map_data(nonce, protocol, internal, suggested=0, address="0.0.0.0", reserved=b"\0\0\0"):
    return (nonce + struct.pack("!B3sHH", protocol, reserved, internal, suggested)
            + address_octets(address))


def pcp_map(client, protocol, internal, suggested=0, lifetime=3600, nonce=None,
            address="0.0.0.0", options=b"", **header):
    """A MAP request; without a nonce it gets a random one."""
    data = map_data(os.urandom(12) if nonce is None else nonce, protocol, internal, suggested,
                    address)
    return pcp_request(MAP, client, lifetime, data, options, **header)


def pcp_peer(client, protocol, internal, peer, peer_port, suggested=0, lifetime=3600,
             nonce=b"\1" * 12, address="0.0.0.0", options=b""):
    data = (map_data(nonce, protocol, internal, suggested, address)
            + struct.pack("!HH", peer_port, 0) + address_octets(peer))
    return pcp_request(PEER, client, lifetime, data, options)


def option(code, data=b"", reserved=0, length=None):
    """An option with its padding; `length` puts another value in the length field."""
    length = len(data) if length is None else length
    return struct.pack("!BBH", code, reserved, length) + data + b"\0" * (-len(data) % 4)


def filter_option(prefix_len, port, address):
    return option(FILTER, struct.pack("!BBH", 0, prefix_len, port) + address_octets(address))


@dataclasses.dataclass
class PcpReply:
    """The header of any PCP response, and the fields of MAP where it is one."""
    opcode: int
    result: int
    lifetime: int
    epoch: int
    reserved: bytes
    rest: bytes

    @classmethod
    def parse(cls, reply):
        assert len(reply) >= 24 and len(reply) % 4 == 0 and len(reply) <= 1100, reply.hex()
        version, opcode, zero, result, lifetime, epoch, reserved = struct.unpack(
            "!BBBBII12s", reply[:24])
        assert version == 2 and opcode & 0x80 and zero == 0, reply.hex()
        return cls(opcode & 0x7f, result, lifetime, epoch, reserved, reply[24:])

    @property
    def nonce(self):
        return self.rest[:12]

    @property
    def protocol(self):
        return self.rest[12]

    @property
    def internal(self):
        return struct.unpack("!H", self.rest[16:18])[0]

    @property
    def external(self):
        return struct.unpack("!H", self.rest[18:20])[0]

    @property
    def address(self):
        return address_text(self.rest[20:36])

    @property
    def options(self):
        return self.rest[36:]
