# SPDX-License-Identifier: GPL-2.0-or-later
"""
A VPN gateway between its clients and the Internet, in network namespaces:

    client 1 ──┐  tunnel                   203.0.113.1   203.0.113.100
    client 2 ──┴──────────── gateway (eth0) ──────────── Internet
                                                         203.0.113.101

With WireGuard the clients share wg0: the gateway is 10.9.0.1, client n is 10.9.0.(n+1), and the
tunnel's own packets cross an underlay of 192.0.2.0/24.  Without it every client has a plain
interface of its own, for speed and for many addresses: tun0, tun1... with 10.9.n.1 on the
gateway and 10.9.n.2 on client n.
"""

import itertools
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import wire
from daemon import BINARY, Daemon, policy
from netns import Namespace, end_process, receive

EXTERNAL = "203.0.113.1"
PEERS = ("203.0.113.100", "203.0.113.101")
WIREGUARD_PORT = 51820

_serial = itertools.count()


class Client:
    """A tunnel address and the gateway that it knows; several may share a namespace."""

    def __init__(self, namespace, address, gateway):
        self.ns = namespace
        self.address = address
        self.gateway = gateway
        self.public_key = None  # of WireGuard
        self.outer = None  # the address on the underlay
        self.wg_name = None  # by which wg(8) knows the interface

    def at(self, address):
        """The same machine as a client with another tunnel address, which it must have."""
        return Client(self.ns, address, self.gateway)

    def socket(self, port=0):
        return self.ns.udp(self.address, port)

    def ask(self, request, to=None, timeout=1.0, sock=None):
        """
        Send a datagram to the gateway's port 5351 and return the reply's octets, or None.  A
        reply from another address than the one asked is an error.
        """
        own = sock or self.socket()
        try:
            own.sendto(request, (to or self.gateway, wire.PORT))
            answer = receive(own, timeout)
        finally:
            if sock is None:
                own.close()
        if answer is None:
            return None
        reply, source = answer
        assert source == (to or self.gateway, wire.PORT), f"reply came from {source}"
        return reply

    def ask_all(self, requests, timeout=0.2, to=None):
        """Send all the requests from one socket; the replies in the order they come in."""
        replies = []
        with self.socket() as sock:
            for request in requests:
                sock.sendto(request, (to or self.gateway, wire.PORT))
            while (answer := receive(sock, timeout)) is not None:
                replies.append(answer[0])
        return replies

    def external(self):
        return wire.NatpmpExternal.parse(self.ask(wire.NATPMP_EXTERNAL))

    def natpmp(self, protocol, internal, suggested=0, lifetime=3600):
        return wire.NatpmpMap.parse(
            self.ask(wire.natpmp_map(protocol, internal, suggested, lifetime)))

    def pcp(self, protocol, internal, suggested=0, lifetime=3600, **fields):
        return wire.PcpReply.parse(self.ask(
            wire.pcp_map(self.address, protocol, internal, suggested, lifetime, **fields)))

    def udp(self, port, timeout=2.0):
        return self.ns.udp(self.address, port, timeout)

    def tcp_listen(self, port, timeout=2.0):
        return self.ns.tcp_listen(self.address, port, timeout)


