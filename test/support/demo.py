#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Show tunmapd at work between two WireGuard clients and the Internet, all in network namespaces,
and check each thing that is shown.  With --once it ends after that with status 0 or 1; else it
leaves the lab up until Ctrl-C, with commands to play with.
"""

import argparse
import re
import signal
import socket
import sys
import threading
import time

import kernel
import wire
from daemon import NotReady
from lab import EXTERNAL, PEERS, Lab
from netns import eventually, receive

PORT = 6881
ECHO_PORT = 7000
SHORT_S = 3
POLICY = f"""\
tunnels:
  - interface: wg0
external:
  - interface: eth0
classes:
  default:
    lifetime: {{min: {SHORT_S}, default: 3600, max: 86400}}
"""


class Failed(Exception):
    """A step did not show what it should."""


def expect(condition, otherwise):
    if not condition:
        raise Failed(otherwise)


def say(text):
    print(f"      {text}", flush=True)


def packet(source, target, data):
    text = data.decode() if data.isascii() and data.decode().isprintable() else data.hex(" ", 4)
    say(f"{source} -> {target}  {len(data)} bytes: {text}")


def place(address):
    return f"{address[0]}:{address[1]}"


class Demo:
    """The steps, in their order; each leaves on `self` what the next ones need."""

    def __init__(self, lab):
        self.lab = lab
        self.client, self.other = lab.clients
        self.internet = lab.internet
        self.mapped = {}
        self.open = None

    def natpmpc(self, client, *arguments):
        command = ["natpmpc", *map(str, arguments)]
        say(f"client {client.address} $ {' '.join(command)}")
        result = client.ns.run(command, check=False)
        for line in result.stdout.splitlines():
            if line.startswith(("Public IP address", "Mapped public port")):
                say(f"  {line}")
        expect(result.returncode == 0, f"natpmpc ended with {result.returncode}:\n"
                                       f"{result.stdout}{result.stderr}")
        return result.stdout

    def map_port(self, client, protocol, internal, lifetime):
        output = self.natpmpc(client, "-a", 0, internal, protocol, lifetime)
        found = re.search(r"Mapped public port (\d+) protocol (\w+) to local port (\d+)", output)
        expect(found, "natpmpc printed no mapping")
        expect(found[2].lower() == protocol and int(found[3]) == internal,
               f"the reply is about another mapping: {found[0]}")
        return int(found[1])

    def external_address(self):
        """The client asks for the external address"""
        reply = self.client.ask(wire.NATPMP_EXTERNAL)
        packet(self.client.address, f"{self.client.gateway}:5351", wire.NATPMP_EXTERNAL)
        expect(reply is not None, "no reply")
        packet(f"{self.client.gateway}:5351", self.client.address, reply)
        external = wire.NatpmpExternal.parse(reply)
        say(f"result {external.result}, epoch {external.epoch} s, address {external.address}")
        expect((external.result, external.address) == (0, EXTERNAL), f"expected {EXTERNAL}")

    def ports(self):
        """natpmpc asks for a UDP and a TCP port and gets one number for both"""
        for protocol in ("udp", "tcp"):
            self.mapped[protocol] = self.map_port(self.client, protocol, PORT, 3600)
        held = kernel.mappings(self.lab.gateway)
        for mapping, left in sorted(held.items()):
            say(f"kernel: {mapping.external}:{mapping.external_port} {mapping.protocol} "
                f"-> {mapping.internal}:{mapping.internal_port}, ends by itself in {left} s")
        expect(self.mapped["udp"] == self.mapped["tcp"], "UDP and TCP got different ports")
        expect(len(held) == 2, f"the kernel holds {len(held)} mappings")

    def tcp_in(self):
        """The Internet talks TCP to the client through the mapped port"""
        target = (EXTERNAL, self.mapped["tcp"])
        with self.client.tcp_listen(PORT) as listener:
            peer = self.internet.tcp_connect(target, (PEERS[0], 0))
            accepted, source = listener.accept()
        accepted.settimeout(2)
        self.open = (peer, accepted)
        say(f"the client accepts a connection from {place(source)}")
        self.exchange_tcp("hello from the Internet", "hello from inside the tunnel")
        expect(source == peer.getsockname(), "the peer's address was not kept")

    def exchange_tcp(self, question, answer):
        peer, accepted = self.open
        peer.sendall(question.encode())
        expect(accepted.recv(200).decode() == question, "the question did not arrive")
        packet(place(peer.getsockname()), f"{place(peer.getpeername())} tcp", question.encode())
        accepted.sendall(answer.encode())
        expect(peer.recv(200).decode() == answer, "the answer did not arrive")
        packet(place(peer.getpeername()), f"{place(peer.getsockname())} tcp", answer.encode())

    def udp_in(self):
        """The Internet talks UDP to the client, and the answer comes from the mapped port"""
        target = (EXTERNAL, self.mapped["udp"])
        with self.client.udp(PORT) as inside, self.internet.udp(PEERS[0]) as peer:
            peer.sendto(b"anybody there?", target)
            packet(place(peer.getsockname()), f"{place(target)} udp", b"anybody there?")
            got = receive(inside, 2)
            expect(got, "nothing arrived at the client")
            inside.sendto(b"yes, here", got[1])
            answer = receive(peer, 2)
            expect(answer, "the answer did not arrive")
            packet(place(answer[1]), f"{place(peer.getsockname())} udp", answer[0])
            expect(answer == (b"yes, here", target), f"expected it from {place(target)}")

    def udp_out(self):
        """The client's own packets leave from its mapped port, to whomever"""
        with self.client.udp(PORT) as inside:
            for address in PEERS:
                with self.internet.udp(address, 9000) as peer:
                    inside.sendto(b"first word", (address, 9000))
                    got = receive(peer, 2)
                    expect(got, "nothing arrived")
                    say(f"sent from {self.client.address}:{PORT} to {address}:9000, "
                        f"which sees {place(got[1])}")
                    expect(got[1] == (EXTERNAL, self.mapped["udp"]),
                           f"expected {EXTERNAL}:{self.mapped['udp']}")

    def hairpin(self):
        """A second client reaches the first through the external address"""
        target = (EXTERNAL, self.mapped["udp"])
        with self.client.udp(PORT) as inside, self.other.socket() as neighbour:
            neighbour.sendto(b"hello neighbour", target)
            packet(place(neighbour.getsockname()), f"{place(target)} udp", b"hello neighbour")
            got = receive(inside, 2)
            expect(got, "nothing arrived at the first client")
            say(f"the first client sees it come from {place(got[1])}")
            expect(got[1][0] == EXTERNAL, "a tunnel address shows")
            inside.sendto(b"hello back", got[1])
            answer = receive(neighbour, 2)
            expect(answer, "the answer did not arrive")
            packet(place(answer[1]), f"{place(neighbour.getsockname())} udp", answer[0])
            expect(answer == (b"hello back", target), f"expected it from {place(target)}")

    def pcp(self):
        """PCP: the second client asks for a port of its own with a nonce, and gives it back"""
        nonce = bytes(range(1, 13))
        for lifetime in (3600, 0):
            request = wire.pcp_map(self.other.address, wire.UDP, 5000, 0, lifetime, nonce)
            packet(self.other.address, f"{self.other.gateway}:5351", request)
            reply = self.other.ask(request)
            expect(reply is not None, "no reply")
            packet(f"{self.other.gateway}:5351", self.other.address, reply)
            answer = wire.PcpReply.parse(reply)
            say(f"result {answer.result}, {answer.address}:{answer.external} for "
                f"{answer.lifetime} s")
            expect((answer.result, answer.nonce) == (0, nonce), "expected success")
            expect(lifetime == 0 or answer.address == EXTERNAL, f"expected {EXTERNAL}")
            ours = [mapping for mapping in kernel.mappings(self.lab.gateway)
                    if mapping.internal == self.other.address]
            expect(len(ours) == (1 if lifetime else 0), f"the kernel holds {len(ours)}")

    def deletion(self):
        """Deleting the mappings cuts the TCP connection that is still open, and UDP"""
        peer, accepted = self.open
        self.exchange_tcp("still here?", "still here")
        with self.client.udp(PORT) as inside, self.internet.udp(PEERS[0]) as stranger:
            stranger.sendto(b"one", (EXTERNAL, self.mapped["udp"]))
            expect(receive(inside, 2), "UDP did not pass before the deletion")
            for protocol in ("tcp", "udp"):
                output = self.natpmpc(self.client, "-a", 0, PORT, protocol, 0)
                expect(re.search(r"Mapped public port 0 .* 0$", output, re.MULTILINE),
                       "the deletion was not confirmed")
            expect(not kernel.mappings(self.lab.gateway), "elements are left in the kernel")
            port = self.mapped["tcp"]
            expect(eventually(lambda: not self.flows(port)),
                   "flows are left in conntrack:\n" + "\n".join(self.flows(port)))
            say("kernel: no element is left, and within a second no flow")
            stranger.sendto(b"two", (EXTERNAL, port))
            expect(receive(inside) is None, "UDP still passes in a flow that was open")
            say("UDP: the next datagram of the same flow does not arrive")
        self.expect_dead(peer, accepted)
        say("TCP: what the peer sends into the open connection does not arrive")

    def flows(self, port):
        """Flows that a mapping's external port carries, in either direction."""
        return [line for line in kernel.flows(self.lab.gateway, f"dport={port}")
                if f"dst={EXTERNAL}" in line]

    def expect_dead(self, peer, accepted):
        peer.sendall(b"into the void")
        accepted.settimeout(0.5)
        try:
            data = accepted.recv(200)
            expect(not data, f"the connection lives: {data}")
        except (socket.timeout, ConnectionError):
            pass
        peer.close()
        accepted.close()

    def expiry(self):
        """A mapping that is not renewed ends in time, with the connection over it"""
        port = self.map_port(self.client, "tcp", PORT, SHORT_S)
        granted = time.monotonic()
        with self.client.tcp_listen(PORT) as listener:
            peer = self.internet.tcp_connect((EXTERNAL, port), (PEERS[0], 0))
            accepted, _ = listener.accept()
            say(f"before: {place(peer.getsockname())} connects to {EXTERNAL}:{port}")
            time.sleep(max(0.0, granted + SHORT_S + 1 - time.monotonic()))
            self.expect_dead(peer, accepted)
            say(f"{time.monotonic() - granted:.1f} s later: the connection is cut")
            try:
                self.internet.tcp_connect((EXTERNAL, port), (PEERS[0], 0), timeout=1).close()
            except (socket.timeout, ConnectionError):
                say(f"and {EXTERNAL}:{port} is closed")
            else:
                raise Failed(f"{EXTERNAL}:{port} is still open")
        expect(not kernel.mappings(self.lab.gateway), "elements are left in the kernel")

    def run(self):
        """Every step; returns how many failed."""
        failed = 0
        steps = [self.external_address, self.ports, self.tcp_in, self.udp_in, self.udp_out,
                 self.hairpin, self.pcp, self.deletion, self.expiry]
        for number, step in enumerate(steps, 1):
            print(f"\n{number:3}.  {step.__doc__}", flush=True)
            try:
                step()
            except Exception as error:  # whatever went wrong, the other steps still show
                failed += 1
                detail = str(error) if isinstance(error, Failed) else repr(error)
                say(f"FAILED: {detail}")
            else:
                say("ok")
        return failed


