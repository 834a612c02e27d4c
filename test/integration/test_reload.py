# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reloads by signal and by tunmapctl: what the new policy does not allow ends at once, what it allows
is not touched, not even for a packet, and a fault changes nothing.
"""

import re
import threading
import time

import pytest

import kernel
import wire
from control import Control, Watch
from daemon import is_sanitized
from lab import EXTERNAL, PEERS
from netns import eventually, receive
from traffic import Connection, Stream, arrives, flows_over
from wire import TCP, UDP

CLIENTS = 2
RELOADS = 1000
FEW_RELOADS = 20


def policy_of(lab, friends=None, users=None, **sections):
    """alice is the first client, of the class friends; the second is nobody's."""
    generous = {"rate": 10000, "mappings": 1000}
    return lab.policy(**{
        "classes": {"default": generous, "friends": {**generous, **(friends or {})}},
        "users": {"alice": {"class": "friends", "addresses": [lab.clients[0].address]}}
        if users is None else users, **sections})


def by_signal(daemon):
    daemon.reload()


def by_tunmapctl(daemon):
    Control(daemon.control).ctl("reload", check=False)


def held(gateway):
    return {(m.protocol, m.external_port, m.internal, m.internal_port)
            for m in kernel.mappings(gateway)}


EVERY_WAY = pytest.mark.parametrize("reload", [by_signal, by_tunmapctl])


# Faults

@EVERY_WAY
def test_a_fault_keeps_the_old_policy_whole(lab, daemon, c1, internet, gateway, control, reload):
    port = c1.natpmp(TCP, 5000).external
    before = held(gateway)
    with Connection(c1, internet, 5000, (EXTERNAL, port)) as connection:
        text = policy_of(lab, {"protocols": ["udp"], "mappings": 1})
        daemon.configure(text.replace('"protocols"', '"protocol"').rstrip())
        line, column = place_of(daemon, '"protocol"')
        reload(daemon)
        assert daemon.running()
        assert held(gateway) == before
        assert connection.passes()
    assert is_forwarded_tcp(c1, internet, port)
    for internal in (5001, 5002):
        assert c1.natpmp(TCP, internal).result == 0, "the old classes are in force"
    status = control.get("/v1/status")
    assert status["reload"]["ok"] is False and status["warnings"]
    if reload is by_signal:
        assert re.search(rf"{re.escape(str(daemon.config))}:{line}:{column}: .*protocol",
                         daemon.log())
    told = control.ctl("reload", check=False)
    assert told.returncode == 1
    assert re.search(rf"{re.escape(str(daemon.config))}:{line}:{column}: .*protocol", told.stderr)
    daemon.configure(policy_of(lab))
    reload(daemon)
    status = control.get("/v1/status")
    assert status["reload"]["ok"] is True and not status["warnings"]


def place_of(daemon, text):
    for number, line in enumerate(daemon.config.read_text().splitlines(), 1):
        if text in line:
            return number, line.index(text) + 1
    raise AssertionError(text)


def is_forwarded_tcp(client, internet, port):
    with Connection(client, internet, 5000, (EXTERNAL, port)) as connection:
        return connection.passes()


@EVERY_WAY
def test_a_policy_that_is_gone_keeps_the_old_one(lab, daemon, c1, gateway, control, reload):
    c1.natpmp(UDP, 5000)
    daemon.config.unlink()
    reload(daemon)
    assert daemon.running() and len(held(gateway)) == 1
    assert c1.natpmp(UDP, 5001).result == 0
    assert control.get("/v1/status")["reload"]["ok"] is False


def test_a_fault_in_an_included_file_names_that_file(lab, daemon, c1, gateway, control):
    folder = daemon.config.parent / "users.d"
    folder.mkdir()
    (folder / "bob.yaml").write_text("users:\n  bob:\n    class: friends\n")
    daemon.configure(policy_of(lab, include=["users.d/*.yaml"]))
    status, answer = control.reload()
    assert (status, answer["changes"]["users_added"]) == (200, 1)
    (folder / "carol.yaml").write_text("users:\n  carol:\n    class: strangers\n")
    told = control.ctl("reload", check=False)
    assert told.returncode == 1
    assert f"{folder / 'carol.yaml'}:3:12: " in told.stderr and "strangers" in told.stderr
    assert control.user("bob") and not control.user("carol")


def test_a_service_manager_that_does_not_listen_stops_nothing(daemon, c1, control):
    """Nobody reads what the daemon says on its NOTIFY_SOCKET."""
    for _ in range(30):
        status, _ = control.call("POST", "/v1/reload", timeout=3)
        assert status == 200
    assert c1.external().result == 0


# What changes

