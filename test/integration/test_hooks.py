# SPDX-License-Identifier: GPL-2.0-or-later
"""
The session hooks: what each tells tunmapctl, of which a recording one stands in the path, for the
variables that the VPN's program sets; and OpenVPN's with a real server and client.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from netns import Namespace, end_process, eventually

HOOKS = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "hooks"

# Nothing that a name says may be done, and nothing of it may get lost.
HOSTILE = ["$(touch pwned)", "`touch pwned`", "; touch pwned", "a b", "a\tb\nc", "'", '"', "*",
           "--help", "-s/tmp/other.sock", "\\n", "%s", "ä", "${TUNMAPCTL}", "a" * 300]

RECORDER = """#!/usr/bin/python3 -IS
import json, sys, time
with open({folder!r} + "/told", "a") as told:
    told.write(json.dumps(sys.argv[1:]) + "\\n")
with open({folder!r} + "/status") as status:
    now, _, later = status.read().partition(" ")
if now == "hang":
    time.sleep(60)
if later:
    with open({folder!r} + "/status", "w") as status:
        status.write(later)
sys.exit(int(now))
"""


class Recorder:
    """A tunmapctl that writes down what it is told and ends as it was asked to."""

    def __init__(self, folder):
        self.folder = folder
        self.program = folder / "tunmapctl"
        self.program.write_text(RECORDER.format(folder=str(folder)))
        self.program.chmod(0o755)
        self.set_status(0)

    def set_status(self, status):
        """End with this status; with several of a text, one after the other."""
        (self.folder / "status").write_text(str(status))

    def told(self):
        """What it was told since it was last asked for."""
        path = self.folder / "told"
        if not path.exists():
            return []
        lines = path.read_text().splitlines()
        path.unlink()
        return [json.loads(line) for line in lines]

    def count(self):
        path = self.folder / "told"
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def recorder(tmp_path):
    return Recorder(tmp_path)


def run_hook(recorder, command, variables, timeout=20):
    """Run a hook as its VPN does: with the program's variables and nothing else."""
    environment = {"TUNMAPCTL": str(recorder.program), **variables}
    result = subprocess.run([str(part) for part in command], env=environment, text=True,
                            cwd=recorder.folder, stdin=subprocess.DEVNULL, timeout=timeout,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert not (recorder.folder / "pwned").exists()
    return result


def up(address, user, session=None):
    return ["session", "up", "--address", address, "--user", user] + (
        ["--id", session] if session else [])


def down(address, session=None):
    return ["session", "down", "--address", address] + (["--id", session] if session else [])


def test_hooks_are_clean():
    hooks = sorted(HOOKS.iterdir())
    assert [hook.name for hook in hooks] == ["openvpn", "pppd", "strongswan", "wg-quick"]
    for hook in hooks:
        assert os.access(hook, os.X_OK), hook
    subprocess.run(["shellcheck", *hooks], check=True)


# OpenVPN

def openvpn(recorder, script_type, arguments=(), **variables):
    """The variables of a client; a server without IPv6 sets no ifconfig_pool_remote_ip6."""
    environment = {
        "script_type": script_type, "common_name": "alice",
        "ifconfig_pool_remote_ip": "10.8.0.6", "ifconfig_pool_remote_ip6": "fd00:8::1004",
        "ifconfig_pool_netmask": "255.255.255.0", "trusted_ip": "192.0.2.1",
        "trusted_port": "40000", "time_unix": "1760000000", "time_ascii": "2025-10-09 08:53:20",
        "dev": "tun0", "tls_serial_0": "1", "X509_0_CN": "alice"}
    environment.update(variables)
    environment = {name: value for name, value in environment.items() if value is not None}
    if script_type == "client-connect":
        arguments = [*arguments, "/tmp/openvpn_cc_0123.tmp"]
    return run_hook(recorder, [HOOKS / "openvpn", *arguments], environment)


def test_openvpn_tells_both_addresses(recorder):
    assert openvpn(recorder, "client-connect").returncode == 0
    assert recorder.told() == [up("10.8.0.6", "alice", "1760000000"),
                               up("fd00:8::1004", "alice", "1760000000")]
    assert openvpn(recorder, "client-disconnect").returncode == 0
    assert recorder.told() == [down("10.8.0.6", "1760000000"),
                               down("fd00:8::1004", "1760000000")]


def test_openvpn_tells_the_address_there_is(recorder):
    openvpn(recorder, "client-connect", ifconfig_pool_remote_ip6=None, time_unix=None)
    assert recorder.told() == [up("10.8.0.6", "alice")]
    openvpn(recorder, "client-connect", ifconfig_pool_remote_ip=None)
    assert recorder.told() == [up("fd00:8::1004", "alice", "1760000000")]


@pytest.mark.parametrize("name", HOSTILE)
def test_openvpn_never_evaluates_a_name(recorder, name):
    openvpn(recorder, "client-connect", common_name=name, ifconfig_pool_remote_ip6=None)
    assert recorder.told() == [up("10.8.0.6", name, "1760000000")]


def test_openvpn_lets_a_client_in_when_nobody_listens(recorder):
    recorder.set_status(1)
    assert openvpn(recorder, "client-connect").returncode == 0
    assert len(recorder.told()) == 4
    assert openvpn(recorder, "client-disconnect").returncode == 0
    assert len(recorder.told()) == 2
    recorder.program.unlink()
    assert openvpn(recorder, "client-connect").returncode == 0
    assert openvpn(recorder, "client-disconnect").returncode == 0


def test_openvpn_keeps_a_client_out_when_required(recorder):
    assert openvpn(recorder, "client-connect", ["--required"]).returncode == 0
    recorder.told()
    recorder.set_status(1)
    assert openvpn(recorder, "client-connect", ["--required"]).returncode == 1
    # There will be no disconnect, so what was told is taken back.
    assert recorder.told() == [up("10.8.0.6", "alice", "1760000000"),
                               down("10.8.0.6"), down("fd00:8::1004")]
    recorder.set_status("0 1")
    assert openvpn(recorder, "client-connect", ["--required"]).returncode == 1
    assert recorder.told()[1:] == [up("fd00:8::1004", "alice", "1760000000"),
                                   down("10.8.0.6"), down("fd00:8::1004")]
    recorder.set_status(1)
    assert openvpn(recorder, "client-connect", TUNMAP_REQUIRED="yes").returncode == 1
    assert openvpn(recorder, "client-disconnect", ["--required"]).returncode == 0


@pytest.mark.parametrize("name", ["alice", "", None])
def test_openvpn_ends_an_earlier_session_when_there_is_no_new_one(recorder, name):
    """The former client's id is not known, so it is ended without."""
    recorder.set_status("1 0")
    assert openvpn(recorder, "client-connect", common_name=name).returncode == 0
    assert recorder.told() == [up("10.8.0.6", name or "", "1760000000"), down("10.8.0.6"),
                               up("fd00:8::1004", name or "", "1760000000")]
    recorder.set_status("0 1 0")
    openvpn(recorder, "client-connect")
    assert recorder.told()[1:] == [up("fd00:8::1004", "alice", "1760000000"),
                                   down("fd00:8::1004")]


def test_openvpn_does_not_wait_for_a_daemon_that_hangs(recorder):
    recorder.set_status("hang")
    started = time.monotonic()
    assert openvpn(recorder, "client-connect", TUNMAP_TIMEOUT="0.2",
                   ifconfig_pool_remote_ip6=None).returncode == 0
    assert time.monotonic() - started < 3


def test_openvpn_refuses_other_scripts(recorder):
    assert openvpn(recorder, "learn-address").returncode == 2
    assert recorder.told() == []


# strongSwan

def strongswan(recorder, verb, client="10.3.0.1/32", arguments=(), **variables):
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PLUTO_VERSION": "1.1", "PLUTO_VERB": verb,
        "PLUTO_CONNECTION": "rw", "PLUTO_INTERFACE": "eth0", "PLUTO_REQID": "1",
        "PLUTO_PROTO": "esp", "PLUTO_UNIQUEID": "7", "PLUTO_ME": "198.51.100.1",
        "PLUTO_MY_ID": "vpn.example.org", "PLUTO_MY_CLIENT": "0.0.0.0/0", "PLUTO_MY_PORT": "0",
        "PLUTO_MY_PROTOCOL": "0", "PLUTO_PEER": "192.0.2.1",
        "PLUTO_PEER_ID": "alice@example.org", "PLUTO_PEER_CLIENT": client,
        "PLUTO_PEER_PORT": "0", "PLUTO_PEER_PROTOCOL": "0",
        "PLUTO_PEER_SOURCEIP": client.partition("/")[0],
        "TUNMAP_STATE": str(recorder.folder / "state")}
    environment.update(variables)
    return run_hook(recorder, [HOOKS / "strongswan", *arguments], environment)


