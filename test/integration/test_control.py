# SPDX-License-Identifier: GPL-2.0-or-later
"""The control API and tunmapctl against a running daemon; answers are held against the schema."""

import json
import stat

import jsonschema
import pytest

from control import Control, Watch
from daemon import ROOT
from lab import EXTERNAL
from wire import TCP, UDP

SCHEMA = json.loads((ROOT / "src" / "ctl" / "api.schema.json").read_text())
SECRETS = ("alice", "10.9.", EXTERNAL)

# Line by line, because places in it are part of what is tested.
POLICY = """\
tunnels:
  - interface: "tun*"
external:
  - interface: eth0
log:
  identity: {identity}
classes:
  default:
    mappings: 2
    rate: 1000
    quarantine: 0
users:
  alice:
    addresses: [{alice}]
"""


def policy_of(lab, identity="full"):
    return POLICY.format(alice=lab.clients[0].address, identity=identity)


@pytest.fixture
def control(daemon):
    return Control(daemon.control)


@pytest.fixture
def alice(lab):
    return lab.clients[0]


@pytest.fixture
def stranger(lab):
    return lab.clients[1]


def fits(name, value):
    jsonschema.validate(
        value, {"$ref": "#/definitions/" + name, "definitions": SCHEMA["definitions"]},
        cls=jsonschema.Draft7Validator,
    )


def test_answers_fit_the_schema(control, alice):
    alice.natpmp(UDP, 6881)
    for target, name in (
        ("/v1/status", "status"),
        ("/v1/mappings", "mappings"),
        ("/v1/users", "users"),
        (f"/v1/explain?address={alice.address}&protocol=udp&internal-port=6881", "explanation"),
    ):
        fits(name, control.get(target))
    for method, target, wanted in (
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/status", 405),
        ("GET", "/v1/mappings?port=x", 400),
        ("DELETE", "/v1/mappings", 400),
        ("DELETE", "/v1/sessions/10.9.0.99", 404),
        ("DELETE", "/v1/bans?user=alice", 404),
    ):
        status, answer = control.call(method, target)
        assert status == wanted, target
        fits("error", answer)


def test_socket_is_for_root_alone(control):
    assert stat.S_IMODE(control.path.stat().st_mode) == 0o600


def test_mapping_is_shown_and_revoked(control, alice):
    port = alice.natpmp(UDP, 6881).external
    (mapping,) = control.ctl_json("show", port)["mappings"]
    assert mapping["user"] == "alice"
    assert mapping["class"] == "default"
    assert mapping["origin"] == "nat-pmp"
    assert mapping["external_address"] == EXTERNAL
    assert 3590 <= mapping["remaining"] <= mapping["lifetime"] == 3600
    assert "nonce" not in mapping
    assert f"{EXTERNAL}:{port}" in control.ctl("list").stdout
    assert control.ctl_json("revoke", "--port", port) == {"revoked": 1}
    assert control.mappings() == []


def test_explain_agrees_with_the_answer(daemon, control, alice):
    arguments = ("--address", alice.address, "--protocol", "udp", "--origin", "nat-pmp")
    assert control.ctl_json("explain", *arguments, "--internal-port", "1000")["code"] == 0
    assert alice.natpmp(UDP, 1000).result == 0
    assert alice.natpmp(UDP, 1001).result == 0
    explained = control.ctl_json("explain", *arguments, "--internal-port", "1002")
    assert explained["result"] == "quota-exceeded"
    assert explained["rule"] == "quota"
    assert explained["source"]["file"] == str(daemon.config)
    line = daemon.config.read_text().splitlines()[explained["source"]["line"] - 1]
    assert "mappings: 2" in line
    assert alice.natpmp(UDP, 1002).result != 0
    assert len(control.mappings()) == 2


def test_ban_revokes_and_refuses(control, alice):
    alice.natpmp(UDP, 6881)
    assert control.ctl_json("ban", "--user", "alice") == {"revoked": 1}
    assert alice.natpmp(UDP, 6881).result != 0
    control.ctl("unban", "--user", "alice")
    assert alice.natpmp(UDP, 6881).result == 0
    assert control.ctl("unban", "--user", "alice", check=False).returncode == 1
    assert control.ctl("ban", "--user", "nobody", check=False).returncode == 1