@EVERY_WAY
def test_what_a_class_no_longer_allows_ends_with_its_flows(
        lab, daemon, c1, c2, internet, gateway, reload):
    tcp, udp = c1.natpmp(TCP, 5000).external, c1.natpmp(UDP, 5001).external
    other = c2.natpmp(TCP, 5000).external
    with Connection(c1, internet, 5000, (EXTERNAL, tcp)) as connection, \
            Connection(c2, internet, 5000, (EXTERNAL, other)) as spared:
        assert connection.passes() and spared.passes()
        daemon.configure(policy_of(lab, {"protocols": ["udp"]}))
        reload(daemon)
        assert held(gateway) == {("udp", udp, c1.address, 5001), ("tcp", other, c2.address, 5000)}
        assert eventually(lambda: not flows_over(gateway, tcp))
        assert not connection.reaches_inside()
        assert spared.passes()
    assert c1.natpmp(TCP, 5000).result == wire.NOT_AUTHORIZED


@pytest.mark.parametrize("change", [
    {"internal-ports": "6000-6999"}, {"ports": "20000-20099"}])
def test_other_bounds_of_a_class_end_what_lies_outside(
        lab, daemon, c1, c2, gateway, control, change):
    outside = c1.natpmp(UDP, 5000, suggested=15000).external
    inside = c1.natpmp(UDP, 6000, suggested=20001).external
    other = c2.natpmp(UDP, 5000, suggested=15001).external
    assert (outside, inside, other) == (15000, 20001, 15001)
    daemon.configure(policy_of(lab, change))
    status, answer = control.reload()
    assert (status, answer["changes"]["revoked"], answer["changes"]["kept"]) == (200, 1, 2)
    assert {port for _, port, _, _ in held(gateway)} == {inside, other}


def test_a_smaller_quota_ends_what_is_beyond(lab, daemon, c1, c2, gateway, control):
    for internal in range(5000, 5006):
        assert c1.natpmp(UDP, internal).result == 0
        assert c2.natpmp(UDP, internal).result == 0
    daemon.configure(policy_of(lab, {"mappings": 2}))
    assert control.reload()[0] == 200
    assert sorted(internal for _, _, internal, _ in held(gateway)) == (
        [c1.address] * 2 + [c2.address] * 6)
    assert control.user("alice")["held"] == control.user("alice")["allowed"] == 2


def test_unknown_users_that_are_refused_from_now_on_lose_theirs(
        lab, daemon, c1, c2, internet, gateway, control):
    kept, gone = c1.natpmp(UDP, 5000).external, c2.natpmp(TCP, 5000).external
    with Connection(c2, internet, 5000, (EXTERNAL, gone)) as connection:
        daemon.configure(policy_of(lab, **{"unknown-users": "refuse"}))
        assert control.reload()[0] == 200
        assert held(gateway) == {("udp", kept, c1.address, 5000)}
        assert eventually(lambda: not connection.reaches_inside(0.2))
    assert c2.natpmp(TCP, 5000).result == wire.NOT_AUTHORIZED


def test_an_address_that_gets_another_user_loses_its_mappings(
        lab, daemon, c1, c2, gateway, control):
    c1.natpmp(UDP, 5000)
    port = c2.natpmp(UDP, 5000).external
    daemon.configure(policy_of(lab, users={"bob": {"addresses": [c1.address]}}))
    assert control.reload()[0] == 200
    assert held(gateway) == {("udp", port, c2.address, 5000)}


def test_an_address_that_nobody_had_takes_its_mappings_to_its_user(
        lab, daemon, c2, internet, gateway, control):
    port = c2.natpmp(TCP, 5000).external
    with Connection(c2, internet, 5000, (EXTERNAL, port)) as connection:
        daemon.configure(policy_of(lab, users={"bob": {"addresses": [c2.address]}}))
        assert control.reload()[0] == 200
        assert connection.passes()
    (mapping,) = control.mappings()
    assert (mapping["user"], mapping["external_port"]) == ("bob", port)
    assert control.user("bob")["held"] == 1


def test_a_smaller_pool_and_a_protocol_switched_off(lab, daemon, c1, c2, gateway, control):
    c1.natpmp(UDP, 5000, suggested=15000)
    kept = c1.pcp(UDP, 5001, 20000).external
    c2.natpmp(UDP, 5000, suggested=20001)
    daemon.configure(policy_of(lab, nat={"ports": "20000-20999"}, protocols={"nat-pmp": False}))
    status, _ = control.reload()
    assert status == 200
    assert held(gateway) == {("udp", kept, c1.address, 5001)}
    assert c2.ask(wire.NATPMP_EXTERNAL)[:4] != b"\0\x80\0\0"
    assert c2.pcp(UDP, 5000, 15000).external in range(20000, 21000)


def test_sessions_and_bans_outlive_a_reload(lab, daemon, c1, c2, control):
    control.session_up(c2.address, "carol", "--class", "friends", "--id", "7")
    port = c2.natpmp(UDP, 5000).external
    control.ctl("ban", "--user", "alice")
    daemon.configure(policy_of(lab, {"mappings": 100}))
    assert control.reload()[0] == 200
    (mapping,) = control.mappings()
    assert (mapping["user"], mapping["class"], mapping["external_port"]) == (
        "carol", "friends", port)
    assert c1.natpmp(UDP, 5000).result == wire.NOT_AUTHORIZED
    control.session_down(c2.address, "--id", "7")
    assert not control.mappings()