def test_strongswan_tells_the_address_of_a_client(recorder):
    assert strongswan(recorder, "up-client").returncode == 0
    assert recorder.told() == [up("10.3.0.1", "alice@example.org")]
    # The IKE_SA was rekeyed meanwhile: it has another number, and no script was called.
    assert strongswan(recorder, "down-client", PLUTO_UNIQUEID="8").returncode == 0
    assert recorder.told() == [down("10.3.0.1")]
    strongswan(recorder, "up-client-v6", "fd00:3::1/128")
    strongswan(recorder, "down-client-v6", "fd00:3::1/128")
    assert recorder.told() == [up("fd00:3::1", "alice@example.org"), down("fd00:3::1")]


def test_strongswan_prefers_the_name_that_was_proven_last(recorder):
    strongswan(recorder, "up-client", PLUTO_XAUTH_ID="bob", arguments=["--cn"])
    assert recorder.told() == [up("10.3.0.1", "bob")]


@pytest.mark.parametrize("subject,name", [
    ("C=CH, O=Example, CN=alice", "alice"),
    ("CN=alice", "alice"),
    ("CN=alice, E=alice@example.org", "alice"),
    ("CN=$(touch pwned), O=x", "$(touch pwned)"),
    ("O=x, CN=root, CN=alice", None),
    ("C=CH, O=Example", None),
    ("XCN=alice", None),
])
def test_strongswan_takes_the_cn_of_a_subject_when_asked(recorder, subject, name):
    strongswan(recorder, "up-client", PLUTO_PEER_ID=subject, arguments=["--cn"])
    assert recorder.told() == [up("10.3.0.1", name) if name else down("10.3.0.1")]
    result = strongswan(recorder, "up-client", PLUTO_PEER_ID=subject)
    assert recorder.told() == [down("10.3.0.1")]
    assert "see --cn" in result.stdout


