# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces: commands, processes and sockets inside them."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_process(process, timeout=10):
    """Ask a process of ours to end, insist after `timeout` seconds, and return its status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


class Namespace:
    """A named network namespace, so that `ip netns exec` finds it too."""

    def __init__(self, name):
        self.name = name
        self._processes = []
        subprocess.run(["ip", "netns", "add", name], check=True)
        self._fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        self.ip("link set lo up")

    def close(self):
        for process in self._processes:
            end_process(process)
        os.close(self._fd)
        subprocess.run(["ip", "netns", "delete", self.name], check=True)

    @contextlib.contextmanager
    def inside(self):
        """Until the block ends, this thread opens its sockets and starts its processes there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self._fd)
            yield
        finally:
            _setns(home)
            os.close(home)

    def popen(self, command, **options):
        """Start a process that lives no longer than this namespace, nor than this program."""
        with self.inside():
            # In a session of its own, so that a terminal's Ctrl-C is this program's alone.
            process = subprocess.Popen(command, preexec_fn=_die_with_parent,
                                       start_new_session=True, **options)
        self._processes.append(process)
        return process

    def run(self, command, check=True, timeout=60, **options):
        """Run a command to its end; both its outputs are captured as text."""
        with self.inside():
            result = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, timeout=timeout, **options)
        if check and result.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(command)}: status {result.returncode}\n"
                               f"{result.stdout}{result.stderr}")
        return result

    def ip(self, commands):
        """Commands of ip(8), one a line, without the leading `ip`."""
        self.run(["ip", "-batch", "-"], input=commands)

    def sysctl(self, key, value):
        with self.inside(), open(f"/proc/sys/{key.replace('.', '/')}", "w") as file:
            file.write(str(value))

    def udp(self, address="0.0.0.0", port=0, timeout=2.0):
        """A UDP socket bound to the address and port."""
        with self.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, port))
        sock.settimeout(timeout)
        return sock

    def tcp_listen(self, address="0.0.0.0", port=0, timeout=2.0):
        with self.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen()
        sock.settimeout(timeout)
        return sock

    def tcp_connect(self, to, source=("0.0.0.0", 0), timeout=2.0):
        with self.inside():
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.settimeout(timeout)
        try:
            sock.bind(source)
            sock.connect(to)
        except OSError:
            sock.close()
            raise
        return sock


def receive(sock, timeout=0.3):
    """The next datagram (data, source), or None when none comes in time."""
    sock.settimeout(timeout)
    try:
        return sock.recvfrom(2048)
    except socket.timeout:
        return None
    except ConnectionError:
        return None


def eventually(condition, timeout=1.0):
    """Ask again and again until the condition holds; False when it does not in time."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
