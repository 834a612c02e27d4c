# SPDX-License-Identifier: GPL-2.0-or-later
"""tunmapd as a process of a gateway's namespace."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from netns import end_process

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("TUNMAPD", str(ROOT / "build" / "release" / "tunmapd"))


def is_sanitized():
    """True for a build with AddressSanitizer, whose use of memory tells nothing."""
    return b"__asan_init" in pathlib.Path(BINARY).read_bytes()


class NotReady(Exception):
    """The daemon ended, or said nothing, instead of becoming ready."""


def policy(**keys):
    """A policy file's text: JSON, which is YAML."""
    return json.dumps(keys, indent=1) + "\n"


class Daemon:
    """
    One configuration, started and stopped as often as a test likes.  What it logs goes to a
    file; readiness is its own word over the sd_notify protocol.
    """

    def __init__(self, namespace, config_text, binary=BINARY):
        self._namespace = namespace
        self._binary = binary
        self._directory = tempfile.TemporaryDirectory(prefix="tunmap-")
        path = pathlib.Path(self._directory.name)
        self.config = path / "tunmap.yaml"
        self.control = path / "control.sock"
        self._log = path / "log"
        self._log.touch()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(path / "notify"))
        self.process = None
        self.configure(config_text)

    def configure(self, config_text):
        """
        Write the policy file; a running daemon is not told.  The control socket is this
        daemon's own, unless the text says where.
        """
        self._forget_notifications()
        if "control" not in config_text:
            socket_path = json.dumps(str(self.control))
            own = f"control: {{socket: {socket_path}}}\n"
            config_text = own + config_text if config_text.lstrip()[:1] != "{" else (
                '{"control": {"socket": ' + socket_path + "},"
                + config_text.lstrip()[1:])
        self.config.write_text(config_text)

    def start(self, arguments=(), timeout=10.0):
        """Start the daemon and wait until it is ready; returns the Daemon."""
        self.launch(arguments)
        if not self.wait_ready(timeout):
            raise NotReady(f"tunmapd: status {self.process.poll()}, log:\n{self.log()}")
        return self

    def launch(self, arguments=()):
        """Start the daemon and do not wait."""
        environment = dict(os.environ, NOTIFY_SOCKET=self._notify.getsockname())
        with open(self._log, "a") as log:
            self.process = self._namespace.popen(
                [self._binary, "-c", str(self.config), *arguments], env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_ready(self, timeout=10.0):
        """True once it says that it is ready, False when it ended or the time is up."""
        end = time.monotonic() + timeout
        self._notify.settimeout(0.02)
        while time.monotonic() < end:
            try:
                if "READY=1" in self._notify.recv(4096).decode().splitlines():
                    return True
            except socket.timeout:
                if self.process.poll() is not None:
                    return False
        return False

    def stop(self):
        """SIGTERM; returns the exit status."""
        return end_process(self.process)

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, timeout=10.0):
        """SIGHUP, and wait until the policy is read."""
        self._forget_notifications()
        self.process.send_signal(signal.SIGHUP)
        assert self.wait_ready(timeout), f"no answer to SIGHUP; log:\n{self.log()}"

    def _forget_notifications(self):
        """What it said of reloads that others asked for."""
        self._notify.setblocking(False)
        try:
            while self._notify.recv(4096):
                pass
        except BlockingIOError:
            pass

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self._log.read_text()

    def memory_kb(self, field="VmHWM"):
        """A line of /proc/PID/status in kilobytes: VmHWM is the peak, VmRSS the present."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    def close(self):
        if self.running():
            end_process(self.process)
        self._notify.close()
        self._directory.cleanup()
