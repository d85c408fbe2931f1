#!/usr/bin/env python3
"""Who may publish and subscribe what, tried on a real nats-server with deploy/nats-server.conf.

The server is started from the template as deploy/local/up fills it, the streams are made from streams/*.json.
Each subject below is tried on a raw connection with a PING behind it, so that a refusal can't be mistaken for
silence. Then the jobs that the roles and people really do, some
with the stock `nats` CLI, and the attempts to get round: changing another's consumer through an older or
unnamed form of the same call.

Needs nats-server, nats and bash; takes free ports of its own.
"""

import base64
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
USERS = ("gateway", "persister", "viewer", "operator")
CONV, USER, SESSION = "general", "ada", "s1"
os.environ["PATH"] += f":{ROOT}/.cache/bin"  # where tests/run and deploy/local/up put them
passed = failed = 0


def check(condition, what):
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print(f"FAIL {what}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_server(folder):
    """Returns (process, port)."""
    port, monitor = free_port(), free_port()
    conf = folder / "nats-server.conf"
    fills = {
        "server_name": "test",
        "nats_listen": f"127.0.0.1:{port}",
        "nats_http": f"127.0.0.1:{monitor}",
        "store_dir": str(folder / "js"),
        "max_file_store": "4096MB",
        "cluster_include": "",
        **{f"{user}_password": password(user) for user in USERS},
    }
    pairs = [f"{key}={value}" for key, value in fills.items()]
    subprocess.run(
        ["bash", "-c", '. deploy/local/lib.sh && render_nats_conf "$@"', "bash", conf, *pairs], cwd=ROOT, check=True
    )
    check(oct(conf.stat().st_mode)[-3:] == "600", "the configuration with passwords is readable by its owner alone")
    log = open(folder / "nats.log", "w")
    process = subprocess.Popen(["nats-server", "-c", conf], stdout=log, stderr=log)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port, monitor
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    sys.exit(f"nats-server did not start: {(folder / 'nats.log').read_text()}")


def password(user):
    return f"secret-of-{user}"


class Connection:
    """The NATS text protocol, as much of it as is needed."""

    def __init__(self, port, user, secret=None):
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.file = self.sock.makefile("rb")
        self.sid = 0
        assert self.file.readline().startswith(b"INFO")
        options = {
            "verbose": False,
            "pedantic": False,
            "headers": True,
            "no_responders": True,
            "user": user,
            "pass": secret or password(user),
            "lang": "test",
            "version": "1",
        }
        self.greeting = self.send(f"CONNECT {json.dumps(options)}\r\n".encode())

    def send(self, data):
        """Sends it and a PING; the server has judged it when the PONG comes. Returns what was refused, or ""."""
        self.sock.sendall(data + b"PING\r\n")
        refused = ""
        while (line := self.next_line()) != "PONG":
            if line == "":
                return refused or "closed"
            if line.startswith("-ERR"):
                refused = line
        return refused

    def next_line(self):
        """The next line of the protocol; a message's body is put into self.message."""
        line = self.file.readline().decode().strip()
        if line == "PING":
            self.sock.sendall(b"PONG\r\n")
        elif line.startswith(("MSG", "HMSG")):
            self.message = self.file.read(int(line.split()[-1]) + 2)[:-2]
        return line

    def may_publish(self, subject, body=b""):
        refused = self.send(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(body), body))
        assert not refused or "Permissions Violation for Publish" in refused, refused
        return not refused

    def may_subscribe(self, subject):
        self.sid += 1
        refused = self.send(f"SUB {subject} {self.sid}\r\n".encode())
        assert not refused or "Permissions Violation for Subscription" in refused, refused
        return not refused

    def heard(self):
        """The subject of the next message."""
        while line := self.next_line():
            if "MSG" in line:
                return line.split()[1]
        return None

    def request(self, subject, body=""):
        """The JSON answer on an inbox of its own, or None if the request was refused or unanswered."""
        inbox = "_INBOX." + base64.b32encode(os.urandom(10)).decode()
        self.sid += 1
        data = body.encode()
        self.sock.sendall(f"SUB {inbox} {self.sid}\r\nPUB {subject} {inbox} {len(data)}\r\n{body}\r\n".encode())
        while not (line := self.next_line()).startswith("-ERR") and line:
            if "MSG" in line and line.split()[1] == inbox:
                return json.loads(self.message) if self.message.startswith(b"{") else None
        return None


