# SPDX-License-Identifier: GPL-2.0-or-later
"""Users of the policy: who has which class, what they share, and which ports they get."""

import threading
import time

import pytest

import kernel
import wire
from control import Control
from netns import eventually, receive
from wire import TCP, UDP

CLIENTS = 3
FRIENDS = range(20000, 20100)
DEFAULT = range(10240, 20000)
GUESTS = range(30000, 30100)
NONCE = b"\7" * 12
PREFER_FAILURE = wire.option(wire.PREFER_FAILURE)
KEY = "00112233445566778899aabbccddeeff"
OTHER_KEY = "ffeeddccbbaa99887766554433221100"


def span(ports):
    return f"{ports.start}-{ports.stop - 1}"


def policy_of(lab, friends=None, users=None, **sections):
    """
    alice has two addresses on the first tunnel, bob the network of the second one; whoever is
    behind the third is unknown.  Each class has ports of its own, so that a port tells the class.
    """
    generous = {"rate": 10000, "mappings": 1000}
    usual_users = {"alice": {"class": "friends", "addresses": ["10.9.1.2", "10.9.1.3"]},
                   "bob": {"addresses": ["10.9.2.0/24"]}}
    return lab.policy(**{
        "classes": {"default": {**generous, "ports": span(DEFAULT)},
                    "friends": {**generous, "ports": span(FRIENDS), **(friends or {})},
                    "guests": {**generous, "ports": span(GUESTS)}},
        "users": usual_users if users is None else users,
        "unknown-users": "guests", **sections})


@pytest.fixture(scope="module", autouse=True)
def addresses(lab):
    for number, client in enumerate(lab.clients, 1):
        client.ns.ip("".join(f"address add 10.9.{number}.{end}/24 dev tun0\n"
                             for end in (3, 4)))


@pytest.fixture
def alice(c1):
    return c1


@pytest.fixture
def alice_too(c1):
    return c1.at("10.9.1.3")


@pytest.fixture
def bob(c2):
    return c2


# Identity

def test_the_address_decides_the_class(daemon, c1, c2, c3, alice_too, control):
    for client, ports, name in (
            (c1, FRIENDS, "alice"), (alice_too, FRIENDS, "alice"), (c2, DEFAULT, "bob"),
            (c2.at("10.9.2.4"), DEFAULT, "bob"), (c3, GUESTS, c3.address),
            (c1.at("10.9.1.4"), GUESTS, "10.9.1.4")):
        reply = client.natpmp(UDP, 5000)
        assert reply.result == 0 and reply.external in ports
        (mapping,) = control.mappings(address=client.address)
        assert (mapping["user"], mapping["external_port"]) == (name, reply.external)
        reply = client.pcp(TCP, 5001)
        assert reply.result == 0 and reply.external in ports


def test_a_suggestion_outside_the_class_gets_a_port_of_the_class(daemon, alice, bob):
    assert bob.natpmp(UDP, 5000, suggested=20000).external in DEFAULT
    assert alice.natpmp(UDP, 5000, suggested=15000).external in FRIENDS
    refused = bob.pcp(UDP, 5001, 20000, options=PREFER_FAILURE)
    assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL


def test_a_class_has_protocols_internal_ports_and_lifetimes(lab, run, alice, bob):
    run(policy_of(lab, {"protocols": ["udp"], "internal-ports": "5000-5999",
                        "lifetime": {"min": 300, "default": 300, "max": 600}}))
    assert alice.natpmp(TCP, 5000).result == wire.NOT_AUTHORIZED
    assert alice.natpmp(UDP, 6000).result == wire.NOT_AUTHORIZED
    assert alice.pcp(UDP, 6000).result == wire.NOT_AUTHORIZED
    for asked, granted in ((1, 300), (400, 400), (3600, 600)):
        assert alice.natpmp(UDP, 5000, lifetime=asked).lifetime == granted
        assert alice.pcp(UDP, 5001, lifetime=asked, nonce=NONCE).lifetime == granted
    assert bob.natpmp(TCP, 6000).result == 0


