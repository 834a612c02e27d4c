# SPDX-License-Identifier: GPL-2.0-or-later
"""
A lab for each module and a fresh daemon for each test.  A module chooses with TUNNEL, CLIENTS and
RENAME what the lab is made of, and with `policy_of(lab)` what the daemon is told.
"""

import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from control import Control  # noqa: E402
from daemon import BINARY  # noqa: E402
from lab import Lab  # noqa: E402


def pytest_configure():
    # End by an exception, so that labs are taken apart.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def pytest_sessionstart():
    if os.geteuid() != 0:
        pytest.exit("network namespaces need root", 1)
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: build it, or name another in TUNMAPD", 1)


@pytest.fixture(scope="module")
def lab(request):
    with Lab(getattr(request.module, "TUNNEL", "veth"),
             getattr(request.module, "CLIENTS", 2),
             getattr(request.module, "RENAME", True)) as lab:
        yield lab


@pytest.fixture
def run(lab):
    """
    Start a daemon with a policy, in place of the one that ran.  When its time is over, it has
    to end well.
    """
    lab.gateway.run(["conntrack", "-F"])  # no flow of an earlier test
    daemons = []

    def finish():
        while daemons:
            daemon = daemons.pop()
            killed = daemon.process.returncode == -signal.SIGKILL
            status = daemon.stop()
            log = daemon.log()
            daemon.close()
            assert status == 0 or killed, f"tunmapd ended with {status}:\n{log}"

    def start(policy, **options):
        finish()
        daemons.append(lab.daemon(policy))
        return daemons[-1].start(**options)

    yield start
    finish()


@pytest.fixture
def daemon(lab, run, request):
    """The module's usual daemon, with nothing mapped and the epoch at its start."""
    policy_of = getattr(request.module, "policy_of", Lab.policy)
    return run(policy_of(lab))


@pytest.fixture
def gateway(lab):
    return lab.gateway


@pytest.fixture
def internet(lab):
    return lab.internet


@pytest.fixture
def c1(lab):
    return lab.clients[0]


@pytest.fixture
def c2(lab):
    return lab.clients[1]


@pytest.fixture
def c3(lab):
    return lab.clients[2]


@pytest.fixture
def control(daemon):
    """The admin of the module's usual daemon."""
    return Control(daemon.control)