def test_strongswan_ends_an_earlier_session_when_there_is_no_new_one(recorder):
    """And counts on: the client's SAs end like any other's."""
    strongswan(recorder, "up-client")
    for name, said in (("bob", "tunmap: no session\n"), ("", "tunmap: no session\n")):
        recorder.set_status("1 0")
        assert strongswan(recorder, "up-client", PLUTO_PEER_ID=name).stdout == said
        recorder.set_status(0)
    assert recorder.told() == [up("10.3.0.1", "alice@example.org"), up("10.3.0.1", "bob"),
                               down("10.3.0.1"), down("10.3.0.1")]
    for _ in range(3):
        strongswan(recorder, "down-client")
    assert recorder.told() == [down("10.3.0.1")]


@pytest.mark.parametrize("name", HOSTILE)
def test_strongswan_never_evaluates_a_name(recorder, name):
    strongswan(recorder, "up-client", PLUTO_XAUTH_ID=name)
    assert recorder.told() == [up("10.3.0.1", name)]


def test_strongswan_ends_a_session_with_its_last_sa(recorder):
    """A reauthentication that makes the new one first, and a second selector."""
    for _ in range(3):
        strongswan(recorder, "up-client")
    assert recorder.told() == [up("10.3.0.1", "alice@example.org")] * 3
    strongswan(recorder, "up-client", "10.3.0.2/32")
    strongswan(recorder, "down-client")
    strongswan(recorder, "down-client")
    assert recorder.told() == [up("10.3.0.2", "alice@example.org")]
    strongswan(recorder, "down-client")
    assert recorder.told() == [down("10.3.0.1")]
    strongswan(recorder, "down-client")
    assert recorder.told() == [down("10.3.0.1")]


