# SPDX-License-Identifier: GPL-2.0-or-later
"""A policy of a hundred thousand users: how long it takes to load, and who notices a reload."""

import concurrent.futures
import json
import signal
import socket
import subprocess
import sys
import time

import pytest

import kernel
from control import Control
from daemon import BINARY
from netns import eventually
from wire import UDP

CLIENTS = 2
USERS = 100_000
LOAD_S = 10.0
LONGEST_GAP_S = 5.0

# Renews one mapping every 5 ms until it is told to stop; then prints what it saw.
ASKER = """
import json, signal, socket, struct, sys, time
source, gateway = sys.argv[1:]
request = struct.pack("!BBHHHI", 0, 1, 0, 5000, 0, 3600)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((source, 0))
sock.connect((gateway, 5351))
sock.settimeout(30)
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
ports, gaps = set(), []
last = time.monotonic()
while not stopped:
    sock.send(request)
    reply = sock.recv(64)
    assert struct.unpack("!H", reply[2:4])[0] == 0, reply.hex()
    ports.add(struct.unpack("!H", reply[10:12])[0])
    now = time.monotonic()
    gaps.append(now - last)
    last = now
    if len(gaps) == 1:
        print("asking", flush=True)
        gaps[0] = 0.0
    time.sleep(0.005)
gaps.sort()
print(json.dumps({"answers": len(gaps), "ports": len(ports), "longest": gaps[-1]}), flush=True)
"""


def address_of(number):
    return f"100.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def users_text(changed=0):
    """One user a line, each with an address; the last `changed` of them in another class."""
    lines = [f"  user{number:06}: {{class: {'few' if number >= USERS - changed else 'friends'}, "
             f"addresses: [{address_of(number)}]}}\n" for number in range(USERS)]
    return "users:\n" + "".join(lines)


def policy_text(lab, changed=0):
    return f"""\
tunnels:
  - interface: "tun*"
external:
  - interface: eth0
classes:
  default: {{rate: 10000}}
  friends: {{rate: 10000, mappings: 4}}
  few: {{rate: 10000, mappings: 1}}
{users_text(changed)}  alice: {{class: friends, addresses: [{lab.clients[0].address}]}}
"""