def test_a_reload_and_a_check_count_what_they_change(lab, daemon, c1, c2, control, tmp_path):
    c1.natpmp(TCP, 5000)
    c2.natpmp(TCP, 5000)
    new = policy_of(lab, {"protocols": ["udp"]}, classes={
        "friends": {"protocols": ["udp"]}, "guests": {}}, users={
        "alice": {"class": "friends", "addresses": [c1.address]}, "bob": {}, "carol": {}})
    candidate = tmp_path / "new.yaml"
    candidate.write_text(new)
    expected = {"users_added": 2, "users_removed": 0, "classes_added": 1, "classes_removed": 0,
                "revoked": 1, "kept": 1}
    status, answer = control.call("POST", "/v1/check", new)
    assert (status, answer["changes"]) == (200, expected)
    assert control.ctl_json("check", candidate)["changes"] == expected
    assert len(control.mappings()) == 2
    daemon.configure(new)
    with Watch(control) as watch:
        status, answer = control.reload()
    assert (status, answer["changes"]) == (200, expected)
    assert watch.kinds().count("reloaded") == 1
    assert [event["reason"] for event in watch.events if event["event"] == "ended"] == ["policy"]


# What does not

def test_a_running_stream_loses_not_one_packet(lab, daemon, c1, c2, internet, control, gateway):
    # In every pool that the reloads bring.
    port = c1.natpmp(UDP, 5000, suggested=20000).external
    tcp = c1.natpmp(TCP, 5000, suggested=20000).external
    with c1.udp(5000) as inside, internet.udp(PEERS[0], 9000) as peer, \
            Connection(c1, internet, 5000, (EXTERNAL, tcp)) as connection:
        assert arrives(peer, (EXTERNAL, port), inside) and connection.passes()
        began = time.monotonic()
        with Stream(peer, (EXTERNAL, port), inside) as inward:
            for number in range(FEW_RELOADS):
                daemon.configure(policy_of(
                    lab, {"mappings": 100 + number},
                    nat={"hairpin": number % 2 == 0, "ports": f"10240-{32000 + number}"},
                    classes={"default": {"rate": 10000, "protocols": ["udp", "tcp"][number % 2:]},
                             "friends": {"mappings": 100 + number, "rate": 10000}}))
                if number % 2:
                    by_signal(daemon)
                else:
                    assert control.reload()[0] == 200
                time.sleep(0.05)
            took = time.monotonic() - began
        assert inward.sent >= 80 * took
        assert inward.lost == 0
        assert connection.passes()
        assert {port, tcp} == {m.external_port for m in kernel.mappings(gateway)}


def test_the_clients_own_stream_loses_not_one_packet_either(
        lab, daemon, c2, internet, control):
    """A flow without a mapping, which the masquerading carries."""
    with c2.udp(7000) as inside, internet.udp(PEERS[0], 9000) as peer:
        assert arrives(inside, (PEERS[0], 9000), peer)
        with Stream(inside, (PEERS[0], 9000), peer) as outward:
            for number in range(FEW_RELOADS):
                daemon.configure(policy_of(lab, {"mappings": 100 + number}))
                assert control.reload()[0] == 200
                time.sleep(0.02)
        assert outward.lost == 0


def test_many_reloads_under_load_lose_no_mapping_and_no_memory(
        lab, daemon, c1, c2, internet, gateway, control, capsys):
    for internal in range(5000, 5050):
        assert c1.natpmp(UDP, internal).result == 0
    kept = held(gateway)
    done = threading.Event()
    unanswered = []

    def ask():
        """Others renew, come and go meanwhile."""
        with c2.socket() as sock:
            number = 0
            while not done.is_set():
                number += 1
                lifetime = 0 if number % 3 == 0 else 600
                sock.sendto(wire.natpmp_map(UDP, 6000 + number % 50, lifetime=lifetime),
                            (c2.gateway, wire.PORT))
                if receive(sock, 1.0) is None:
                    unanswered.append(number)
                time.sleep(0.001)

    texts = [policy_of(lab, {"mappings": 900 + number}, classes={
        "default": {"rate": 10000, "mappings": 1000}, "friends": {"mappings": 900 + number},
        f"class{number}": {}}, users={
        "alice": {"class": "friends", "addresses": [c1.address]},
        **{f"user{number}x{extra}": {} for extra in range(50)}}) for number in range(2)]
    thread = threading.Thread(target=ask)
    thread.start()
    memory = []
    began = time.monotonic()
    try:
        for number in range(RELOADS):
            daemon.configure(texts[number % 2])
            if number % 4 == 0:
                by_signal(daemon)
            else:
                assert control.reload()[0] == 200
            if number >= RELOADS // 4:
                memory.append(daemon.memory_kb("VmRSS"))
    finally:
        took = time.monotonic() - began
        done.set()
        thread.join()
    with capsys.disabled():
        print(f"\n    {RELOADS} reloads in {took:.1f} s; VmRSS {memory[0]} kB after a quarter of "
              f"them, {memory[-1]} kB at the end")
    assert kept <= held(gateway)
    assert not unanswered
    assert is_sanitized() or memory[-1] < memory[0] + 2048
    assert control.get("/v1/status")["reload"]["ok"] is True