def test_a_class_has_options(lab, run, alice, bob):
    run(policy_of(lab, {"options": []}))
    assert alice.pcp(UDP, 5000, options=PREFER_FAILURE).result == wire.UNSUPP_OPTION
    assert bob.pcp(UDP, 5000, 15000, options=PREFER_FAILURE).external == 15000


def test_two_addresses_share_one_quota(lab, run, alice, alice_too, bob, gateway):
    run(policy_of(lab, {"mappings": 2}))
    assert alice.natpmp(UDP, 5000).result == 0
    assert alice_too.natpmp(UDP, 5000).result == 0
    for client in (alice, alice_too):
        assert client.natpmp(UDP, 5001).result == wire.NATPMP_NO_RESOURCES
        refused = client.pcp(UDP, 5001)
        assert (refused.result, refused.lifetime) == (wire.USER_EX_QUOTA, wire.SHORT_ERROR_S)
        assert client.natpmp(UDP, 5000).result == 0
    for internal in range(5000, 5004):
        assert bob.natpmp(UDP, internal).result == 0
    assert len(kernel.mappings(gateway)) == 6


def test_unknown_addresses_have_a_quota_each(lab, run, c3):
    run(policy_of(lab, classes={"guests": {"mappings": 1, "rate": 1000}}, users={}))
    for client in (c3, c3.at("10.9.3.3"), c3.at("10.9.3.4")):
        assert client.natpmp(UDP, 5000).result == 0
        assert client.natpmp(UDP, 5001).result == wire.NATPMP_NO_RESOURCES


def test_unknown_users_are_refused_where_the_policy_says_so(lab, run, c1, c3, gateway):
    run(policy_of(lab, **{"unknown-users": "refuse"}))
    assert c3.natpmp(UDP, 5000).result == wire.NOT_AUTHORIZED
    refused = c3.pcp(UDP, 5000)
    assert (refused.result, refused.lifetime) == (wire.NOT_AUTHORIZED, wire.LONG_ERROR_S)
    assert c3.external().result == wire.NOT_AUTHORIZED
    assert not kernel.mappings(gateway)
    assert c1.natpmp(UDP, 5000).result == 0


# Quota

def test_a_pair_counts_once_and_renewal_and_deletion_are_never_refused(
        lab, run, alice, gateway):
    control = Control(run(policy_of(lab, {"mappings": 2})).control)
    first = alice.natpmp(UDP, 5000).external
    assert alice.natpmp(TCP, 5000).external == first
    assert alice.pcp(TCP, 5001, nonce=NONCE).result == 0
    assert control.user("alice")["held"] == control.user("alice")["allowed"] == 2
    assert alice.natpmp(UDP, 5002).result == wire.NATPMP_NO_RESOURCES
    assert alice.pcp(UDP, 5002).result == wire.USER_EX_QUOTA
    assert alice.pcp(UDP, 5001).result == 0, "the other half of a pair is not a new port"
    for _ in range(3):
        assert alice.natpmp(UDP, 5000, lifetime=7200).lifetime == 7200
        assert alice.pcp(TCP, 5001, lifetime=7200, nonce=NONCE).lifetime == 7200
    assert alice.pcp(TCP, 5001, lifetime=0, nonce=NONCE).result == 0
    assert alice.natpmp(UDP, 5000, lifetime=0).result == 0
    assert len(kernel.mappings(gateway)) == 2


def test_who_cycles_ports_at_the_quota_does_not_exhaust_the_pool(lab, run, alice, gateway):
    """A port at rest counts, but its own client may have it again for something else."""
    run(policy_of(lab, {"mappings": 2, "quarantine": 3600}))
    used = set()
    for internal in range(5000, 5060):
        reply = alice.natpmp(UDP, internal)
        assert reply.result == 0
        used.add(reply.external)
        assert alice.natpmp(UDP, internal, lifetime=0).result == 0
    assert len(used) <= 2
    assert not kernel.mappings(gateway)


# Rate