def describe(lab, daemon):
    first, second = lab.clients
    print(f"""\
Three kinds of network namespaces, joined by {lab.wireguard_kind}:

      {first.ns.name}   client {first.address}  --.
                                        wg0 10.9.0.1  {lab.gateway.name}  eth0 {EXTERNAL}
      {second.ns.name}   client {second.address}  --'                              |
                                                  {lab.internet.name}  {', '.join(PEERS)}

tunmapd is ready as process {daemon.process.pid} in {lab.gateway.name}, with this policy:
""")
    for line in POLICY.splitlines():
        print(f"      {line}")


def echo(sock):
    """Answer every datagram with itself, forever."""
    while True:
        data, source = sock.recvfrom(2048)
        sock.sendto(data, source)


def play(lab, daemon):
    """Leave the lab up, with an echo server behind the first client's port, until Ctrl-C."""
    client, other = lab.clients
    server = client.udp(ECHO_PORT, timeout=None)
    threading.Thread(target=echo, args=(server,), daemon=True).start()
    print(f"""
The lab is up; Ctrl-C takes it apart.  An echo server answers UDP {ECHO_PORT} on the first client.
To play, in another terminal:

      ip netns exec {client.ns.name} natpmpc
      ip netns exec {client.ns.name} natpmpc -a 0 {ECHO_PORT} udp 600
      ip netns exec {lab.internet.name} bash -c 'exec 3<>/dev/udp/{EXTERNAL}/PORT; echo hi >&3; head -n 1 <&3'
      ip netns exec {other.ns.name} natpmpc -a 0 8000 tcp 60
      ip netns exec {lab.gateway.name} nft list table inet tunmap
      ip netns exec {lab.gateway.name} conntrack -L
""", flush=True)
    shown = len(daemon.log())
    while daemon.running():
        time.sleep(0.5)
        log = daemon.log()
        if len(log) > shown:
            print(log[shown:], end="", flush=True)
            shown = len(log)
    print(f"tunmapd ended with status {daemon.process.returncode}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the demonstration")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with Lab("wireguard") as lab:
            daemon = lab.start_daemon(POLICY)
            describe(lab, daemon)
            failed = Demo(lab).run()
            print(f"\n{'every step ok' if failed == 0 else f'{failed} FAILED'}", flush=True)
            if failed:
                print(f"\nThe daemon's log:\n{daemon.log()}")
            try:
                if not options.once:
                    play(lab, daemon)
            except KeyboardInterrupt:
                print()
            status = daemon.stop()
            if status != 0:
                print(f"tunmapd ended with status {status}:\n{daemon.log()}")
    except (NotReady, RuntimeError, OSError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 1 if failed or status else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(1)
