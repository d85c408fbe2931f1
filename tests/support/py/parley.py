"""parley.py - what the scenarios share: a real Parley in a folder of its own, clients, and checks.

A scenario starts Parley the way a person does (deploy/local/up), talks to it by the public protocol
only, and ends with the line `N passed, N failed`. Ports are free ones; everything is on loopback;
what was started is stopped at the end, by its pid.
"""

import atexit
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

_passed = 0
_failed = 0


def check(claim, is_true, detail=""):
    """Counts one claim; says which when it is false."""
    global _passed, _failed
    if is_true:
        _passed += 1
        print(f"ok    {claim}", flush=True)
    else:
        _failed += 1
        print(f"FAIL  {claim}  {detail}", flush=True)
    return is_true


def check_equal(claim, found, wanted):
    return check(claim, found == wanted, f"found {found!r}, wanted {wanted!r}")


def finish():
    """The last line, and the exit status."""
    print(f"{_passed} passed, {_failed} failed", flush=True)
    sys.exit(1 if _failed else 0)


def wait_for(what, seconds=10, every=0.05):
    """Calls what() until it gives something true; its last answer otherwise."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(every)


def free_port():
    """Below those that the kernel hands out to connections: a server that is down for a moment keeps its port."""
    while True:
        port = random.randrange(10000, 28000)
        if is_port_free(port):
            return port


def free_ops_port():
    """One with the ports of some more processes after it."""
    while True:
        port = free_port()
        if all(map(is_port_free, range(port, port + 6))):
            return port


def free_nats_port(servers=1):
    """One whose monitoring port, 4000 above, is free too; of a cluster also the ports that follow and
    those of the routes, 2000 above."""
    while True:
        port = free_port()
        wanted = [port + n + more for n in range(servers) for more in (0, 2000, 4000)]
        if not all(map(is_port_free, wanted)):
            continue
        return port


def is_port_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def readyz_of(port):
    """(status, body) of /readyz at that port; (0, {}) while nothing answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except (urllib.error.URLError, OSError):
        return 0, {}


