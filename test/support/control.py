# SPDX-License-Identifier: GPL-2.0-or-later
"""The admin's side of a daemon: the control API over its UNIX socket, and tunmapctl."""

import http.client
import json
import pathlib
import socket
import subprocess
import time
import urllib.parse

from daemon import BINARY
from netns import end_process

TUNMAPCTL = str(pathlib.Path(BINARY).with_name("tunmapctl"))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("tunmapd", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Control:
    """What an admin does to a daemon; `path` is that of its control socket."""

    def __init__(self, path):
        self.path = path

    # The API

    def call(self, method, target, body=None, timeout=20.0, **parameters):
        """One request; its status, and its JSON or text."""
        if parameters:
            words = {name.replace("_", "-"): value for name, value in parameters.items()}
            target += "?" + urllib.parse.urlencode(words)
        connection = _UnixConnection(self.path, timeout)
        try:
            connection.request(method, target, body)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else text

    def get(self, target, **parameters):
        status, answer = self.call("GET", target, **parameters)
        assert status == 200, f"{target}: {status} {answer}"
        return answer

    def mappings(self, **selectors):
        return self.get("/v1/mappings", **selectors)["mappings"]

    def user(self, name):
        """The line of one user, or None."""
        return next((user for user in self.get("/v1/users")["users"] if user["name"] == name),
                    None)

    def explain(self, address, protocol, internal_port, **parameters):
        return self.get("/v1/explain", address=address, protocol=protocol,
                        internal_port=internal_port, **parameters)

    def reload(self):
        """(status, answer) of a reload."""
        return self.call("POST", "/v1/reload")

    # tunmapctl

    def ctl(self, *arguments, check=True, **options):
        """Run tunmapctl to its end."""
        command = [TUNMAPCTL, "-s", str(self.path), *map(str, arguments)]
        result = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=30, **options)
        assert not check or result.returncode == 0, \
            f"{' '.join(command)}: status {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def ctl_json(self, *arguments):
        return json.loads(self.ctl("--json", *arguments).stdout)

    def session_up(self, address, user, *more):
        return self.ctl("session", "up", "--address", address, "--user", user, *more)

    def session_down(self, address, *more, **options):
        return self.ctl("session", "down", "--address", address, *more, **options)


class Watch:
    """A running `tunmapctl watch`; its events once the block has ended."""

    def __init__(self, control):
        self._control = control
        self.events = []

    def __enter__(self):
        self._process = subprocess.Popen(
            [TUNMAPCTL, "-s", str(self._control.path), "watch"], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        time.sleep(0.2)
        end_process(self._process)
        self.events = [json.loads(line) for line in self._process.stdout]
        self._process.stdout.close()

    def kinds(self):
        return [event["event"] for event in self.events]