def fill(name, partition=0):
    text = (ROOT / "streams" / name).read_text()
    for key, value in {
        "p": partition,
        "partitions": 4,
        "generation": 1,
        "first_seq": 2**40 + 1,
        "replicas": 1,
        "chat_max_bytes": 4096 * 2**20 * 7 // 10 // 4,
    }.items():
        text = text.replace("{{%s}}" % key, str(value))
    return text


def make_streams(operator):
    """All files as they are; what the server answers must hold every field that the file has."""
    for path in sorted((ROOT / "streams").glob("*.json")):
        for partition in range(4) if "{{p}}" in path.read_text() else [0]:
            wanted = json.loads(fill(path.name, partition))
            if "stream_name" in wanted:
                continue
            answer = operator.request("$JS.API.STREAM.CREATE." + wanted["name"], fill(path.name, partition))
            check(same(wanted, (answer or {}).get("config", {})), f"{path.name} is made as written: {answer}")
    for partition in range(4):
        wanted = json.loads(fill("CHAT.persister.json", partition))
        answer = operator.request(f"$JS.API.CONSUMER.CREATE.CHAT_{partition}.persister", json.dumps(wanted))
        check(same(wanted["config"], (answer or {}).get("config", {})), f"CHAT.persister.json is made: {answer}")


def same(wanted, have):
    if isinstance(wanted, dict):
        return isinstance(have, dict) and all(same(v, have.get(k)) for k, v in wanted.items())
    return wanted == have or (wanted is False and have is None)


READING = [
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.INFO.CHAT_0",
    "$JS.API.STREAM.MSG.GET.CHAT_0",
    "$JS.API.DIRECT.GET.CHAT_0",
    f"$JS.API.DIRECT.GET.CHAT_0.chat.0.c.{CONV}",
    "$JS.API.CONSUMER.INFO.CHAT_0.persister",
]
CHANGING = [
    "$JS.API.STREAM.UPDATE.CHAT_0",
    "$JS.API.STREAM.DELETE.CHAT_0",
    "$JS.API.STREAM.PURGE.CHAT_0",
    "$JS.API.STREAM.MSG.DELETE.CHAT_0",
    "$JS.API.STREAM.UPDATE.KV_PRESENCE",
    "$JS.API.STREAM.DELETE.KV_PRESENCE",
    "$JS.API.STREAM.PURGE.CHAT_DLQ",
    "$JS.API.STREAM.MSG.DELETE.CHAT_DLQ",
    "$JS.API.STREAM.CREATE.CHAT_0",
    "$JS.API.STREAM.CREATE.ANY",
    "$JS.API.STREAM.RESTORE.CHAT_0",
    "$JS.API.STREAM.SNAPSHOT.CHAT_0",
    "$JS.API.CONSUMER.DELETE.CHAT_0.persister",
    "$JS.API.STREAM.LEADER.STEPDOWN.CHAT_0",
    "$JS.API.ACCOUNT.PURGE.X",
    "$SYS.REQ.SERVER.PING",
]
FORGING = [
    f"live.revoked.u.{USER}",
    f"live.0.c.{CONV}",
    f"live.0.u.{USER}",
    f"live.0.r.{CONV}",
    f"live.presence.{USER}.{SESSION}",
    "ctl.session",
]