class Lab:
    """
    Build on entry, take apart on exit.  `tunnel` is "wireguard" or "veth".  Without `rename`,
    the gateway's wireguard-go interface keeps the name under which wg(8) and tunmapd find its
    socket; it is in `tunnel_name`.
    """

    def __init__(self, tunnel="veth", clients=2, rename=True):
        self.tunnel = tunnel
        self.wireguard_kind = None
        self.tunnel_name = "wg0" if tunnel == "wireguard" else "tun*"
        self._rename = rename
        self._changed_peers = []
        self._prefix = f"tm{os.getpid()}n{next(_serial)}"
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="tunmap-lab-"))
        self._namespaces = []
        self._userspace = []
        self._daemons = []
        self.clients = []
        self.gateway = None
        self.internet = None
        self._clients_wanted = clients

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for daemon in self._daemons:
            daemon.close()
        for process, name in self._userspace:
            end_process(process)
            # Left behind only when the process could not clean up after itself.
            pathlib.Path(f"/run/wireguard/{name}.sock").unlink(missing_ok=True)
        for namespace in reversed(self._namespaces):
            namespace.close()
        self._namespaces.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def daemon(self, config_text, binary=BINARY):
        """A daemon of the gateway, not yet started."""
        daemon = Daemon(self.gateway, config_text, binary)
        self._daemons.append(daemon)
        return daemon

    def start_daemon(self, config_text, arguments=(), binary=BINARY):
        return self.daemon(config_text, binary).start(arguments)

    @property
    def interfaces(self):
        """A name or glob for the `tunnels` of a policy."""
        return self.tunnel_name

    def policy(self, default_class=None, **sections):
        """
        A policy for this lab, generous enough that no test meets a limit that it does not set:
        sections in place of the usual ones, and keys of the class `default`.
        """
        usual = {"tunnels": [{"interface": self.interfaces}],
                 "external": [{"interface": "eth0"}],
                 "classes": {"default": {"rate": 10000, "mappings": 1000,
                                         **(default_class or {})}}}
        return policy(**{**usual, **sections})

    def set_peer(self, client, *words):
        """Change a client as a WireGuard peer of the gateway, in the words of `wg set`."""
        if client not in self._changed_peers:
            self._changed_peers.append(client)
        self.gateway.run(["wg", "set", self.tunnel_name, "peer", client.public_key, *words])

    def remove_peer(self, client):
        self.set_peer(client, "remove")

    def restore_peer(self, client):
        """The peer as it was at first, with a new handshake."""
        port = client.ns.run(["wg", "show", client.wg_name, "listen-port"]).stdout.strip()
        self.set_peer(client, "allowed-ips", f"{client.address}/32",
                      "endpoint", f"{client.outer}:{port}")
        # A handshake that crosses the client's own is repeated after five seconds.
        self.gateway.run(["ping", "-c", "1", "-w", "12", client.address])

    def restore_peers(self):
        for client in list(self._changed_peers):
            self.restore_peer(client)
        self._changed_peers.clear()

    def _namespace(self, role):
        namespace = Namespace(f"{self._prefix}-{role}")
        self._namespaces.append(namespace)
        return namespace

    def _build(self):
        self.gateway = self._namespace("gw")
        self.internet = self._namespace("net")
        self.gateway.ip(f"link add eth0 type veth peer name eth0 netns {self.internet.name}\n"
                        f"address add {EXTERNAL}/24 dev eth0\n"
                        "link set eth0 up\n")
        self.internet.ip("".join(f"address add {peer}/24 dev eth0\n" for peer in PEERS)
                         + "link set eth0 up\n")
        self.gateway.ip(f"route add default via {PEERS[0]} dev eth0\n")
        self.gateway.sysctl("net.ipv4.ip_forward", 1)
        spaces = [self._namespace(f"c{number}")
                  for number in range(1, self._clients_wanted + 1)]
        if self.tunnel == "wireguard":
            self._build_wireguard(spaces)
        else:
            self._build_veth(spaces)

    def _build_veth(self, spaces):
        for number, space in enumerate(spaces, 1):
            name = f"tun{number - 1}"
            gateway, address = f"10.9.{number}.1", f"10.9.{number}.2"
            self.gateway.ip(f"link add {name} type veth peer name tun0 netns {space.name}\n"
                            f"address add {gateway}/24 dev {name}\n"
                            f"link set {name} up\n")
            space.ip(f"address add {address}/24 dev tun0\n"
                     "link set tun0 up\n"
                     f"route add default via {gateway} dev tun0\n")
            self.clients.append(Client(space, address, gateway))

    def _build_wireguard(self, spaces):
        gateway_key, gateway_public = _key_pair()
        gateway_config = (f"[Interface]\nPrivateKey = {gateway_key}\n"
                          f"ListenPort = {WIREGUARD_PORT}\n")
        configs = []
        for number, space in enumerate(spaces, 1):
            under_gateway, under_client = (f"192.0.2.{4 * number + end}" for end in (1, 2))
            self.gateway.ip(f"link add under{number} type veth peer name eth0 netns {space.name}\n"
                            f"address add {under_gateway}/30 dev under{number}\n"
                            f"link set under{number} up\n")
            space.ip(f"address add {under_client}/30 dev eth0\nlink set eth0 up\n")
            key, public = _key_pair()
            address = f"10.9.0.{number + 1}"
            gateway_config += f"[Peer]\nPublicKey = {public}\nAllowedIPs = {address}/32\n"
            configs.append(f"[Interface]\nPrivateKey = {key}\n"
                           f"[Peer]\nPublicKey = {gateway_public}\nAllowedIPs = 0.0.0.0/0\n"
                           f"Endpoint = {under_gateway}:{WIREGUARD_PORT}\n")
            self.clients.append(Client(space, address, "10.9.0.1"))
            self.clients[-1].public_key = public
            self.clients[-1].outer = under_client
        self._add_wireguard([self.gateway, *spaces], [gateway_config, *configs])
        self.gateway.ip(f"address add 10.9.0.1/24 dev {self.tunnel_name}\n"
                        f"link set {self.tunnel_name} up\n")
        for client in self.clients:
            client.ns.ip(f"address add {client.address}/24 dev wg0\n"
                         "link set wg0 up\n"
                         "route add default via 10.9.0.1 dev wg0\n")

    def _add_wireguard(self, spaces, configs):
        """A configured interface wg0 in each namespace: the kernel's, or else wireguard-go's."""
        if spaces[0].run(["ip", "link", "add", "wg0", "type", "wireguard"],
                         check=False).returncode == 0:
            self.wireguard_kind = "kernel WireGuard"
            names = ["wg0"] * len(spaces)
            for space in spaces[1:]:
                space.ip("link add wg0 type wireguard\n")
        else:
            self.wireguard_kind = "wireguard-go"
            # The control sockets of all namespaces stand in one directory, under the name
            # that the interface had at first.
            names = [f"{self._prefix}w{number}"[-15:] for number in range(len(spaces))]
            for space, name in zip(spaces, names):
                process = space.popen(
                    ["wireguard-go", "-f", name], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                self._userspace.append((process, name))
            for process, name in self._userspace:
                _wait_for_socket(process, f"/run/wireguard/{name}.sock")
        for client, name in zip(self.clients, names[1:]):
            client.wg_name = name
        for space, name, config in zip(spaces, names, configs):
            path = self._directory / f"{name}-{space.name}.conf"
            path.write_text(config)
            space.run(["wg", "setconf", name, str(path)])
            if space is self.gateway and not self._rename:
                self.tunnel_name = name
            elif name != "wg0":
                space.ip(f"link set {name} name wg0\n")


def _key_pair():
    private = subprocess.run(["wg", "genkey"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    public = subprocess.run(["wg", "pubkey"], input=private, check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    return private.strip(), public.strip()


def _wait_for_socket(process, path, timeout=5.0):
    end = time.monotonic() + timeout
    while time.monotonic() < end and process.poll() is None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
                return
            except OSError:
                time.sleep(0.01)
    raise RuntimeError(f"wireguard-go did not come up: no {path}")
