# SPDX-License-Identifier: GPL-2.0-or-later
"""What an admin asks and orders: explanations beside real answers, revocations, bans, tunmapctl."""

import json
import socket
import subprocess
import sys
import time

import pytest

import kernel
import wire
from control import Watch
from lab import EXTERNAL, PEERS
from netns import eventually
from traffic import Connection, flows_over, is_forwarded
from wire import TCP, UDP

CLIENTS = 3
NUMBERS = {"udp": UDP, "tcp": TCP}
PCP_OF_NATPMP = {0: (0,), 2: (wire.NOT_AUTHORIZED,),
                 4: (wire.NO_RESOURCES, wire.USER_EX_QUOTA)}
POLICY = """\
tunnels:
  - interface: "tun*"
external:
  - interface: eth0
log: {identity: full}
classes:
  default:
    rate: 10000
    ports: 10240-19999
  friends:
    rate: 10000
    ports: 20000-20099
    mappings: 3
    protocols: [udp]
    internal-ports: 1024-65535
    lifetime: {min: 100, default: 300, max: 1000}
  few:
    ports: 31000-31000
users:
  alice:
    class: friends
    addresses: [10.9.1.2]
    static:
      - {port: 20050, protocols: [udp], internal-port: 5050}
  bob:
    addresses: [10.9.2.2]
  carol:
    class: few
    addresses: [10.9.1.3, 10.9.1.4]
unknown-users: refuse
"""


def policy_of(_lab):
    return POLICY


@pytest.fixture(scope="module", autouse=True)
def addresses(lab):
    lab.clients[0].ns.ip("address add 10.9.1.3/24 dev tun0\naddress add 10.9.1.4/24 dev tun0\n")


def line_of(text):
    """The number of the policy's only line that holds the text."""
    (number,) = [n for n, line in enumerate(POLICY.splitlines(), 1) if text in line]
    return number


# Explanations

def compare(control, client, protocol, internal, suggested=0, lifetime=3600):
    """
    Explain, then really ask in both protocols' ways; the explanation for PCP, which has to be
    what the client is then told.
    """
    number = NUMBERS[protocol]
    words = {"lifetime": lifetime, **({"external_port": suggested} if suggested else {})}
    told = {origin: control.explain(client.address, protocol, internal, origin=origin, **words)
            for origin in ("nat-pmp", "pcp")}
    before = control.mappings()
    again = control.explain(client.address, protocol, internal, origin="pcp", **words)
    assert again == told["pcp"] and len(control.mappings()) == len(before), "explaining changes"
    real = client.pcp(number, internal, suggested, lifetime, nonce=b"n" * 12)
    assert (told["pcp"]["code"], told["pcp"]["lifetime"]) == (real.result, real.lifetime)
    if real.result == 0 and told["pcp"]["external_port"]:
        assert told["pcp"]["external_port"] == real.external
    if real.result == 0:
        client.pcp(number, internal, lifetime=0, nonce=b"n" * 12)
    real = client.natpmp(number, internal, suggested, lifetime)
    assert told["nat-pmp"]["code"] in PCP_OF_NATPMP[real.result]
    if real.result == 0:
        assert told["nat-pmp"]["lifetime"] == real.lifetime
        client.natpmp(number, internal, lifetime=0)
    return told["pcp"]


def source(daemon, text):
    return {"file": str(daemon.config), "line": line_of(text) + own_lines(daemon)}


def own_lines(daemon):
    """How many lines the harness put before the policy."""
    return len(daemon.config.read_text().splitlines()) - len(POLICY.splitlines())


def test_granted(daemon, c1, control):
    told = compare(control, c1, "udp", 5000)
    assert (told["result"], told["rule"], told["user"], told["class"], told["lifetime"]) == (
        "success", "granted", "alice", "friends", 1000)
    assert told["source"] == source(daemon, "  friends:")
    told = compare(control, c1, "udp", 5001, suggested=20007, lifetime=1)
    assert (told["external_port"], told["lifetime"]) == (20007, 100)