def test_strongswan_counts_from_nothing_with_a_new_charon(recorder):
    strongswan(recorder, "up-client")
    (recorder.folder / "state" / "owner").write_text("another charon\n")
    strongswan(recorder, "up-client")
    strongswan(recorder, "down-client")
    assert recorder.told()[-1] == down("10.3.0.1")


def test_strongswan_counts_right_when_many_come_at_once(recorder):
    for verb in ("up-client", "down-client"):
        threads = [threading.Thread(target=strongswan, args=(recorder, verb)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    told = recorder.told()
    assert told == [up("10.3.0.1", "alice@example.org")] * 8 + [down("10.3.0.1")]


def test_strongswan_leaves_networks_and_other_verbs_alone(recorder):
    for client in ("10.3.0.0/24", "fd00:3::/64", "../../x/32", "", "10.3.0.1"):
        assert strongswan(recorder, "up-client", client).returncode == 0
    assert strongswan(recorder, "prepare-client").returncode == 0
    assert recorder.told() == []
    recorder.set_status(1)
    assert strongswan(recorder, "up-client").returncode == 0
    assert strongswan(recorder, "down-client").returncode == 0


# pppd

@pytest.fixture
def ppp(recorder):
    """The hook where Debian's ip-up and ip-down look for it, called as run-parts does."""
    defaults = recorder.folder / "defaults"
    defaults.write_text(f"TUNMAPCTL={recorder.program}\n")
    for name in ("ip-up.d", "ip-down.d"):
        (recorder.folder / name).mkdir()
        (recorder.folder / name / "tunmap").symlink_to(HOOKS / "pppd")

    def call(folder, **variables):
        environment = {
            "IFNAME": "ppp0", "DEVICE": "/dev/pts/3", "SPEED": "38400", "IPLOCAL": "10.4.0.1",
            "IPREMOTE": "10.4.0.2", "PEERNAME": "alice", "PPPLOGNAME": "root", "ORIG_UID": "0",
            "PPPD_PID": "4711", "PPP_IFACE": "ppp0", "PPP_TTY": "/dev/pts/3",
            "PPP_SPEED": "38400", "PPP_LOCAL": "10.4.0.1", "PPP_REMOTE": "10.4.0.2",
            "PPP_IPPARAM": "192.0.2.1", "TUNMAP_DEFAULTS": str(defaults)}
        if folder == "ip-down.d":
            environment.update(CONNECT_TIME="77", BYTES_SENT="1", BYTES_RCVD="1")
        environment.update(variables)
        arguments = [f"--arg={value}" for value in
                     ("ppp0", "/dev/pts/3", "38400", "10.4.0.1", "10.4.0.2", "192.0.2.1")]
        return run_hook(recorder, ["/usr/bin/run-parts", *arguments, recorder.folder / folder],
                        environment)

    return call


def test_pppd_tells_the_address_of_a_link(recorder, ppp):
    assert ppp("ip-up.d").returncode == 0
    assert recorder.told() == [up("10.4.0.2", "alice", "4711")]
    assert ppp("ip-down.d").returncode == 0
    assert recorder.told() == [down("10.4.0.2", "4711")]


@pytest.mark.parametrize("name", HOSTILE)
def test_pppd_never_evaluates_a_name(recorder, ppp, name):
    ppp("ip-up.d", PEERNAME=name)
    assert recorder.told() == [up("10.4.0.2", name, "4711")]


def test_pppd_gives_a_link_without_a_name_to_nobody(recorder, ppp):
    assert ppp("ip-up.d", IPREMOTE="", PPP_REMOTE="").returncode == 0
    assert ppp("ip-down.d", PEERNAME="").returncode == 0
    assert recorder.told() == []
    assert ppp("ip-up.d", PEERNAME="").returncode == 0
    assert recorder.told() == [down("10.4.0.2")]


def test_pppd_ends_an_earlier_session_when_there_is_no_new_one(recorder, ppp):
    recorder.set_status("1 0")
    assert ppp("ip-up.d").returncode == 0
    assert recorder.told() == [up("10.4.0.2", "alice", "4711"), down("10.4.0.2")]
    recorder.set_status(1)
    assert ppp("ip-up.d").returncode == 0
    assert ppp("ip-down.d").returncode == 0
    assert run_hook(recorder, [HOOKS / "pppd"],
                    {"PEERNAME": "alice", "IPREMOTE": "10.4.0.2"}).returncode == 2


# wg-quick

KEYS = [letter * 43 + "=" for letter in "ABC"]


@pytest.fixture
def wg(recorder):
    program = recorder.folder / "wg"
    users = recorder.folder / "wg0.users"
    users.write_text(f"# the users of wg0\n{KEYS[0]} alice\n{KEYS[1]}\t$(touch${{IFS}}pwned)\n"
                     f"{KEYS[0]} mallory")
    program.write_text(f"""#!/bin/sh
[ "$*" = "show wg0 allowed-ips" ] || exit 1
printf '%s\\t%s\\n' {KEYS[0]} "10.9.0.2/32 10.20.0.0/16 fd00:9::2/128" {KEYS[1]} 10.9.0.3/32 \\
	{KEYS[2]} "(none)"
""")
    program.chmod(0o755)

    def call(*arguments, users=users):
        return run_hook(recorder, [HOOKS / "wg-quick", *arguments, users], {"WG": str(program)})

    return call


def test_wg_quick_tells_the_single_addresses_of_the_peers(recorder, wg):
    assert wg("up", "wg0").returncode == 0
    assert recorder.told() == [up("10.9.0.2", "alice"), up("fd00:9::2", "alice"),
                               up("10.9.0.3", "$(touch${IFS}pwned)")]
    assert wg("down", "wg0").returncode == 0
    assert recorder.told() == [down("10.9.0.2"), down("fd00:9::2"), down("10.9.0.3")]


def test_wg_quick_ends_an_earlier_session_when_there_is_no_new_one(recorder, wg):
    recorder.set_status("0 1 0")
    assert wg("up", "wg0").returncode == 0
    assert recorder.told() == [up("10.9.0.2", "alice"), up("fd00:9::2", "alice"),
                               down("fd00:9::2"), up("10.9.0.3", "$(touch${IFS}pwned)")]


def test_wg_quick_keeps_the_interface_down_only_when_required(recorder, wg):
    assert wg("--required", "up", "wg0").returncode == 0
    assert wg("up", "wg1").returncode == 0
    assert wg("--required", "up", "wg1").returncode == 1
    assert wg("up", "wg0", users="/no/such/file").returncode == 0
    assert wg("--required", "up", "wg0", users="/no/such/file").returncode == 1
    recorder.set_status(1)
    assert wg("up", "wg0").returncode == 0
    assert wg("--required", "up", "wg0").returncode == 1
    assert wg("--required", "down", "wg0").returncode == 0
    assert wg("about", "wg0").returncode == 2


# A real OpenVPN

SERVER = "192.0.2.1"
COMMON_NAME = "alice $(touch pwned) 'x'"

SERVER_CONFIG = """\
dev tun
proto udp
local {server}
topology subnet
server 10.77.0.0 255.255.255.0
server-ipv6 fd77::/64
dh none
cert server.crt
key server.key
remote-cert-tls client
peer-fingerprint {fingerprint}
script-security 2
client-connect "{hook} --required"
client-disconnect "{hook} --required"
setenv TUNMAPCTL {tunmapctl}
keepalive 2 10
verb 3
"""

CLIENT_CONFIG = """\
client
dev tun
proto udp
remote {server} 1194
nobind
cert client.crt
key client.key
remote-cert-tls server
peer-fingerprint {fingerprint}
explicit-exit-notify 1
connect-retry 1 1
verb 3
"""


def certificate(folder, name, subject, usage):
    """A certificate signed by its own key; returns its fingerprint."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={subject}",
               "-addext", "keyUsage=digitalSignature", "-addext", f"extendedKeyUsage={usage}",
               "-keyout", f"{name}.key", "-out", f"{name}.crt"]
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    printed = subprocess.run(["openssl", "x509", "-in", f"{name}.crt", "-noout", "-sha256",
                              "-fingerprint"], cwd=folder, check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    return printed.partition("=")[2].strip()


class OpenvpnPair:
    """A server and room for its client, each in a namespace."""

    def __init__(self, recorder):
        self.folder = recorder.folder
        fingerprints = {name: certificate(self.folder, name, subject, f"{name}Auth")
                        for name, subject in (("server", "server"), ("client", COMMON_NAME))}
        names = [f"tmh-{os.getpid()}-{side}" for side in ("s", "c")]
        self.namespaces = []
        try:
            for name in names:
                self.namespaces.append(Namespace(name))
            self.server, self.client = self.namespaces
            self.server.ip(f"link add eth0 type veth peer name eth0 netns {names[1]}\n"
                           f"addr add {SERVER}/24 dev eth0\nlink set eth0 up")
            self.client.ip("addr add 192.0.2.2/24 dev eth0\nlink set eth0 up")
            for namespace in self.namespaces:
                namespace.sysctl("net.ipv6.conf.all.disable_ipv6", 0)
            self._configure(recorder, fingerprints)
            self.start(self.server, "server")
            assert self.wait_log("server", "Initialization Sequence Completed")
        except BaseException:
            self.close()
            raise

    def _configure(self, recorder, fingerprints):
        (self.folder / "server.conf").write_text(SERVER_CONFIG.format(
            server=SERVER, fingerprint=fingerprints["client"], hook=HOOKS / "openvpn",
            tunmapctl=recorder.program))
        (self.folder / "client.conf").write_text(CLIENT_CONFIG.format(
            server=SERVER, fingerprint=fingerprints["server"]))

    def start(self, namespace, name):
        with open(self.folder / f"{name}.log", "w") as log:
            return namespace.popen(["openvpn", "--config", f"{name}.conf"], cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def wait_log(self, name, text, timeout=8):
        return eventually(lambda: text in self.log(name), timeout)

    def close(self):
        for namespace in self.namespaces:
            namespace.close()


@pytest.mark.skipif(not shutil.which("openvpn", path="/usr/sbin:/usr/bin"),
                    reason="openvpn is not installed")
def test_openvpn_itself_tells_of_its_clients(recorder):
    pair = OpenvpnPair(recorder)
    try:
        client = pair.start(pair.client, "client")
        assert pair.wait_log("client", "Initialization Sequence Completed"), pair.log("client")
        told = recorder.told()
        (session,) = {command[-1] for command in told}
        assert re.fullmatch("[0-9]{10,}", session)
        user = told[0][5]
        assert told == [up("10.77.0.2", user, session), up("fd77::1000", user, session)]
        assert user == COMMON_NAME

        client.send_signal(signal.SIGTERM)
        assert eventually(lambda: recorder.count() == 2, 8), pair.log("server")
        assert recorder.told() == [down("10.77.0.2", session), down("fd77::1000", session)]
        end_process(client)

        # Now the daemon is gone, and the admin has said that it must not be.
        recorder.set_status(1)
        client = pair.start(pair.client, "client")
        assert pair.wait_log("client", "AUTH_FAILED"), pair.log("server")
        assert not (recorder.folder / "pwned").exists()
    finally:
        pair.close()
