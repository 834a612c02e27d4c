# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, the policy file's faults, and what a start and a stop leave behind."""

import grp
import pathlib
import re
import signal

import pytest

import kernel
import wire
from control import Control
from daemon import BINARY, NotReady
from netns import eventually
from wire import UDP

FOREIGN_RULES = """\
table ip foreign {
	map inbound4 {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
		elements = { 198.51.100.1 . udp . 40000 : 10.9.1.9 . 5000 }
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip saddr 198.51.100.66 drop
	}
}
table inet other {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 22 counter accept
	}
}
"""

FAULTY = """\
tunnels:
  - interface: wg0
    listens: [10.9.0.1]
nat:
  ports: 70000-80000
protocols:
  nat-pmp: perhaps
nat:
  hairpin: true
"""


def tunmapd(gateway, *arguments, prefix=()):
    return gateway.run([*prefix, BINARY, *map(str, arguments)], check=False, timeout=20)


@pytest.fixture
def config(lab, tmp_path):
    path = tmp_path / "tunmap.yaml"
    path.write_text(lab.policy())
    return path


# The command line

@pytest.mark.parametrize("arguments", [["--nonsense"], ["-x"], ["-c"], ["extra"],
                                       ["--log-level", "loud"], ["--log-level"]])
def test_wrong_usage_ends_with_2(gateway, config, arguments):
    result = tunmapd(gateway, "-c", config, *arguments)
    assert result.returncode == 2
    assert result.stderr and not result.stdout


def test_help_and_version(gateway):
    for flag, word in (("--help", "--config"), ("--version", r"\d+\.\d+")):
        result = tunmapd(gateway, flag)
        assert result.returncode == 0
        assert re.search(word, result.stdout)


# The policy file

def test_check_accepts_a_good_file_silently_and_touches_nothing(gateway, config):
    result = tunmapd(gateway, "--check", "-c", config)
    assert (result.returncode, result.stderr) == (0, "")
    assert not kernel.has_table(gateway)


def test_check_accepts_a_file_with_tunnels_only(gateway, tmp_path):
    path = tmp_path / "tunmap.yaml"
    path.write_text("tunnels:\n  - interface: wg0\n")
    assert tunmapd(gateway, "--check", "--config", path).returncode == 0


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_every_fault_is_named_at_once_with_its_place(gateway, tmp_path, arguments):
    path = tmp_path / "tunmap.yaml"
    path.write_text(FAULTY)
    result = tunmapd(gateway, *arguments, "-c", path)
    assert result.returncode == 2
    places = [re.match(rf"{re.escape(str(path))}:(\d+):(\d+): \S", line)
              for line in result.stderr.splitlines()]
    assert all(places), result.stderr
    assert [int(place[1]) for place in places] == [3, 5, 7, 8]
    assert [int(place[2]) for place in places] == [5, 10, 12, 1]
    assert not kernel.has_table(gateway)


@pytest.mark.parametrize("text", ["", "tunnels: [", "just words\n", "tunnels: []\n",
                                  "\tunnels:\n", "- a\n- b\n"])
def test_a_file_that_makes_no_sense_ends_with_2(gateway, tmp_path, text):
    path = tmp_path / "tunmap.yaml"
    path.write_text(text)
    result = tunmapd(gateway, "--check", "-c", path)
    assert result.returncode == 2
    assert re.match(rf"{re.escape(str(path))}:\d+:\d+: \S", result.stderr)


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_a_missing_file_ends_with_2(gateway, tmp_path, arguments):
    result = tunmapd(gateway, *arguments, "-c", tmp_path / "absent.yaml")
    assert result.returncode == 2
    assert re.match(rf"{re.escape(str(tmp_path))}/absent.yaml:1:1: \S", result.stderr)


# What keeps it from running

def refusal(gateway, config, prefix=()):
    """The one line with which the daemon says why it cannot run."""
    result = tunmapd(gateway, "-c", config, "--log-level", "warning", prefix=prefix)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_a_busy_port_ends_with_1_and_one_line(gateway, config):
    with gateway.udp("10.9.1.1", wire.PORT):
        line = refusal(gateway, config)
    assert "5351" in line and "10.9.1.1" in line


def test_a_second_daemon_ends_with_1_and_harms_nothing(daemon, c1, gateway, config):
    port = c1.natpmp(UDP, 5000).external
    result = tunmapd(gateway, "-c", config, "--log-level", "error")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "another tunmapd" in line
    assert [m.external_port for m in kernel.mappings(gateway)] == [port]
    assert c1.natpmp(UDP, 5000).external == port


@pytest.mark.parametrize("prefix", [
    ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"],
    ["capsh", "--drop=cap_net_admin", "--", "-c", 'exec "$0" "$@"']])
def test_without_the_capability_it_ends_with_1_and_one_line(gateway, config, prefix):
    assert "CAP_NET_ADMIN" in refusal(gateway, config, prefix)


def test_a_foreign_table_of_the_same_name_is_refused(gateway, config):
    if kernel.has_table(gateway):
        gateway.run(["nft", "delete", "table", "inet", "tunmap"])
    gateway.run(["nft", "add table inet tunmap; add chain inet tunmap mine"])
    before = kernel.table_text(gateway)
    try:
        assert "inet tunmap" in refusal(gateway, config)
        assert kernel.table_text(gateway) == before
    finally:
        gateway.run(["nft", "delete", "table", "inet", "tunmap"])