def test_denied_for_the_protocol_or_the_internal_port(daemon, c1, control):
    told = compare(control, c1, "tcp", 5000)
    assert (told["result"], told["rule"]) == ("not-authorized", "protocols")
    assert told["source"] == source(daemon, "    protocols: [udp]")
    told = compare(control, c1, "udp", 80)
    assert (told["result"], told["rule"]) == ("not-authorized", "internal-ports")
    assert told["source"] == source(daemon, "internal-ports: ")


def test_an_unknown_user(daemon, c3, control):
    told = compare(control, c3, "udp", 5000)
    assert (told["result"], told["rule"]) == ("not-authorized", "unknown-users")
    assert told["lifetime"] == wire.LONG_ERROR_S
    assert told["source"] == source(daemon, "unknown-users: ")


def test_the_quota(daemon, c1, control):
    for internal in (5000, 5001, 5002):
        assert c1.natpmp(UDP, internal).result == 0
    told = compare(control, c1, "udp", 5003)
    assert (told["result"], told["rule"]) == ("quota-exceeded", "quota")
    assert told["source"] == source(daemon, "mappings: 3")
    assert control.explain(c1.address, "udp", 5001, origin="nat-pmp")["rule"] == "held"


def test_a_static_port(daemon, c1, control):
    told = compare(control, c1, "udp", 5050)
    assert (told["result"], told["rule"], told["external_port"]) == ("success", "static", 20050)
    assert told["source"] == source(daemon, "port: 20050")


def test_no_port_left(daemon, c1, control):
    carol, carol_too = c1.at("10.9.1.3"), c1.at("10.9.1.4")
    assert carol.natpmp(UDP, 5000).external == 31000
    told = compare(control, carol_too, "udp", 5000)
    assert (told["result"], told["rule"]) == ("no-resources", "pool-full")
    assert told["source"] == source(daemon, "ports: 31000-31000")


def test_a_banned_user(daemon, c1, c2, control):
    control.ctl("ban", "--user", "alice")
    control.ctl("ban", "--address", c2.address)
    for client in (c1, c2):
        told = compare(control, client, "udp", 5000)
        assert (told["result"], told["rule"]) == ("not-authorized", "banned")
        assert "unban" in told["reason"]


def test_explain_in_words_names_the_rule_and_its_line(daemon, c1, control):
    result = control.ctl("explain", "--address", c1.address, "--protocol", "tcp",
                         "--internal-port", 5000)
    line = line_of("    protocols: [udp]") + own_lines(daemon)
    assert f"{daemon.config}:{line}" in result.stdout
    assert "protocol" in result.stdout and "alice" in result.stdout


# Revoking

def three_mappings(c1, c2):
    """alice's UDP port and bob's pair, which a TCP connection may use."""
    alice = c1.natpmp(UDP, 5000).external
    bob = c2.natpmp(TCP, 5000).external
    assert c2.natpmp(UDP, 5000).external == bob
    return alice, bob


@pytest.mark.parametrize("selector", ["port", "address", "user"])
def test_revoke_ends_mappings_and_their_flows(
        daemon, c1, c2, internet, gateway, control, selector):
    alice, bob = three_mappings(c1, c2)
    chosen = {"port": bob, "address": c2.address, "user": "bob"}[selector]
    with Connection(c2, internet, 5000, (EXTERNAL, bob)) as connection:
        assert connection.passes()
        result = control.ctl("revoke", f"--{selector}", chosen)
        assert "2" in result.stdout
        assert {m.external_port for m in kernel.mappings(gateway)} == {alice, 20050}
        assert eventually(lambda: not flows_over(gateway, bob))
        assert not connection.reaches_inside()
    assert is_forwarded(c1, 5000, internet, PEERS[0], alice)
    assert c2.natpmp(TCP, 5000).result == 0, "the client may ask again"


def test_revoke_of_one_protocol_and_of_nothing(daemon, c1, c2, gateway, control):
    _, bob = three_mappings(c1, c2)
    assert control.ctl_json("revoke", "--port", bob, "--protocol", "udp")["revoked"] == 1
    assert [(m["protocol"], m["user"]) for m in control.mappings(port=bob)] == [("tcp", "bob")]
    assert control.ctl_json("revoke", "--user", "bob", "--protocol", "udp")["revoked"] == 0
    assert control.ctl_json("revoke", "--port", 19999)["revoked"] == 0
    assert len(kernel.mappings(gateway)) == 3


