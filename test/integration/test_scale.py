# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten thousand mappings of a hundred clients: all granted, all distinct, all gone again."""

import socket
import time

import kernel
import wire
from lab import EXTERNAL, PEERS, Client
from netns import eventually, receive
from wire import UDP

CLIENTS = 1
ADDRESSES = 100
EACH = 100
FIRST_INTERNAL = 40000
IN_FLIGHT = 64


def exchange_all(client, requests):
    """Ask with a window of requests in flight, repeating what is lost; the replies by request."""
    replies = {}
    with client.socket() as sock:
        for _ in range(5):
            left = [number for number in range(len(requests)) if number not in replies]
            for start in range(0, len(left), IN_FLIGHT):
                window = left[start:start + IN_FLIGHT]
                for number in window:
                    sock.sendto(requests[number], (client.gateway, wire.PORT))
                for _ in window:
                    answer = receive(sock, 0.5)
                    if answer is None:
                        break
                    reply = wire.NatpmpMap.parse(answer[0])
                    replies[reply.internal - FIRST_INTERNAL] = reply
            if len(replies) == len(requests):
                break
    assert len(replies) == len(requests), f"{len(requests) - len(replies)} without an answer"
    return replies


def test_ten_thousand_mappings(lab, run, gateway, internet, capsys):
    space = lab.clients[0].ns
    space.ip("".join(f"address add 10.9.1.{n}/24 dev tun0\n" for n in range(100, 200)))
    clients = [Client(space, f"10.9.1.{n}", "10.9.1.1") for n in range(100, 100 + ADDRESSES)]
    daemon = run(lab.policy({"mappings": EACH, "rate": 100000}))
    before_kb = daemon.memory_kb("VmRSS")

    began = time.monotonic()
    external = {}
    for client in clients:
        requests = [wire.natpmp_map(UDP, FIRST_INTERNAL + n) for n in range(EACH)]
        for reply in exchange_all(client, requests).values():
            assert reply.result == 0
            external[client, reply.internal] = reply.external
    took = time.monotonic() - began
    assert len(set(external.values())) == ADDRESSES * EACH, "a port was given twice"
    held = {(m.internal, m.internal_port): m.external_port for m in kernel.mappings(gateway)}
    assert held == {(client.address, port): mapped for (client, port), mapped in external.items()}

    with internet.udp(PEERS[0]) as peer:
        for number, client in enumerate(clients):
            internal = FIRST_INTERNAL + number % EACH
            mapped = (EXTERNAL, external[client, internal])
            with client.udp(internal) as inside:
                peer.sendto(b"in", mapped)
                data, source = inside.recvfrom(10)
                inside.sendto(data, source)
                assert peer.recvfrom(10) == (b"in", mapped)

    for client in clients:
        requests = [wire.natpmp_map(UDP, FIRST_INTERNAL + n, lifetime=0) for n in range(EACH)]
        for reply in exchange_all(client, requests).values():
            assert (reply.result, reply.external, reply.lifetime) == (0, 0, 0)
    assert not kernel.mappings(gateway)
    assert eventually(lambda: not [line for line in kernel.flows(gateway)
                                   if f"src={PEERS[0]}" in line.split()])
    with capsys.disabled():
        print(f"\n    {ADDRESSES * EACH} mappings in {took:.2f} s; memory at its peak "
              f"{daemon.memory_kb()} kB, {before_kb} kB before the first")


def test_a_socket_of_a_hundred_waiting_requests_is_answered_whole(lab, run):
    """What piles up while the daemon is busy is served in batches, each request once."""
    run(lab.policy({"rate": 100000}))
    client = lab.clients[0]
    requests = [wire.natpmp_map(UDP, FIRST_INTERNAL + n) for n in range(100)]
    with client.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for request in requests:
            sock.sendto(request, (client.gateway, wire.PORT))
        replies = []
        while (answer := receive(sock, 0.3)) is not None:
            replies.append(wire.NatpmpMap.parse(answer[0]))
    assert sorted(reply.internal for reply in replies) == [
        FIRST_INTERNAL + n for n in range(100)]
    assert all(reply.result == 0 for reply in replies)