# Under the unit

UNIT = pathlib.Path(__file__).resolve().parents[2] / "src" / "daemon" / "tunmapd.service.in"


@pytest.fixture
def confined(tmp_path):
    """A program that starts tunmapd with the unit's capabilities and no others."""
    names = re.search(r"^CapabilityBoundingSet=(.+)$", UNIT.read_text(), re.M)[1].split()
    kept = ",".join("+" + name.lower().removeprefix("cap_") for name in names)
    program = tmp_path / "confined"
    program.write_text("#!/bin/sh\n"
                       f"exec setpriv --no-new-privs --inh-caps=-all --ambient-caps=-all "
                       f"--bounding-set=-all,{kept} {BINARY} \"$@\"\n")
    program.chmod(0o755)
    return program


def test_it_serves_with_the_capabilities_of_its_unit(lab, c1, confined, tmp_path):
    """All that it does for privileged things: NAT, flows, interfaces, and the socket's group."""
    group = next(group for group in grp.getgrall() if group.gr_gid != 0)
    path = tmp_path / "folder" / "control.sock"
    policy = lab.policy(control={"socket": str(path), "group": group.gr_name})
    daemon = lab.daemon(policy, confined)
    try:
        daemon.start()
        status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
        held = int(re.search(r"^CapEff:\s*(\S+)$", status, re.M)[1], 16)
        assert held.bit_count() == 3, "the daemon runs as it would under its unit"
        assert (path.stat().st_gid, path.stat().st_mode & 0o777) == (group.gr_gid, 0o660)
        port = c1.natpmp(UDP, 5000).external
        assert port and c1.pcp(UDP, 5001).result == 0
        control = Control(path)
        assert control.mappings(address=c1.address, port=port)
        assert control.call("DELETE", "/v1/mappings", port=port)[0] == 200
        assert c1.natpmp(UDP, 5000).result == 0
        # Whoever stood there before it left a socket that is nobody's.
        daemon.kill9()
        daemon.start()
        assert control.get("/v1/status")["kernel"]
        assert control.reload()[0] == 200
        assert daemon.stop() == 0
    finally:
        daemon.close()


# Start and stop

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_with_0_and_leaves_the_mappings(daemon, c1, gateway, number):
    c1.natpmp(UDP, 5000)
    daemon.signal(number)
    assert daemon.process.wait(5) == 0
    assert len(kernel.mappings(gateway)) == 1


@pytest.mark.parametrize("end", ["stop", "kill9"])
def test_a_restart_leaves_one_table_and_touches_no_other(daemon, c1, gateway, end):
    gateway.run(["nft", "-f", "-"], input=FOREIGN_RULES)
    try:
        foreign = gateway.run(["nft", "list", "table", "ip", "foreign"]).stdout
        other = gateway.run(["nft", "list", "table", "inet", "other"]).stdout
        empty = kernel.table_text(gateway)
        c1.natpmp(UDP, 5000)
        getattr(daemon, end)()
        daemon.start()
        tables = gateway.run(["nft", "list", "tables"]).stdout.splitlines()
        assert sorted(tables) == ["table inet other", "table inet tunmap", "table ip foreign"]
        assert gateway.run(["nft", "list", "table", "ip", "foreign"]).stdout == foreign
        assert gateway.run(["nft", "list", "table", "inet", "other"]).stdout == other
        assert not kernel.mappings(gateway)
        assert kernel.table_text(gateway) == empty
        assert c1.natpmp(UDP, 5000).result == 0
    finally:
        gateway.run(["nft", "delete", "table", "ip", "foreign"])
        gateway.run(["nft", "delete", "table", "inet", "other"])


def test_ready_means_answering(lab, run, c1):
    """The first request after READY=1 is answered, every time."""
    daemon = run(lab.policy())
    for _ in range(10):
        daemon.stop()
        daemon.start()
        assert c1.ask(wire.NATPMP_EXTERNAL, timeout=0.2) is not None


def test_a_faulty_policy_never_becomes_ready(lab, gateway):
    daemon = lab.daemon("tunnels: []\n")
    with pytest.raises(NotReady):
        daemon.start()
    assert daemon.process.returncode == 2
    daemon.close()


def test_the_log_names_nobody(lab, run, c1):
    """Without the admin's choice no line holds a user's address or port."""
    daemon = run(lab.policy(log={"level": "debug"}))
    port = c1.natpmp(UDP, 5000).external
    c1.pcp(UDP, 5001)
    c1.natpmp(UDP, 5000, lifetime=0)
    assert daemon.stop() == 0
    log = daemon.log()
    assert log
    assert c1.address not in log
    assert not re.search(rf"\b({port}|5000|5001)\b", log)


def test_datagrams_of_every_length_and_version_do_not_end_it(daemon, c1):
    """A cheap hail of nonsense; the decoders have fuzzers of their own."""
    with c1.socket() as sock:
        for length in range(0, 1110, 7):
            for first in (0, 1, 2, 3, 255):
                for second in (0, 1, 2, 3, 128):
                    packet = bytes([first, second]) + bytes(i * 31 % 256 for i in range(length))
                    sock.sendto(packet[:length], (c1.gateway, wire.PORT))
    assert eventually(lambda: c1.ask(wire.NATPMP_EXTERNAL, timeout=0.3) is not None, 3)
    assert daemon.running()