def renewal_times(client, count, pause=0.005):
    """Seconds until the answer to each of many renewals."""
    request = wire.natpmp_map(UDP, 5000)
    times = []
    with client.socket() as sock:
        for _ in range(count):
            began = time.monotonic()
            sock.sendto(request, (client.gateway, wire.PORT))
            reply = receive(sock, 1.0)
            times.append(time.monotonic() - began)
            assert reply and wire.NatpmpMap.parse(reply[0]).result == 0
            time.sleep(pause)
    return sorted(times)


def test_a_flood_does_not_slow_another_users_renewals(lab, run, alice, alice_too, bob, capsys):
    control = Control(run(policy_of(lab, {"rate": 20})).control)
    quiet = renewal_times(bob, 100)
    done = threading.Event()

    def flood(client):
        requests = [wire.natpmp_map(UDP, internal) for internal in range(5000, 5100)]
        with client.socket() as sock:
            while not done.is_set():
                for request in requests:
                    sock.sendto(request, (client.gateway, wire.PORT))
                time.sleep(0.005)

    threads = [threading.Thread(target=flood, args=(client,)) for client in (alice, alice_too)]
    for thread in threads:
        thread.start()
    try:
        times = renewal_times(bob, 300)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    p99 = times[len(times) * 99 // 100]
    with capsys.disabled():
        print(f"\n    renewals of one user: p99 {1000 * p99:.2f} ms, longest "
              f"{1000 * times[-1]:.2f} ms while another floods; longest without "
              f"{1000 * quiet[-1]:.2f} ms")
    assert p99 < 0.1
    assert control.get("/v1/status")["counters"]["dropped"]["rate"] > 0
    assert control.user("alice")["held"] <= 40 + 2 * 20 * 5


def test_addresses_of_one_user_share_one_rate(lab, run, alice, alice_too, bob):
    run(policy_of(lab, {"rate": 10}))
    replies = alice.ask_all([wire.NATPMP_EXTERNAL] * 60)
    assert 20 <= len(replies) <= 26
    assert len(alice_too.ask_all([wire.NATPMP_EXTERNAL] * 30)) <= 6
    assert len(bob.ask_all([wire.NATPMP_EXTERNAL] * 60)) == 60


# Port choice

def ports_of(client, internals=range(5000, 5020)):
    replies = [client.natpmp(UDP, internal) for internal in internals]
    assert all(reply.result == 0 for reply in replies)
    return [reply.external for reply in replies]


def release(client, internals=range(5000, 5020)):
    for internal in internals:
        assert client.natpmp(UDP, internal, lifetime=0).result == 0


def test_random_ports_are_different_each_time_and_use_the_whole_range(lab, run, bob):
    daemon = run(policy_of(lab))
    first = ports_of(bob)
    daemon.stop()
    daemon.start()
    second = ports_of(bob)
    assert len(set(first) & set(second)) < 5
    both = sorted(first + second)
    assert both[0] < DEFAULT.start + len(DEFAULT) // 4
    assert both[-1] > DEFAULT.stop - len(DEFAULT) // 4


def test_the_last_free_port_of_a_class_is_found(lab, run, alice, alice_too):
    run(policy_of(lab))
    given = set(ports_of(alice, range(5000, 5000 + len(FRIENDS) - 1)))
    last = alice_too.natpmp(UDP, 5000)
    assert last.result == 0 and given | {last.external} == set(FRIENDS)
    assert alice_too.natpmp(UDP, 5001).result == wire.NATPMP_NO_RESOURCES
    assert alice_too.pcp(UDP, 5001).result == wire.NO_RESOURCES


def sticky(lab, **more):
    return policy_of(lab, {"port-choice": "sticky", "quarantine": 1, "ports": "10240-32767",
                           **more})


def with_key(daemon, key):
    (daemon.config.parent / "sticky.key").write_text(key + "\n")
    return daemon


@pytest.fixture
def gateways(lab, run):
    """Start one gateway after the other, each with a policy folder of its own and a key."""
    daemons = []

    def start(key, policy):
        if daemons:
            daemons[-1].stop()
        daemons.append(lab.daemon(policy))
        return with_key(daemons[-1], key).start()

    yield start
    for daemon in daemons:
        daemon.close()


def test_sticky_ports_return_after_deletion_and_rest(lab, run, alice, bob):
    run(sticky(lab))
    first = ports_of(alice)
    assert len(set(first)) == len(first)
    release(alice)
    time.sleep(1.3)
    assert ports_of(alice) == first


def test_sticky_ports_are_the_users_not_the_addresses(gateways, lab, alice, alice_too, bob):
    gateways(KEY, sticky(lab))
    first = ports_of(alice)
    gateways(KEY, sticky(lab))
    assert ports_of(alice_too) == first
    gateways(KEY, policy_of(lab, {"port-choice": "sticky", "ports": "10240-32767"}, users={
        "bob": {"class": "friends", "addresses": [bob.address]}}))
    assert len(set(ports_of(bob)) & set(first)) < 5


def test_sticky_ports_follow_from_the_key_alone(gateways, lab, alice):
    daemon = gateways(KEY, sticky(lab))
    first = ports_of(alice)
    daemon.stop()
    daemon.start()
    assert ports_of(alice) == first, "after a restart"
    gateways(KEY, sticky(lab))
    assert ports_of(alice) == first, "on another gateway"
    assert ports_of(alice, reversed(range(5000, 5020))) == first[::-1]
    gateways(OTHER_KEY, sticky(lab))
    assert len(set(ports_of(alice)) & set(first)) < 5, "with another key"


def test_without_a_key_sticky_ports_survive_a_restart(lab, run, alice):
    daemon = run(sticky(lab))
    first = ports_of(alice)
    daemon.stop()
    daemon.start()
    assert ports_of(alice) == first


def test_a_sticky_port_that_is_taken_is_another(gateways, lab, alice, bob):
    gateways(KEY, sticky(lab))
    wanted = alice.natpmp(UDP, 5000).external
    gateways(KEY, policy_of(lab, {"port-choice": "sticky", "ports": "10240-32767"},
                            classes={"default": {"rate": 10000, "ports": "10240-32767"},
                                     "friends": {"rate": 10000, "port-choice": "sticky"},
                                     "guests": {}}))
    assert bob.natpmp(UDP, 7000, suggested=wanted).external == wanted
    other = alice.natpmp(UDP, 5000)
    assert other.result == 0 and other.external != wanted
    assert alice.natpmp(UDP, 5000).external == other.external


def test_a_key_that_is_none_is_reported_and_not_used(lab, run, alice):
    daemon = lab.daemon(sticky(lab))
    try:
        with_key(daemon, "not hexadecimal").start()
        assert "sticky.key" in daemon.log()
        assert alice.natpmp(UDP, 5000).result == 0
    finally:
        daemon.close()


# Quarantine

def test_a_released_port_rests_for_other_users_and_not_for_its_own(
        lab, run, alice, alice_too, bob, c3):
    same = {"rate": 10000, "quarantine": 2}
    run(policy_of(lab, classes={"default": same, "friends": same, "guests": same}))
    assert alice.natpmp(UDP, 5000, suggested=20000).external == 20000
    assert alice.natpmp(UDP, 5000, lifetime=0).result == 0
    released = time.monotonic()
    for stranger in (bob, c3):
        for protocol in (UDP, TCP):
            assert stranger.natpmp(protocol, 5000, suggested=20000).external != 20000
        refused = stranger.pcp(UDP, 5001, 20000, options=PREFER_FAILURE)
        assert refused.result == wire.CANNOT_PROVIDE_EXTERNAL
    assert alice_too.natpmp(UDP, 7000, suggested=20000).external == 20000
    assert alice_too.natpmp(UDP, 7000, lifetime=0).result == 0
    assert time.monotonic() - released < 1.5
    assert bob.natpmp(UDP, 5002, suggested=20000).external != 20000
    assert eventually(lambda: bob.pcp(UDP, 5003, 20000, options=PREFER_FAILURE).result == 0, 4)
    assert time.monotonic() - released > 1.9