def test_flush_removes_everything_but_what_is_static(daemon, c1, c2, gateway, control):
    three_mappings(c1, c2)
    assert control.ctl("flush", check=False).returncode == 2
    assert len(kernel.mappings(gateway)) == 4
    control.ctl("flush", "--yes")
    assert {m.external_port for m in kernel.mappings(gateway)} <= {20050}


# Bans

@pytest.mark.parametrize("selector", ["address", "user"])
def test_a_ban_ends_and_refuses_until_it_is_lifted(
        daemon, c1, c2, internet, gateway, control, selector):
    _, bob = three_mappings(c1, c2)
    who = (f"--{selector}", {"address": c2.address, "user": "bob"}[selector])
    with Connection(c2, internet, 5000, (EXTERNAL, bob)) as connection:
        control.ctl("ban", *who)
        assert not control.mappings(user="bob")
        assert eventually(lambda: not connection.reaches_inside(0.2))
    assert c2.natpmp(UDP, 5000).result == wire.NOT_AUTHORIZED
    refused = c2.pcp(UDP, 5000)
    assert (refused.result, refused.lifetime) == (wire.NOT_AUTHORIZED, wire.LONG_ERROR_S)
    assert c2.external().result == wire.NOT_AUTHORIZED
    assert control.user("bob")["banned"] == (selector == "user")
    assert c1.natpmp(UDP, 5000).result == 0
    control.ctl("unban", *who)
    assert c2.natpmp(UDP, 5000).result == 0
    again = control.ctl("unban", *who, check=False)
    assert again.returncode == 1 and again.stderr.strip()


@pytest.mark.parametrize("selector", ["address", "user"])
def test_a_ban_for_some_seconds_runs_out(daemon, c2, control, selector):
    who = (f"--{selector}", {"address": c2.address, "user": "bob"}[selector])
    control.ctl("ban", *who, "--for", 1)
    began = time.monotonic()
    assert c2.natpmp(UDP, 5000).result == wire.NOT_AUTHORIZED
    assert eventually(lambda: c2.natpmp(UDP, 5000).result == 0, 3)
    assert 0.8 < time.monotonic() - began < 2


# Looking

def test_the_tables_hold_what_an_admin_looks_for(daemon, c1, c2, control):
    alice, bob = three_mappings(c1, c2)
    listing = control.ctl("list").stdout
    for word in (f"{EXTERNAL}:{alice}", f"{EXTERNAL}:{bob}", c1.address, "alice", "bob",
                 "static"):
        assert word in listing
    only = control.ctl("list", "--user", "bob", "--protocol", "tcp").stdout
    assert f":{bob}" in only and f":{alice}" not in only
    shown = control.ctl("show", bob).stdout
    assert shown.count("bob") == 2 and "alice" not in shown
    users = control.ctl("users").stdout
    assert {"alice", "bob", "carol"} <= set(users.split())
    status = control.ctl("status").stdout
    assert EXTERNAL in status and "10240" in status
    for command in (["list"], ["show", bob], ["users"], ["status"]):
        answer = control.ctl("--json", *command)
        assert isinstance(json.loads(answer.stdout), dict)
        assert "nonce" not in answer.stdout
    for width in (60, 80, 120):
        for command in (["list"], ["users"], *([["status"]] if width >= 80 else [])):
            text = control.ctl(*command, env={"COLUMNS": str(width)}).stdout
            assert all(len(line) <= width for line in text.splitlines()), text


def test_a_pcp_nonce_is_nowhere(daemon, c1, control):
    nonce = b"secretsecret"
    with Watch(control) as watch:
        assert c1.pcp(UDP, 5000, nonce=nonce).result == 0
    texts = [control.ctl("--json", command).stdout for command in ("list", "users", "status")]
    texts += [json.dumps(watch.events), control.get("/metrics"), daemon.log()]
    for text in texts:
        assert nonce.hex() not in text.lower() and nonce.decode() not in text