class Asker:
    """A process of the client that renews a mapping all the time."""

    def __init__(self, client):
        self._client = client

    def __enter__(self):
        self._process = self._client.ns.popen(
            [sys.executable, "-c", ASKER, self._client.address, self._client.gateway],
            stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "asking\n"
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        out, _ = self._process.communicate(timeout=35)
        assert self._process.returncode == 0
        self.seen = json.loads(out)

    @property
    def milliseconds(self):
        return round(1000 * self.seen["longest"])


def test_a_hundred_thousand_users(lab, run, c1, c2, gateway, capsys, tmp_path):
    path = tmp_path / "many.yaml"
    path.write_text(policy_text(lab))
    began = time.monotonic()
    assert gateway.run([BINARY, "--check", "-c", str(path)]).stderr == ""
    check_s = time.monotonic() - began

    began = time.monotonic()
    daemon = run(policy_text(lab), timeout=60)
    load_s = time.monotonic() - began
    loaded_kb = daemon.memory_kb("VmRSS")
    control = Control(daemon.control)
    ports = {client: client.natpmp(UDP, 5000).external for client in (c1, c2)}
    reloads = []
    with Asker(c1) as asker:
        for number, reload in enumerate(("api", "signal", "api", "api")):
            daemon.configure(policy_text(lab, changed=10 * number))
            time.sleep(0.2)
            began = time.monotonic()
            if reload == "api":
                status, answer = control.reload()
                assert status == 200 and answer["changes"]["revoked"] == 0
            else:
                daemon.reload(60)
            reloads.append(time.monotonic() - began)
    with Asker(c1) as alone:
        time.sleep(1)
    with Asker(c1) as while_checking:
        began = time.monotonic()
        checked = control.ctl_json("check", path)["changes"]
        check_api_s = time.monotonic() - began
    with Asker(c1) as while_listing:
        began = time.monotonic()
        users = control.get("/v1/users")["users"]
        users_s = time.monotonic() - began
    with capsys.disabled():
        print(f"\n    {USERS} users, {path.stat().st_size / 1e6:.1f} MB: --check {check_s:.2f} s, "
              f"ready {load_s:.2f} s after the start, {loaded_kb / 1024:.0f} MB; "
              f"reloads {', '.join(f'{reload:.2f}' for reload in reloads)} s; "
              f"check over the API {check_api_s:.2f} s, list of users {users_s:.2f} s\n"
              f"    longest gap between {asker.seen['answers']} answers during reloads "
              f"{asker.milliseconds} ms, a check {while_checking.milliseconds} ms, the list of "
              f"users {while_listing.milliseconds} ms, nothing {alone.milliseconds} ms; VmRSS {daemon.memory_kb('VmRSS') / 1024:.0f} MB at the end")
    assert len(users) == USERS + 2 and checked["revoked"] == 0
    assert asker.seen["ports"] == alone.seen["ports"] == 1
    assert {m.external_port for m in kernel.mappings(gateway)} == set(ports.values())
    assert control.user("alice")["held"] == 1
    assert max(check_s, load_s, *reloads) < LOAD_S
    for one in (asker, while_checking, while_listing):
        assert one.seen["longest"] < LONGEST_GAP_S


@pytest.mark.parametrize("address, name", [
    (address_of(0), "user000000"), (address_of(77777), "user077777"),
    (address_of(USERS - 1), f"user{USERS - 1:06}")])
def test_each_of_them_is_found(big, address, name):
    told = Control(big.control).explain(address, "udp", 5000)
    assert (told["user"], told["class"], told["result"]) == (name, "friends", "success")


@pytest.fixture(scope="module")
def big(lab):
    """One daemon for the tests that leave the policy as it is."""
    daemon = lab.daemon(policy_text(lab))
    daemon.start(timeout=60)
    yield daemon
    status = daemon.stop()
    log = daemon.log()
    daemon.close()
    assert status == 0, log


def send_and_leave(path, request):
    """Ask the control API for something and hang up before it answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall(request)


def test_admins_who_do_not_wait_harm_nothing(lab, big, c1):
    control = Control(big.control)
    text = big.config.read_bytes()
    check = b"POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text)
    for request in (b"POST /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n", check + text):
        for pause in (0.0, 0.02):
            send_and_leave(big.control, request)
            time.sleep(pause)
            big.reload(60)
            assert c1.external().result == 0
    assert eventually(lambda: control.reload()[0] == 200, 10)
    assert control.explain(address_of(7), "udp", 5000)["user"] == "user000007"


def test_reloads_at_the_same_time_are_each_answered(lab, big, c1):
    control = Control(big.control)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(control.reload) for _ in range(4)]
        for _ in range(20):
            assert c1.external().result == 0
        statuses = [answer.result()[0] for answer in answers]
    assert 200 in statuses and set(statuses) <= {200, 409, 503}
    assert control.reload()[0] == 200


def test_a_stop_in_the_middle_of_a_reload_is_a_stop(lab, big):
    big.reload(60)
    big.signal(signal.SIGHUP)
    time.sleep(0.05)
    assert big.stop() == 0
    big.start(timeout=60)


def test_one_fault_among_them_is_found_at_its_place(lab, gateway, tmp_path):
    path = tmp_path / "many.yaml"
    text = policy_text(lab)
    path.write_text(text.replace(f"[{address_of(50000)}]", f"[{address_of(7)}]"))
    began = time.monotonic()
    result = gateway.run([BINARY, "--check", "-c", str(path)], check=False)
    assert time.monotonic() - began < LOAD_S
    assert result.returncode == 2
    line = next(number for number, line in enumerate(text.splitlines(), 1)
                if "user050000" in line)
    (fault,) = result.stderr.splitlines()
    assert fault.startswith(f"{path}:{line}:") and address_of(7) in fault
