# SPDX-License-Identifier: GPL-2.0-or-later
"""What the gateway's kernel holds: the elements of `table inet tunmap`, and conntrack's flows."""

import dataclasses
import json

TABLE = "inet tunmap"


@dataclasses.dataclass(frozen=True, order=True)
class Mapping:
    external: str
    protocol: str
    external_port: int
    internal: str
    internal_port: int


def has_table(gateway):
    return f"table {TABLE}" in gateway.run(["nft", "list", "tables"]).stdout.splitlines()


def _elements(listing, name):
    """(key, value, seconds left or None) of each element of a map in nft's listing."""
    found = next(entry["map"] for entry in listing["nftables"]
                 if entry.get("map", {}).get("name") == name)
    for key, value in found.get("elem", []):
        expires = None
        if "elem" in key:
            expires = key["elem"].get("expires")
            key = key["elem"]["val"]
        yield tuple(key["concat"]), tuple(value["concat"]), expires


def mappings(gateway):
    """
    The mappings as a dictionary Mapping -> seconds until the kernel ends it by itself.  Fails
    when the way in and the way out do not belong together.
    """
    # One listing, which nft repeats when the kernel's generation moved meanwhile.
    listing = json.loads(gateway.run(["nft", "-j", "list", "table", *TABLE.split()]).stdout)
    inward = {Mapping(*key, *value): expires
              for key, value, expires in _elements(listing, "inbound4")}
    outward = {Mapping(value[0], key[1], value[1], key[0], key[2])
               for key, value, _ in _elements(listing, "outbound4")}
    assert set(inward) == outward, f"only one way: {set(inward) ^ outward}"
    return inward


def table_text(gateway):
    return gateway.run(["nft", "list", "table", *TABLE.split()]).stdout


def flows(gateway, *words):
    """The lines of conntrack's listing that hold all the words, such as `dport=40000`."""
    listing = gateway.run(["conntrack", "-L"]).stdout
    return [line for line in listing.splitlines() if all(word in line.split() for word in words)]