class Parley:
    """One running Parley, started by deploy/local/up in a folder of its own."""

    def __init__(self, *flags, home=None, settings=None, start=True):
        self.home = home or tempfile.mkdtemp(prefix="parley-test-")
        self.port, self.ops_port = free_port(), free_ops_port()
        self.flags = list(flags)
        self.servers = 3 if "--cluster" in flags else 1
        self.nats_port = free_nats_port(self.servers)
        self.tokens = {}
        atexit.register(self.stop)
        self.set(settings or {})
        if start:
            self.start()

    def set(self, settings):
        """Puts settings, as {"gateway.heartbeat_ms": 500}, into parley.ini; for the next start."""
        path, sections = f"{self.home}/parley.ini", {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                name = ""
                for line in f:
                    if line.startswith("["):
                        name = line.strip(" []\n")
                    elif "=" in line and not line.startswith(("#", ";")):
                        key, value = line.split("=", 1)
                        sections.setdefault(name, {})[key.strip()] = value.strip()
        for key, value in settings.items():
            section, key = key.split(".")
            sections.setdefault(section, {})[key] = value
        with open(path, "w", encoding="utf-8") as f:
            for name, pairs in sections.items():
                f.write(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in pairs.items()))

    def run(self, *argv, check_status=True, **more):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, **more)
        if check_status and done.returncode != 0:
            raise RuntimeError(f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self):
        self.run(
            f"{ROOT}/deploy/local/up",
            "--no-build",
            "--home",
            self.home,
            "--port",
            str(self.port),
            "--ops-port",
            str(self.ops_port),
            "--nats-port",
            str(self.nats_port),
            *self.flags,
        )
        done = self.run("bash", "-c", f". {self.home}/env && env -0")
        self.env = dict(pair.split("=", 1) for pair in done.stdout.split("\0") if "=" in pair)
        self.url, self.ws_url = self.env["PARLEY_URL"], self.env["PARLEY_WS_URL"]

    def stop(self):
        if os.path.isdir(self.home):
            self.run(f"{ROOT}/deploy/local/down", "--home", self.home, check_status=False)
            if os.environ.get("PARLEY_KEEP"):
                print(f"kept {self.home}")
            else:
                shutil.rmtree(self.home, ignore_errors=True)

    def ctl(self, *argv, **more):
        return self.run("parleyctl", "--config", f"{self.home}/parley.ini", *argv, env=self.env, **more)

    def nats(self, *argv, **more):
        """The stock CLI as the read-only user."""
        return self.run("nats", *argv, env=self.env, **more)

    def nats_as_operator(self, *argv, **more):
        with open(f"{self.home}/keys/nats-operator.pass", encoding="ascii") as f:
            env = dict(self.env, NATS_USER="operator", NATS_PASSWORD=f.read().strip())
        return self.run("nats", *argv, env=env, **more)

    def token(self, user, name=None, role=None, ttl=None, fresh=False):
        key = (user, name, role, ttl)
        if key not in self.tokens or fresh:
            more = ["--name", name] if name else []
            more += ["--role", role] if role else []
            more += ["--ttl", ttl] if ttl else []
            self.tokens[key] = self.ctl("token", "--user", user, *more).stdout.strip()
        return self.tokens[key]

    def pid(self, name):
        """Of one of this Parley's processes; None while it isn't there."""
        try:
            with open(f"{self.home}/run/{name}.pid", encoding="ascii") as f:
                return int(f.read())
        except (FileNotFoundError, ValueError):
            return None

    def kill(self, name, sig=signal.SIGKILL):
        """Sends a signal to one of this Parley's own processes, by its pid file."""
        pid = self.pid(name)
        if pid is None:
            raise ProcessLookupError(name)
        os.kill(pid, sig)
        return pid

    def has_new(self, name, old_pid):
        """Whether the minder has started it again."""
        return self.pid(name) not in (None, old_pid)

    def readyz(self, nth=0):
        """(status, body) of the n-th process's /readyz; (0, {}) while it doesn't answer."""
        return readyz_of(self.ops_port + nth)

    def is_ready(self):
        return self.readyz()[0] == 200

    def partition(self, owner):
        """The partition of a conversation or user: FNV-1a 32, mod the number of partitions."""
        h = 0x811C9DC5
        for byte in owner.encode():
            h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
        return h % (16 if self.servers > 1 else 4)

    def gateway_of(self, client):
        """Which gateway (1, 2, …) has this client's socket."""
        sock = getattr(client, "s", None) or client.socket.socket
        wanted = f":{sock.getsockname()[1]:04X}"
        with open("/proc/net/tcp", encoding="ascii") as f:
            inode = next(x[9] for x in map(str.split, f) if x[2].endswith(wanted) and x[3] == "01")
        for n in range(1, 65):
            pid = self.pid(f"gateway-{n}")
            if pid is None:
                return None
            for fd in os.scandir(f"/proc/{pid}/fd"):
                try:
                    if os.readlink(fd.path) == f"socket:[{inode}]":
                        return n
                except OSError:
                    continue
        return None

    def client_on(self, gateway, user, **more):
        """A client whose socket that gateway has: the kernel chooses, so this tries again."""
        for _ in range(64):
            client = Client(self, user, **dict(more, sync=False, cursor=None))
            if self.gateway_of(client) == gateway:
                if more.get("sync", True):
                    client.sync(more.get("cursor"))
                return client
            client.close()
        raise RuntimeError(f"never on gateway-{gateway}")

    def metrics(self, nth=0):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port + nth}/metrics", timeout=5) as r:
            lines = r.read().decode().splitlines()
        return {k: float(v) for k, v in (x.rsplit(" ", 1) for x in lines if not x.startswith("#"))}

    def rest(self, method, path, user=None, body=None, token=None, headers=None, raw=False):
        """(status, decoded body) of one request under /v1."""
        request = urllib.request.Request(self.url + path, method=method)
        token = token or (self.token(user) if user else None)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        for key, value in (headers or {}).items():
            request.add_header(key, value)
        try:
            with urllib.request.urlopen(request, data=data, timeout=20) as reply:
                status, text = reply.status, reply.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, text if raw else (json.loads(text) if text else None)

    def conversation(self, owner, members, kind="group", **more):
        status, made = self.rest("POST", "/v1/conversations", owner, {"type": kind, "memberIds": members, **more})
        if status not in (200, 201):
            raise RuntimeError(f"{status} {made}")
        return made["id"]

    def history(self, user, conversation):
        """All messages, oldest first, by pages."""
        out, after = [], 0
        while True:
            status, page = self.rest("GET", f"/v1/conversations/{conversation}/messages?after={after}&limit=100", user)
            if status != 200:
                raise RuntimeError(f"{status} {page}")
            out += page["items"]
            if len(page["items"]) < 100:
                return out
            after = page["items"][-1]["seq"]