PUBLISH = {
    "gateway": (
        READING
        + [
            f"chat.0.c.{CONV}",
            f"chat.3.u.{USER}",
            f"live.0.s.{CONV}",
            f"receipt.0.{CONV}.{USER}.{SESSION}",
            f"$KV.PRESENCE.{USER}.{SESSION}",
            f"$KV.REVOKED.s.{USER}.{SESSION}",
            f"$KV.REVOKED.u.{USER}",
            "$KV.ATTEMPTS.key",
            "$KV.TICKETS.key",
            "audit.login",
            "$JS.API.STREAM.CREATE.KV_PRESENCE",
            "$JS.API.STREAM.INFO.KV_PRESENCE",
            "$JS.API.CONSUMER.CREATE.KV_PRESENCE.x.$KV.PRESENCE.>",
            "$JS.API.CONSUMER.CREATE.RECEIPTS.x",
            "$JS.API.CONSUMER.DELETE.KV_PRESENCE.x",
            "$JS.FC.x",
        ],
        CHANGING
        + FORGING
        + [
            "heads.0",
            "applied.0",
            "dlq.persister.schema",
            "$JS.API.CONSUMER.CREATE.CHAT_0.x",
            "$JS.API.CONSUMER.CREATE.CHAT_0",
            "$JS.API.CONSUMER.CREATE.CHAT_0.persister",
            "$JS.API.CONSUMER.DURABLE.CREATE.CHAT_0.persister",
            "$JS.API.CONSUMER.MSG.NEXT.CHAT_0.persister",
            "$JS.ACK.CHAT_0.persister.1.1.1.1.1",
            f"chat.0.x.{CONV}",
            f"chat.0.c.{CONV}.more",
            f"receipt.0.{CONV}.{USER}",
            f"$KV.PRESENCE.{USER}",
            "$KV.OTHER.a.b",
            f"$KV.REVOKED.x.{USER}",
            "$KV.TICKETS.a.b",
            "audit.a.b",
            "$JS.API.STREAM.UPDATE.KV_REVOKED",
            "$JS.API.STREAM.PURGE.KV_REVOKED",
            "$JS.API.STREAM.PURGE.AUDIT",
            "$JS.API.STREAM.DELETE.AUDIT",
            "$JS.API.STREAM.CREATE.KV_REVOKED",
            "anything",
            "_INBOX.x",
        ],
    ),
    "persister": (
        READING
        + [
            f"chat.0.c.{CONV}",
            f"chat.3.u.{USER}",
            "heads.0",
            "applied.3",
            "dlq.persister.schema",
            "$JS.API.CONSUMER.CREATE.CHAT_0.persister",
            "$JS.API.CONSUMER.CREATE.CHAT_0.x.chat.>",
            "$JS.API.CONSUMER.CREATE.CHAT_0",
            "$JS.API.CONSUMER.DURABLE.CREATE.CHAT_0.persister",
            "$JS.API.CONSUMER.MSG.NEXT.CHAT_0.persister",
            "$JS.API.CONSUMER.DELETE.CHAT_0.x",
            "$JS.ACK.CHAT_0.persister.1.1.1.1.1",
            "$JS.FC.x",
            "$JS.API.CONSUMER.UNPIN.CHAT_0.persister",
        ],
        CHANGING
        + FORGING
        + [
            f"live.0.s.{CONV}",
            f"receipt.0.{CONV}.{USER}.{SESSION}",
            f"$KV.PRESENCE.{USER}.{SESSION}",
            "dlq.persister",
            "dlq.persister.schema.more",
            "heads.0.1",
            "$JS.API.STREAM.CREATE.KV_PRESENCE",
            "anything",
            "_INBOX.x",
        ],
    ),
    "viewer": (
        READING
        + [
            "$JS.API.STREAM.LIST",
            "$JS.API.CONSUMER.NAMES.CHAT_0",
            "$JS.API.CONSUMER.LIST.CHAT_0",
            "$JS.API.CONSUMER.CREATE.CHAT_0",
            "$JS.API.CONSUMER.CREATE.CHAT_0.x.chat.>",
            "$JS.API.CONSUMER.MSG.NEXT.CHAT_0.x",
            "$JS.API.STREAM.INFO.KV_PRESENCE",
            "$JS.API.STREAM.MSG.GET.CHAT_DLQ",
            "$JS.API.DIRECT.GET.KV_PRESENCE.$KV.PRESENCE.a.b",
            "$JS.ACK.CHAT_0.x.1.1.1.1.1",
            "$JS.API.CONSUMER.INFO.CHAT_3.persister",
            "$JS.API.STREAM.INFO.RECEIPTS",
            "$JS.FC.x",
        ],
        CHANGING
        + FORGING
        + [
            f"chat.0.c.{CONV}",
            f"chat.0.u.{USER}",
            f"live.0.s.{CONV}",
            "heads.0",
            "applied.0",
            "dlq.persister.schema",
            f"receipt.0.{CONV}.{USER}.{SESSION}",
            f"$KV.PRESENCE.{USER}.{SESSION}",
            "$JS.API.CONSUMER.CREATE.CHAT_0.persister",
            "$JS.API.CONSUMER.CREATE.CHAT_0.persister.chat.>",
            "$JS.API.CONSUMER.DURABLE.CREATE.CHAT_0.persister",
            "$JS.API.CONSUMER.MSG.NEXT.CHAT_0.persister",
            "$JS.ACK.CHAT_0.persister.1.1.1.1.1",
            "$JS.API.CONSUMER.UNPIN.CHAT_0.persister",
            "$JS.ACK._.acct.CHAT_0.persister.1.1.1.1.1.token",
            "anything",
            "_INBOX.x",
        ],
    ),
}
SUBSCRIBE = {
    "gateway": (
        [
            f"live.0.*.{CONV}",
            "live.presence.>",
            f"live.1.u.{USER}",
            "heads.*",
            "applied.0",
            "ctl.session",
            "_INBOX.abc.*",
            "$JS.EVENT.ADVISORY.>",
        ],
        [">", "chat.>", "dlq.>", "$KV.PRESENCE.>", "receipt.>", "$JS.ACK.>", "$JS.API.>", "$SYS.>"],
    ),
    "persister": (
        ["heads.0", "applied.0", f"live.0.c.{CONV}", "_INBOX.abc.*", "$JS.EVENT.ADVISORY.>"],
        [">", "chat.>", "dlq.>", "$KV.PRESENCE.>", "receipt.>", "$JS.API.>", "$SYS.>"],
    ),
    "viewer": ([">", "chat.>", "live.>", "dlq.>", "$KV.PRESENCE.>", "heads.*", "$JS.EVENT.ADVISORY.>"], []),
}


