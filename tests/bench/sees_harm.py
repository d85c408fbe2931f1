#!/usr/bin/env python3
"""Proves that parley-bench sees what a server does wrong.

A small fake server (fake_server.py) does one kind of wrong at a time: loses, doubles, swaps, changes
a delivery, forgets what it acknowledged, leaves a message out of a REST page … For each the bench must
end with 1 and count it under the right name; without any it must end with 0 and count nothing.

    sees_harm.py PATH/parley-bench
"""

import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
BENCH = sys.argv[1]
CORPUS = HERE.parent / "data" / "irc-sample.ndjson.gz"
TRAFFIC = ["--rooms", "4", "--members", "5", "--rate", "150", "--duration", "1", "--grace", "2"]
FANOUT = ["fanout", *TRAFFIC]
RESUME = ["resume", *TRAFFIC, "--cuts-per-s", "20", "--away-ms", "200"]
REPLAY = ["replay", "--corpus", str(CORPUS), "--limit", "25", "--grace", "2", "--cut", "10", "--away-ms", "200"]

MIRRORED = [*REPLAY, "--run", "mirrored"]
REPLAY = [*REPLAY, "--public-only"]

# name, mode, the fake's switches, counts that must be above 0 (all the others are not asked for)
CASES = [
    ("a faithful server, fanout", FANOUT, [], None),
    ("a faithful server, pairs", ["pairs", "--users", "20", "--rate", "6000", "--duration", "1"], [], None),
    ("a faithful server, resume", RESUME, [], None),
    ("a faithful server, storm", ["storm", *TRAFFIC, "--away-ms", "200"], [], None),
    ("a faithful server, slow readers", ["slow", *TRAFFIC], [], None),
    ("a faithful server, replay", REPLAY, [], None),
    ("a faithful server, replay in parts", [*REPLAY, "--split", "3"], [], None),
    ("answers lost, asked again", FANOUT, ["--cut", "20"], None),
    ("answers lost in a replay, asked again", REPLAY, ["--cut", "40"], None),
    ("a delivery lost", FANOUT, ["--lose", "97"], ["lost", "brokenChain"]),
    ("a delivery doubled", FANOUT, ["--double", "97"], ["doubled"]),
    ("two deliveries swapped", FANOUT, ["--swap", "97"], ["outOfOrder"]),
    ("a text changed", FANOUT, ["--change", "97"], ["changed"]),
    ("a wrong prev", FANOUT, ["--unchain", "97"], ["brokenChain"]),
    ("acknowledged, not stored", FANOUT, ["--forget", "29"], ["lost"]),
    ("stored twice", FANOUT, ["--twice", "29"], ["doubled"]),
    ("made up", FANOUT, ["--invent", "29"], ["unknown"]),
    ("another number in the answer", FANOUT, ["--renumber", "29"], ["lost", "doubled"]),
    ("a definite error", FANOUT, ["--refuse", "29"], []),
    ("a gap at the resume", RESUME, ["--unrecover", "3"], ["lost", "brokenChain"]),
    ("a replay without stream and store that doesn't say so", [w for w in REPLAY if w != "--public-only"], [], []),
    ("metadata lost on the way in a replay", [*REPLAY, "--limit", "200"], ["--strip", "2"], ["changed", "different"]),
    ("a join or leave acknowledged, not stored", [*REPLAY, "--limit", "200"], ["--unjoin", "5"], ["lost"]),
    ("a delivery lost in a replay", REPLAY, ["--lose", "20"], ["lost", "brokenChain", "different"]),
    ("a text changed in a replay", REPLAY, ["--change", "20"], ["changed", "different"]),
    ("acknowledged, not stored, in a replay", REPLAY, ["--forget", "20"], ["lost"]),
    ("a message missing in REST pages", REPLAY, ["--page-lose", "20"], ["lost"]),
    ("an event missing in the raw log", REPLAY, ["--log-lose", "20"], ["brokenChain", "different"]),
    ("a faithful server, replay, stream and store too", MIRRORED, [], None),
    ("an event missing in the stream", MIRRORED, ["--stream-lose", "20"], ["lost", "different"]),
    ("a text changed in the stream", MIRRORED, ["--stream-change", "20"], ["changed", "different"]),
    ("a row missing in the store", MIRRORED, ["--store-lose", "20"], ["lost", "brokenChain", "different"]),
    ("a text changed in the store", MIRRORED, ["--store-change", "20"], ["changed"]),
    ("acks out of the order of sending", REPLAY, ["--renumber", "20"], ["outOfOrder"]),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def request_stream(port):
    """Makes the stream that the fake server's mirror fills, over NATS's own text protocol."""
    config = {"name": "CHAT_0", "subjects": ["chat.0.c.*"], "storage": "memory", "allow_direct": True}
    body = json.dumps(config)
    for _ in range(100):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                s.sendall(
                    f'CONNECT {{"verbose":false}}\r\nSUB _INBOX.x 1\r\n'
                    f"PUB $JS.API.STREAM.CREATE.CHAT_0 _INBOX.x {len(body)}\r\n{body}\r\n".encode()
                )
                seen = b""
                while b"MSG" not in seen:
                    seen += s.recv(65536)
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("nats-server did not start")


@contextlib.contextmanager
def running(command, **more):
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL, **more)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def mirrors(mode, folder):
    """Switches of the fake server and of the bench for a run that is kept in NATS and SQLite too."""
    if mode is not MIRRORED:
        yield [], ["--nats", ""]
        return
    port, file = free_port(), f"{folder}/store.db"
    with running(["nats-server", "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", folder], stdout=subprocess.DEVNULL):
        request_stream(port)
        yield (
            ["--mirror-nats", str(port), "--mirror-store", file],
            ["--nats", f"nats://127.0.0.1:{port}", "--store", file],
        )


