# SPDX-License-Identifier: GPL-2.0-or-later
"""Assertions about replies."""

import re

import wire
from netns import receive


def octets(text):
    """Octets from hexadecimal digits with blanks wherever they help."""
    return bytes.fromhex(text)


def matches(reply, pattern):
    """
    Assert that a reply's octets are those of the pattern, hexadecimal with blanks, in which
    `.` stands for any digit.
    """
    assert reply is not None, "no reply"
    pattern = pattern.replace(" ", "")
    assert re.fullmatch(pattern, reply.hex()), f"\n got {reply.hex()}\nwant {pattern}"


def silence(client, *requests, to=None):
    """
    Assert that none of the requests is answered: the first reply to come is that of a question
    asked after them, and no other follows.
    """
    with client.socket() as sock:
        for request in requests:
            sock.sendto(request, (to or client.gateway, wire.PORT))
        sock.sendto(wire.NATPMP_EXTERNAL, (client.gateway, wire.PORT))
        replies = []
        while (answer := receive(sock, 1.0 if not replies else 0.1)) is not None:
            replies.append(answer[0])
    assert len(replies) == 1, [reply.hex() for reply in replies]
    assert replies[0][:2] == b"\x00\x80" and len(replies[0]) == 12, replies[0].hex()