def try_subjects(port):
    """Bodies are garbage on purpose: what is allowed is then refused by JetStream, and changes nothing."""
    for user, (allowed, denied) in PUBLISH.items():
        connection = Connection(port, user)
        check(connection.greeting == "", f"{user} logs in")
        for subject in allowed:
            check(connection.may_publish(subject, b"?"), f"{user} may publish {subject}")
        for subject in denied:
            check(not connection.may_publish(subject, b"?"), f"{user} may not publish {subject}")
        allowed, denied = SUBSCRIBE[user]
        for subject in allowed:
            check(connection.may_subscribe(subject), f"{user} may subscribe {subject}")
        for subject in denied:
            check(not connection.may_subscribe(subject), f"{user} may not subscribe {subject}")
    operator = Connection(port, "operator")
    for subject in CHANGING + FORGING + READING:
        if not subject.startswith("$SYS"):
            check(operator.may_publish(subject, b"?"), f"operator may publish {subject}")
    for user, secret in (("viewer", "wrong"), ("nobody", "x"), ("", "")):
        check(
            "Authorization Violation" in Connection(port, user, secret or " ").greeting,
            f"{user!r} can't log in with {secret!r}",
        )


def consumer_config(connection, stream="CHAT_0", name="persister"):
    return (connection.request(f"$JS.API.CONSUMER.INFO.{stream}.{name}") or {}).get("config")


def go_round(port):
    """A viewer or gateway must not change the persister's consumer by another form of the call."""
    operator, viewer = Connection(port, "operator"), Connection(port, "viewer")
    before = consumer_config(operator)
    check(before is not None and before["ack_wait"] == 30_000_000_000, "the persister's consumer is there")
    changed = json.loads(fill("CHAT.persister.json"))
    changed["config"]["ack_wait"] = 1_000_000_000
    for subject in (
        "$JS.API.CONSUMER.CREATE.CHAT_0",
        "$JS.API.CONSUMER.CREATE.CHAT_0.other",
        "$JS.API.CONSUMER.CREATE.CHAT_0.other.chat.>",
    ):
        answer = viewer.request(subject, json.dumps(changed))
        check(
            answer is None or "error" in answer or answer["name"] != "persister", f"{subject} is no way round: {answer}"
        )
    check(consumer_config(operator) == before, "the persister's consumer is as it was")


def do_jobs(port):
    """One real round: publish, republish seen, pull, ack, read, presence, dead letter."""
    gateway, persister, viewer = (Connection(port, user) for user in ("gateway", "persister", "viewer"))
    check(gateway.may_subscribe(f"live.0.*.{CONV}"), "gateway listens")
    ack = gateway.request(f"chat.0.c.{CONV}", '{"type":"message.new"}')
    check(
        ack and ack.get("seq", 0) > 2**40,
        f"a publish gets its acknowledgement above generation 1's first number: {ack}",
    )
    check(consumer_config(persister) is not None, "the persister sees its consumer")
    created = persister.request("$JS.API.CONSUMER.CREATE.CHAT_0.persister", fill("CHAT.persister.json"))
    check(created and "error" not in created, f"the persister may make its consumer again, unchanged: {created}")
    got = viewer.request("$JS.API.STREAM.MSG.GET.CHAT_0", json.dumps({"last_by_subj": f"chat.0.c.{CONV}"}))
    check(got and base64.b64decode(got["message"]["data"]) == b'{"type":"message.new"}', "the viewer reads it")
    listener = Connection(port, "gateway")
    check(listener.may_subscribe("live.>"), "another gateway listens")
    check(
        (gateway.request(f"$KV.PRESENCE.{USER}.{SESSION}", "{}") or {}).get("stream") == "KV_PRESENCE",
        "presence is kept",
    )
    check(listener.heard() == f"live.presence.{USER}.{SESSION}", "presence is republished as streams/README.md says")
    check((persister.request("dlq.persister.schema", "x") or {}).get("stream") == "CHAT_DLQ", "a dead letter is kept")
    receipt = gateway.request(f"receipt.0.{CONV}.{USER}.{SESSION}", "{}")
    check(receipt and receipt.get("stream") == "RECEIPTS", f"a receipt is kept: {receipt}")
    check(listener.heard() == f"live.0.r.{CONV}", "a receipt is republished as streams/README.md says")
    recreate = gateway.request("$JS.API.STREAM.CREATE.KV_PRESENCE", fill("KV_PRESENCE.json"))
    check(recreate and "error" not in recreate, f"the gateway may make the bucket again: {recreate}")