def test_session_moves_an_address(control, stranger):
    address = ("--address", stranger.address)
    assert stranger.natpmp(UDP, 7000).result == 0
    control.ctl("session", "up", *address, "--user", "carol", "--id", "1")
    assert control.mappings(address=stranger.address) == []
    assert stranger.natpmp(UDP, 7000).result == 0
    (mapping,) = control.mappings(user="carol")
    assert mapping["internal_address"] == stranger.address
    assert control.ctl("session", "down", *address, "--id", "0", check=False).returncode == 1
    control.ctl("session", "down", *address, "--id", "1")
    assert control.mappings(user="carol") == []
    refused = control.ctl("session", "up", *address, "--user", "x", "--class", "none",
                          check=False)
    assert refused.returncode == 1 and "none" in refused.stderr


def test_check_changes_nothing(daemon, control, alice, tmp_path):
    alice.natpmp(UDP, 6881)
    text = daemon.config.read_text()
    candidate = tmp_path / "new.yaml"
    candidate.write_text(text.replace("mappings: 2", "mappings: 2\n    protocols: [tcp]"))
    changes = control.ctl_json("check", candidate)
    fits("changes", changes)
    assert changes["changes"]["revoked"] == 1
    assert len(control.mappings()) == 1
    candidate.write_text(text + "nonsense: 1\n")
    refused = control.ctl("check", candidate, check=False)
    line = len(text.splitlines()) + 1
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{candidate}:{line}:1: ")
    refused = control.ctl("check", "-", check=False, input="nonsense: 1\n")
    assert refused.returncode == 1 and refused.stderr.startswith("-:1:1: ")


def test_reload_tells_what_changed(daemon, control, alice, stranger):
    alice.natpmp(UDP, 6881)
    text = daemon.config.read_text()
    daemon.config.write_text(text + "nonsense: 1\n")
    status, answer = control.reload()
    assert status == 422
    fits("faults", answer)
    assert control.ctl_json("status")["reload"]["ok"] is False
    daemon.config.write_text(text + f"  bob:\n    addresses: [{stranger.address}]\n")
    changes = control.ctl_json("reload")["changes"]
    assert changes["users_added"] == 1 and changes["kept"] == 1 and changes["revoked"] == 0
    assert control.ctl_json("status")["reload"]["ok"] is True


def test_flush(control, alice):
    alice.natpmp(UDP, 1000)
    alice.natpmp(UDP, 1001)
    assert control.ctl("flush", check=False).returncode == 2
    assert control.ctl_json("flush", "--yes") == {"revoked": 2}
    assert control.mappings() == []


def events_of(control, client):
    """What is told of a mapping that comes and is revoked."""
    with Watch(control) as watch:
        control.ctl("revoke", "--port", client.natpmp(UDP, 6881).external)
    return watch.events


def test_events_are_told(control, alice):
    events = events_of(control, alice)
    for event in events:
        fits("event", event)
    assert [e["event"] for e in events] == ["granted", "ended"]
    assert events[0]["user"] == "alice"
    assert events[1]["reason"] == "revoked"


def test_events_and_metrics_name_nobody_by_default(lab, run, alice):
    control = Control(run(policy_of(lab, "none")).control)
    events = events_of(control, alice)
    assert [e["event"] for e in events] == ["granted", "ended"]
    for event in events:
        fits("event", event)
        assert not any(secret in json.dumps(event) for secret in (*SECRETS, "port"))
    metrics = control.get("/metrics")
    assert not any(secret in metrics for secret in SECRETS)
    assert "\ntunmap_mappings 0\n" in metrics


def test_status_tells_how_much_of_the_pool_is_in_use(run, lab, alice, stranger):
    control = Control(run(policy_of(lab)).control)
    pool = control.get("/v1/status")["pool"]
    assert (pool["taken"], pool["free"]) == (0, pool["ports"])
    alice.natpmp(UDP, 5000)
    alice.pcp(TCP, 5001)
    stranger.natpmp(UDP, 5000)
    used = control.get("/v1/status")["pool"]
    assert used == {**pool, "taken": 3, "free": pool["ports"] - 3}
    fits("status", control.get("/v1/status"))
    metrics = control.get("/metrics")
    assert "\ntunmap_pool_ports_taken 3\n" in metrics
    assert f"\ntunmap_pool_ports_free {used['free']}\n" in metrics
    assert f"; 3 taken, {used['free']} free; 3 mappings\n" in control.ctl("status").stdout


def test_socket_goes_with_the_daemon(daemon, control):
    daemon.stop()
    assert not control.path.exists()
    gone = control.ctl("status", check=False)
    assert gone.returncode == 1
    assert "tunmapd is not running" in gone.stderr and "--socket" in gone.stderr
