# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets through mappings: single datagrams, open TCP connections, and steady streams."""

import threading
import time

import kernel
from lab import EXTERNAL
from netns import receive


class Connection:
    """A TCP connection that the Internet opened through a mapping, with both its ends."""

    def __init__(self, client, peer_space, internal, target, source=("0.0.0.0", 0)):
        with client.tcp_listen(internal) as listener:
            self.peer = peer_space.tcp_connect(target, source)
            self.inside, self.source = listener.accept()
        self.inside.settimeout(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.peer.close()
        self.inside.close()

    def passes(self):
        """True when both directions carry data."""
        try:
            self.peer.sendall(b"in")
            if self.inside.recv(10) != b"in":
                return False
            self.inside.sendall(b"out")
            return self.peer.recv(10) == b"out"
        except OSError:
            return False

    def reaches_inside(self, timeout=0.4):
        """True when what the peer sends arrives at the client."""
        self.inside.settimeout(timeout)
        try:
            self.peer.sendall(b"still?")
            return self.inside.recv(10) != b""
        except OSError:
            return False

    def reaches_outside(self, timeout=0.4):
        """True when what the client sends arrives at the peer."""
        self.peer.settimeout(timeout)
        try:
            self.inside.sendall(b"still?")
            return self.peer.recv(10) != b""
        except OSError:
            return False


def arrives(sender, target, receiver, data=b"ping", timeout=0.4):
    """The (address, port) that the receiver sees a datagram come from, or None."""
    sender.sendto(data, target)
    got = receive(receiver, timeout)
    assert got is None or got[0] == data
    return got and got[1]


def is_forwarded(client, internal, internet, address, port):
    """True when a datagram of the Internet to the external port arrives at the client."""
    with client.udp(internal) as inside, internet.udp(address) as peer:
        return arrives(peer, (EXTERNAL, port), inside) is not None


def flows_over(gateway, port):
    """Conntrack's entries that an external port is part of."""
    return [line for line in kernel.flows(gateway)
            if f"dst={EXTERNAL}" in line.split() and f"dport={port}" in line.split()]


class Stream:
    """
    Numbered datagrams from `sender` to `target` at a steady rate until the block ends, and which
    of them `receiver` got.
    """

    def __init__(self, sender, target, receiver, per_second=100):
        self._sender, self._target, self._receiver = sender, target, receiver
        self._interval = 1 / per_second
        self._done = threading.Event()
        self.sent = 0
        self.received = set()
        self._threads = [threading.Thread(target=self._send),
                         threading.Thread(target=self._receive)]

    def _send(self):
        due = time.monotonic()
        while not self._done.is_set():
            self._sender.sendto(self.sent.to_bytes(4, "big"), self._target)
            self.sent += 1
            due += self._interval
            time.sleep(max(0.0, due - time.monotonic()))

    def _receive(self):
        while (answer := receive(self._receiver, 0.5)) is not None or not self._done.is_set():
            if answer is not None:
                self.received.add(int.from_bytes(answer[0], "big"))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        for thread in self._threads:
            thread.join()

    @property
    def lost(self):
        return self.sent - len(self.received)