def nats(port, user, *words, timeout="3s"):
    environment = {
        **os.environ,
        "NATS_URL": f"nats://127.0.0.1:{port}",
        "NATS_USER": user,
        "NATS_PASSWORD": password(user),
    }
    run = subprocess.run(
        ["nats", "--timeout", timeout, *words], env=environment, capture_output=True, text=True, timeout=30
    )
    return run.returncode, run.stdout + run.stderr


def use_the_cli(port):
    for words, expect in (
        (["stream", "ls"], "CHAT_3"),
        (["stream", "report"], "CHAT_0"),
        (["stream", "info", "CHAT_0"], "parley.generation"),
        (["stream", "get", "CHAT_0", "--last-for", f"chat.0.c.{CONV}"], "message.new"),
        (["consumer", "info", "CHAT_0", "persister"], "persister"),
        (["consumer", "report", "CHAT_0"], "persister"),
        (["stream", "subjects", "CHAT_0"], CONV),
        (["kv", "ls", "PRESENCE"], f"{USER}.{SESSION}"),
        (["kv", "get", "PRESENCE", f"{USER}.{SESSION}"], "{}"),
        (["stream", "get", "CHAT_DLQ", "--last-for", "dlq.persister.schema"], "dlq.persister.schema"),
        (["sub", f"chat.0.c.{CONV}", "--last", "--count", "1"], "message.new"),
    ):
        status, output = nats(port, "viewer", *words)
        check(
            status == 0 and expect in output and "iolation" not in output,
            f"viewer: nats {' '.join(words)}: {status} {output[-300:]}",
        )
    for words in (
        ["stream", "purge", "CHAT_DLQ", "-f"],
        ["stream", "rm", "CHAT_0", "-f"],
        ["stream", "edit", "CHAT_0", "--max-age", "1h", "-f"],
        ["stream", "rmm", "CHAT_DLQ", "1", "-f"],
        ["consumer", "rm", "CHAT_0", "persister", "-f"],
        ["kv", "put", "PRESENCE", "a.b", "x"],
        ["kv", "del", "PRESENCE", "-f"],
        ["consumer", "next", "CHAT_0", "persister"],
        ["stream", "add", "MINE", "--subjects", "mine", "--defaults"],
    ):
        status, output = nats(port, "viewer", *words, timeout="300ms")
        check(
            status != 0 and "ermissions" in output,
            f"viewer: nats {' '.join(words)} is refused: {status} {output[-300:]}",
        )
    status, output = nats(port, "operator", "stream", "purge", "CHAT_DLQ", "-f")
    check(status == 0, f"operator: nats stream purge CHAT_DLQ: {output[-300:]}")
    status, output = nats(port, "operator", "stream", "purge", "CHAT_0", "-f")
    check(status != 0, f"CHAT_0 denies a purge, even the operator's: {output[-200:]}")


def server_settings(monitor):
    import urllib.request

    config = json.load(urllib.request.urlopen(f"http://127.0.0.1:{monitor}/jsz", timeout=5))["config"]
    check(config.get("sync_always") is True, "the server says that it syncs always")


def main():
    with tempfile.TemporaryDirectory() as name:
        process, port, monitor = start_server(pathlib.Path(name))
        try:
            server_settings(monitor)
            make_streams(Connection(port, "operator"))
            try_subjects(port)
            do_jobs(port)
            go_round(port)
            use_the_cli(port)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