def test_watch_tells_what_happens(daemon, c1, c2, c3, control):
    with Watch(control) as watch:
        bob = c2.natpmp(UDP, 5000).external
        c2.natpmp(UDP, 5000, lifetime=0)
        c3.natpmp(UDP, 5000)
        control.ctl("ban", "--user", "carol")
        control.ctl("unban", "--user", "carol")
        control.session_up(c3.address, "dave")
        control.session_down(c3.address)
    assert watch.kinds() == ["granted", "ended", "refused", "banned", "unbanned", "session-up",
                             "session-down"]
    granted, ended, refused = watch.events[:3]
    assert (granted["user"], granted["external_port"]) == ("bob", bob)
    assert (ended["reason"], ended["external_port"]) == ("request", bob)
    assert (refused["result"], refused["address"]) == ("not-authorized", c3.address)


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["list", "--nonsense"], ["show"], ["show", "0"], ["show", "70000"],
    ["show", "1", "2"], ["revoke"], ["revoke", "--port", "x"],
    ["revoke", "--port", "1", "--user", "a"], ["ban"], ["ban", "--address", "nowhere"],
    ["ban", "--user", "a", "--for", "-1"], ["session"], ["session", "up"],
    ["session", "up", "--address", "10.9.0.2"], ["explain", "--address", "10.9.0.2"],
    ["explain", "--address", "10.9.0.2", "--protocol", "icmp", "--internal-port", "1"],
    ["check"], ["flush"], ["flush", "--yes", "please"]])
def test_wrong_usage_ends_with_2(daemon, control, arguments):
    result = control.ctl(*arguments, check=False)
    assert result.returncode == 2
    assert result.stderr.strip() and not result.stdout


def test_what_cannot_be_done_ends_with_1_and_says_why(daemon, control, tmp_path):
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text("tunnels: []\nnonsense: 1\n")
    for arguments in (["ban", "--user", "nobody"], ["unban", "--user", "alice"],
                      ["session", "down", "--address", "10.9.1.99"],
                      ["session", "up", "--address", "10.9.1.99", "--user", "x", "--class", "y"],
                      ["check", str(faulty)], ["check", str(tmp_path / "absent.yaml")]):
        result = control.ctl(*arguments, check=False)
        assert result.returncode == 1, arguments
        assert result.stderr.strip()
    result = control.ctl("check", faulty, check=False)
    assert [line.split(" ")[0] for line in result.stderr.splitlines()[:2]] == [
        f"{faulty}:1:10:", f"{faulty}:2:1:"]


def test_without_a_daemon_it_ends_with_1(daemon, control):
    daemon.stop()
    result = control.ctl("status", check=False)
    assert result.returncode == 1 and "tunmapd" in result.stderr


def test_the_group_of_the_policy_may_use_the_socket_and_nobody_else(lab):
    daemon = lab.daemon(POLICY)
    daemon.configure(f"control: {{socket: {daemon.control}, group: nogroup}}\n{POLICY}")
    daemon.config.parent.chmod(0o711)
    try:
        daemon.start()
        for group, may in (("nogroup", True), ("users", False)):
            result = subprocess.run(
                [sys.executable, "-IS", "-c",
                 "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])",
                 str(daemon.control)], user="nobody", group=group, extra_groups=[],
                stderr=subprocess.PIPE, text=True)
            assert (result.returncode == 0) == may, result.stderr
            assert may or "PermissionError" in result.stderr
    finally:
        daemon.close()


def test_requests_are_answered_while_the_api_is_slow_and_hostile(daemon, c1, control):
    """Half a request, a flood of connections, and readers who never read."""
    idle = []
    for number in range(200):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(str(control.path))
            sock.send([b"GET /v1/sta", b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
                       b"POST /v1/check HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
                       b"\xff" * 4096][number % 4])
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
        idle.append(sock)
    longest = 0.0
    for number in range(200):
        began = time.monotonic()
        assert c1.natpmp(UDP, 5000 + number % 2, lifetime=600).result == 0
        longest = max(longest, time.monotonic() - began)
    assert longest < 0.2
    for sock in idle:
        sock.close()
    assert eventually(lambda: control.ctl("status", check=False).returncode == 0, 3)