def run_case(mode, switches):
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, mirrors(mode, folder) as (of_fake, of_bench):
        fake = [sys.executable, HERE / "fake_server.py", "--port", str(port), *switches, *of_fake]
        with running(fake, stdout=subprocess.PIPE, text=True) as child:
            child.stdout.readline()
            out = pathlib.Path(folder, "report.json")
            done = subprocess.run(
                [
                    BENCH,
                    *mode,
                    "--quiet",
                    "--url",
                    f"http://127.0.0.1:{port}",
                    "--ws-url",
                    f"ws://127.0.0.1:{port}/v1/ws",
                    "--home",
                    "/nonexistent",
                    "--parleyctl",
                    HERE / "fake_parleyctl",
                    "--json",
                    out,
                    *of_bench,
                ],
                capture_output=True,
                text=True,
                timeout=60,
            )
            report = json.loads(out.read_text()) if out.exists() else {}
            child.stdout.close()
            return done.returncode, report, done.stderr


BAD = ["lost", "doubled", "outOfOrder", "brokenChain", "unknown", "changed", "different", "malformed"]


def judge(wanted, status, report):
    checker = report.get("checker")
    if not checker:
        return "no report"
    if wanted is None:
        wrong = [name for name in BAD if checker[name]]
        return f"counted {wrong}" if wrong else None if status == 0 else f"ended with {status}"
    missing = [name for name in wanted if not checker[name]]
    if missing:
        return f"did not see {missing}: {checker}"
    return None if status == 1 else f"ended with {status}"


skipped = []
if not shutil.which("nats-server"):
    skipped = [case for case in CASES if case[1] is MIRRORED]
    CASES = [case for case in CASES if case[1] is not MIRRORED]
failed = 0
for name, mode, switches, wanted in CASES:
    status, report, errors = run_case(mode, switches)
    complaint = judge(wanted, status, report)
    failed += complaint is not None
    print(f"{'FAIL' if complaint else 'ok  '} {name}{': ' + complaint if complaint else ''}", flush=True)
    if complaint:
        print("\n".join(errors.splitlines()[-5:]))
for case in skipped:
    print(f"skipped, no nats-server on PATH: {case[0]}")
print(f"{len(CASES) - failed} passed, {failed} failed")
sys.exit(1 if failed else 0)
