"""planted.py - the secrets of a run, and the places where none of them may lie.

A scenario hands over what it uses, or whole calls with their answers; at the end check() reads every log, the stream
AUDIT (by the nats CLI), /metrics of every process, the files of NATS, and the store, and looks for each in each: as it
is, as JSON and as a URL write it, and for what is random bytes in base64 also those bytes and their hex. That the look
isn't blind is checked with it: what is known to be in a place has to be found there.

Addresses are no secret in the store, which needs them, and are looked for without regard to case.
"""

import base64
import json
import os
import shlex
import subprocess
import sys
import unicodedata
import urllib.error
import urllib.parse
import urllib.request

from parley import check, check_equal

LEAST = 8  # bytes; what is shorter stands in a log by chance
KINDS = {
    "password": "password",
    "newPassword": "password",
    "refreshToken": "refresh token",
    "accessToken": "access token",
    "ticket": "ticket",
    "csrfToken": "CSRF value",
    "token": "code",
    "email": "address",
}


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:  # a log that was turned, a file of NATS that was made smaller
        return b""


def files_under(*folders):
    return sorted(f"{at}/{name}" for folder in folders for at, _, names in os.walk(folder) for name in names)


def audit_of(parley):
    """Every event of the stream AUDIT, oldest first, in one call of the CLI."""
    state = json.loads(parley.nats("stream", "info", "AUDIT", "--json").stdout)["state"]
    if not state["messages"]:
        return []
    wanted = json.dumps({"seq": 1, "batch": state["messages"], "max_bytes": 1 << 30})
    count = str(state["messages"])
    done = parley.nats(
        "request", "--raw", "--timeout", "60s", "--reply-timeout", "20s", "--replies", count, "--no-templates",
        "$JS.API.DIRECT.GET.AUDIT", wanted,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines() if line]


def metrics_of(parley):
    """The text of /metrics of every process that has one."""
    found = b""
    for port in range(parley.ops_port, parley.ops_port + 6):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                found += answer.read()
        except (urllib.error.URLError, OSError):
            break
    return found


def store_of(parley):
    """SQLite's files byte for byte, with what was deleted and not yet written over; of another store what the
    command in PARLEY_TEST_STORE_DUMP prints."""
    if "PARLEY_TEST_STORE" in os.environ:
        command = shlex.split(os.environ["PARLEY_TEST_STORE_DUMP"])
        return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
    return b"".join(read(f"{parley.home}/store/parley.db{more}") for more in ("-wal", "", "-shm"))


def random_bytes(text):
    """What a text of base64url stands for; None if it is no such text, or too few of them to be looked for."""
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return found if len(set(found)) >= 12 else None


def needles(kind, text):
    """Each form in which a secret might lie somewhere, as bytes."""
    texts = {text}
    if kind == "password":
        texts |= {unicodedata.normalize(form, text) for form in ("NFC", "NFKC")}
    if kind in ("refresh token", "access token", "ticket"):  # the first part is an id, or says how the last was made
        texts |= set(text.split(".")[1:])
    if kind == "access token":  # as a log would show the beginning or the end of a long one
        texts |= {part for one in texts if len(one) > 60 for part in (one[:40], one[-40:])}
    found = set()
    for one in texts:
        if len(one) < LEAST or len(set(one)) < 3:
            continue
        for form in (one, json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1], urllib.parse.quote(one)):
            found.add(form.encode("utf-8", "replace"))
        raw = random_bytes(one) if kind not in ("password", "address", "access token") else None
        if raw:
            found |= {raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"=")}
    return {n.lower() for n in found} if kind == "address" else found


def hits(text, needles):
    """Which of the needles are in the text. Both are many, so first by the number that eight bytes are, at each of the
    eight ways to cut the text into such."""
    by_start, starts = {}, set()
    for needle in needles:
        by_start.setdefault(int.from_bytes(needle[:LEAST], sys.byteorder), []).append(needle)
    for shift in range(LEAST):
        part = memoryview(text)[shift : shift + (len(text) - shift) // LEAST * LEAST]
        starts |= set(part.cast("Q")).intersection(by_start)
    return {needle for start in starts for needle in by_start[start] if needle in text}


class Planted:
    def __init__(self, parley):
        self.parley, self.found = parley, {}

    def keep(self, kind, *texts):
        for text in texts:
            if text and isinstance(text, str) and (kind != "address" or "@" in text):
                self.found.setdefault(kind, set()).add(text)

    def keep_call(self, *bodies):
        """What is secret by its name in the bodies of a call and of its answer."""
        for body in bodies:
            for key, kind in KINDS.items() if isinstance(body, dict) else ():
                self.keep(kind, body.get(key))

    def check(self, in_audit, in_store, in_logs="server.started"):
        """in_…: a text that has to be found there."""
        home = self.parley.home
        events = audit_of(self.parley)
        logs = files_under(f"{home}/logs", f"{home}/run")
        places = {
            "the logs": (b"\n".join(map(read, logs)), in_logs),
            "the audit": (b"\n".join(json.dumps(e, ensure_ascii=False).encode() for e in events), in_audit),
            "/metrics": (metrics_of(self.parley), "chat_"),
            "the files of NATS": (b"\n".join(map(read, files_under(f"{home}/nats/jetstream"))), in_audit),
            "the store": (store_of(self.parley), in_store),
        }
        wanted = {kind: {n for text in texts for n in needles(kind, text)} for kind, texts in self.found.items()}
        counts = ", ".join(f"{len(texts)} {kind}" for kind, texts in sorted(self.found.items()))
        print(f"      looked for: {counts}; in {len(logs)} logs, {len(events)} events of the audit")
        secrets = set().union(*(ones for kind, ones in wanted.items() if kind != "address"))
        for place, (text, known) in places.items():
            check(f"what is in {place} is found there", known.encode() in text, len(text))
            found = hits(text, secrets)
            if place != "the store":
                found |= hits(text.lower(), wanted.get("address", ()))
            for kind, ones in sorted(wanted.items()):
                if place == "the store" and kind == "address":
                    continue
                left = sorted(n[:60] for n in ones & found)
                check_equal(f"no {kind} of {len(self.found[kind])} in {place}", left, [])