class Parleyd:
    """One more parleyd, by itself, with the settings of a running Parley and flags over them. Its
    operations port is its own; log and status are kept. `with` ends it."""

    def __init__(self, parley, *flags, env=None, **settings):
        self.parley, self.ops_port = parley, free_port()
        self.path = tempfile.mktemp(prefix="parleyd-", suffix=".log")
        program = os.path.join(os.environ.get("PARLEY_BIN", f"{ROOT}/build/dev/bin"), "parleyd")
        config = [f"--config={parley.home}/parley.ini", f"--ops.listen=127.0.0.1:{self.ops_port}"]
        flags = [*flags, *(f"--{k.replace('__', '.')}={v}" for k, v in settings.items())]
        with open(self.path, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [program, *config, "--server.instance_id=one-more", *flags],
                stdout=out,
                stderr=out,
                env={**parley.env, **(env or {})},
            )
        atexit.register(self.end)

    def readyz(self):
        return readyz_of(self.ops_port)

    def log(self):
        with open(self.path, encoding="utf-8") as f:
            return f.read()

    def wait(self, seconds=20):
        """Its exit status; None if it goes on running."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if os.path.exists(self.path):
            os.remove(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class Client:
    """One socket. Frames are taken by a thread; events and answers are kept apart."""

    def __init__(self, parley, user, cursor=None, sync=True, token=None, url=None, headers=None):
        self.parley, self.user = parley, user
        token = token or parley.token(user)
        self.socket = connect(
            url or parley.ws_url,
            additional_headers=headers or {"Authorization": f"Bearer {token}"},
            ssl=getattr(parley, "trust", None),
            compression=None,
            max_size=1 << 22,
            open_timeout=20,
            close_timeout=2,
        )
        self.events, self.answers, self.signals, self.others = [], {}, [], []
        self.hello, self.cursor, self.close_code, self.close_reason = None, cursor, None, None
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()
        self.sync_answer = None
        if sync:
            self.sync(cursor)

    def sync(self, cursor=None):
        self.sync_answer = self.ask({"type": "sync", **({"cursor": cursor} if cursor else {})})
        return self.sync_answer

    def _take(self):
        try:
            for frame in self.socket:
                with self.changed:
                    for line in frame.split("\n"):
                        if line:
                            self._sort(json.loads(line))
                    self.changed.notify_all()
        except ConnectionClosed:
            pass
        with self.changed:
            self.close_code = self.socket.protocol.close_code
            self.close_reason = self.socket.protocol.close_reason
            self.changed.notify_all()

    def _sort(self, thing):
        kind = thing["type"]
        if kind in ("ok", "error", "pong"):
            self.answers[thing["id"]] = thing
            self.cursor = thing.get("cursor", self.cursor)
        elif kind == "hello":
            self.hello = thing
            self.cursor = self.cursor or thing["cursor"]
        elif kind == "cursor":
            self.cursor = thing["cursor"]
        elif "prev" in thing:
            self.events.append(thing)
        elif kind in ("sync.reset", "goodbye"):
            self.others.append(thing)
        else:
            self.signals.append(thing)

    def wait(self, what, seconds=10):
        """Waits until what(self) is true."""
        with self.changed:
            self.changed.wait_for(lambda: what(self) or self.close_code is not None, seconds)
            return what(self)

    def send_raw(self, text):
        self.socket.send(text)

    def begin(self, request):
        request = {"id": uuid.uuid4().hex, **request}
        self.send_raw(json.dumps(request))
        return request["id"]

    def ask(self, request, seconds=20):
        """Sends a request and gives its answer; None if none came."""
        request_id = self.begin(request)
        self.wait(lambda c: request_id in c.answers, seconds)
        return self.answers.get(request_id)

    def say(self, conversation, text, client_id=None, **more):
        return self.ask(
            {
                "type": "message.send",
                "conversationId": conversation,
                "text": text,
                "clientMessageId": client_id or uuid.uuid4().hex,
                **more,
            }
        )

    def error(self, request, seconds=20):
        """The code of the error that a request is answered with; "ok" or None otherwise."""
        answer = self.ask(request, seconds)
        return answer and answer.get("error", {}).get("code", answer["type"])

    def of(self, conversation, kind=None):
        """The events of a conversation so far."""
        return [e for e in self.events if e["conversationId"] == conversation and kind in (None, e["type"])]

    def texts(self, conversation):
        return [e["text"] for e in self.events if e["type"] == "message.new" and e["conversationId"] == conversation]

    def chain_faults(self):
        """Where the events of a conversation don't follow each other."""
        last, faults = {}, []
        for e in self.events:
            before = last.get(e["conversationId"])
            if before is not None and (e["prev"] != before or e["seq"] <= before):
                faults.append((before, e["prev"], e["seq"], e["type"]))
            last[e["conversationId"]] = e["seq"]
        return faults

    def close(self):
        self.socket.close()
        self.thread.join(3)

    def cut(self):
        """Ends the connection without a good-bye, as a lost network does."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(3)
