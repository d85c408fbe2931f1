"""topology.py - nats-servers, gateways and persisters as real processes, with the project's own files.

nats-server.conf and streams/ are the ones that are shipped; what a test changes is named here:

- `single` (one nats-server): duplicate_window 2 s and ack_wait 2 s, so that late retries and second
  deliveries happen within a run; `cluster` (three, R3): everything as shipped.
- drain within 3 s, an outbox of 32 KiB that may be full for 2 s: slow readers are closed within a run.
- nats-server cuts off a client that is 4 MB behind (64 MB by default): slow consumers happen within a run.
- `sync`: "2m" in place of "always" is the red control of the power-loss runs.
- `has_power`: stores lie on a file system that forgets what wasn't synced (unsynced.c).

Stores lie on tmpfs, each of its own, so that a disk can be made full.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

from sandbox import Network, ip_of, sh

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PARLEY_BIN") or f"{ROOT}/build/dev/bin"
ROLES = ("gateway", "persister", "viewer", "operator")
USERS = [f"u{n}" for n in range(16)]


def wait_for(what, seconds, every=0.05):
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(every)


def filled(name, values):
    """A template of deploy/, every placeholder filled."""
    with open(f"{ROOT}/deploy/{name}", encoding="utf-8") as f:
        return re.sub(r"\{\{([a-z_]+)\}\}", lambda m: values[m[1]], f.read())


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


class Process:
    """One of the servers: started in its node's network namespace, stopped by its pid."""

    def __init__(self, node, argv, log):
        self.node, self.argv, self.log, self.child = node, argv, log, None

    def start(self, more=()):
        if self.child and self.child.poll() is None:
            return
        self.started = time.monotonic()
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                ["ip", "netns", "exec", self.node, *self.argv, *more],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
            )

    def signal(self, number):
        if self.child and self.child.poll() is None:
            os.kill(self.child.pid, number)

    def kill(self):
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        if self.child:
            self.child.wait(10)

    def stop(self, seconds=25):
        """SIGTERM; the status, or None when it had to be killed."""
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def stop_or_tell(self, seconds):
        """SIGTERM, and when it hangs SIGQUIT: nats-server then writes down where its goroutines are. Whether it
        ended by itself, as it should."""
        self.signal(signal.SIGTERM)
        for number in (signal.SIGQUIT, signal.SIGKILL):
            try:
                self.child.wait(seconds)
                return number == signal.SIGQUIT
            except subprocess.TimeoutExpired:
                self.signal(number)
        self.child.wait(10)
        return False

    def ended_well(self, status):
        """Whether this is how it may end on SIGTERM: with 0, by the signal itself while it was still starting, or with
        1 when a refusal by nats-server had it draining already."""
        if status == 1:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                return "server.link_is_dead" in log.read().rpartition('"server.starting"')[2]
        return status == 0 or (status == -signal.SIGTERM and time.monotonic() - self.started < 1)

    @property
    def pid(self):
        return self.child.pid

    @property
    def is_running(self):
        return self.child is not None and self.child.poll() is None


class Topology:
    def __init__(self, kind, work, sync="always", has_power=False, partitions=4, gateways=2, pinned=False):
        self.kind, self.work, self.sync, self.has_power, self.partitions = kind, work, sync, has_power, partitions
        self.replicas = 3 if kind == "cluster" else 1
        self.window_s = 120 if kind == "cluster" else 2  # see _streams
        self.nats_nodes = [f"n{i + 1}" for i in range(self.replicas)]
        self.gateway_nodes, self.persister_nodes = [f"g{i + 1}" for i in range(gateways)], ["p1", "p2"]
        self.pinned = pinned  # each gateway begins at a nats-server of its own
        shutil.rmtree(work, ignore_errors=True)
        for folder in ("keys", "nats", "logs", "store"):
            os.makedirs(f"{work}/{folder}", mode=0o700)
        self.network = Network(self.nats_nodes + self.gateway_nodes + self.persister_nodes)
        self.processes, self.power = {}, {}
        self._disks()
        self._keys()
        self._streams()
        self._ini()
        for node in self.nats_nodes:
            self._nats(node)
        for node in self.gateway_nodes + self.persister_nodes:
            self._parleyd(node)

    # ---- files ----

    def _disks(self):
        for name in self.nats_nodes + ["store"]:
            path = self.disk(name)
            os.makedirs(path, exist_ok=True)
            if self.has_power:
                from power import Power

                self.power[name] = Power(self.work, name, path)
            else:
                sh("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", path)

    def disk(self, name):
        return f"{self.work}/store" if name == "store" else f"{self.work}/nats/{name}"

    def _keys(self):
        self.passwords = {role: secrets.token_hex(16) for role in ROLES}
        for role, password in self.passwords.items():
            with open(f"{self.work}/keys/nats-{role}.pass", "w", encoding="ascii") as f:
                f.write(password)

    def _streams(self):
        shutil.copytree(f"{ROOT}/streams", f"{self.work}/streams")
        if self.kind == "single":
            self.edit_stream_file("CHAT.json", '"duplicate_window": 120000000000', '"duplicate_window": 2000000000')
            self.edit_stream_file("CHAT.persister.json", '"ack_wait": 30000000000', '"ack_wait": 2000000000')

    def edit_stream_file(self, name, old, new):
        path = f"{self.work}/streams/{name}"
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if old not in text:
            raise RuntimeError(f"streams/{name} has no {old}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))

    @property
    def nats_url(self):
        return ",".join(f"nats://{ip_of(n)}:4222" for n in self.nats_nodes)

    def _monitor(self):
        """Where syncing is required a lazy parleyd isn't ready, and there is nothing to control."""
        pages = ",".join(f"http://{ip_of(n)}:8222" for n in self.nats_nodes)
        return {"monitor_url": pages, "require_sync": str(self.sync == "always").lower()}

    def _ini(self):
        sections = {
            "server": {"home": self.work, "drain_seconds": 3},
            "gateway": {"outbox_bytes": 32768, "slow_close_ms": 2000, "query_token": "on"},
            "limits": {"send_per_s": 1000, "send_burst": 10000, "other_per_s": 1000, "other_burst": 10000},
            "nats": {"url": self.nats_url, **self._monitor()},
            "store": {"url": "sqlite:store/parley.db"},
            "auth": {"keys_dir": "keys"},
            "streams": {"dir": f"{self.work}/streams", "partitions": self.partitions, "replicas": self.replicas},
        }
        for role in ROLES:
            sections["nats"] |= {f"{role}_user": role, f"{role}_password_file": f"keys/nats-{role}.pass"}
        self.ini = f"{self.work}/parley.ini"
        with open(self.ini, "w", encoding="ascii") as f:
            for name, pairs in sections.items():
                f.write(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in pairs.items()))

    def nats_conf(self, node, more=""):
        """deploy/nats-server.conf, filled; where there are several, nats-cluster.conf with it."""
        fill = {
            "server_name": node,
            "nats_listen": f"{ip_of(node)}:4222",
            "nats_http": f"{ip_of(node)}:8222",
            "store_dir": self.disk(node),
            "max_file_store": "2GB",
            "cluster_include": f"include ./{node}-cluster.conf" if self.replicas > 1 else "",
        }
        fill |= {f"{role}_password": self.passwords[role] for role in ROLES}
        text = filled("nats-server.conf", fill)
        text = text.replace("sync_interval: always", f"sync_interval: {self.sync}") + "\nmax_pending: 4MB\n"
        if self.replicas > 1:
            secret = self.passwords["operator"]
            routes = ", ".join(f"nats://route:{secret}@{ip_of(n)}:6222" for n in self.nats_nodes)
            route = {"route_listen": f"{ip_of(node)}:6222", "route_password": secret, "routes": routes}
            write(f"{self.work}/nats/{node}-cluster.conf", filled("nats-cluster.conf", route))
        return write(f"{self.work}/nats/{node}.conf", text + more)

    def _nats(self, node):
        self.processes[node] = Process(
            node, ["nats-server", "-c", self.nats_conf(node)], f"{self.work}/logs/{node}.log"
        )

    def _parleyd(self, node):
        role, ip = ("gateway" if node[0] == "g" else "persister"), ip_of(node)
        argv = [
            f"{BIN}/parleyd",
            "--config",
            self.ini,
            f"--server.roles={role}",
            f"--server.instance_id={node}",
            f"--ops.listen={ip}:9090",
        ] + ([f"--gateway.listen={ip}:8080"] if role == "gateway" else [])
        if self.pinned and role == "gateway":
            argv.append(f"--nats.url=nats://{ip_of(self.nats_nodes[(int(node[1:]) - 1) % self.replicas])}:4222")
        self.processes[node] = Process(node, argv, f"{self.work}/logs/{node}.log")

    # ---- life ----

    def start(self):
        for node in self.nats_nodes:
            self.processes[node].start()
        if not wait_for(lambda: all(self.nats_health(n) for n in self.nats_nodes), 30):
            raise RuntimeError(f"nats-servers did not come up, see {self.work}/logs")
        if not wait_for(lambda: self.apply().returncode == 0, 30, 0.3):
            raise RuntimeError("the streams could not be made: " + self.apply().stderr)
        for node in self.gateway_nodes + self.persister_nodes:
            self.processes[node].start()
        if not self.wait_ready(60):
            raise RuntimeError(f"Parley did not get ready: {self.why_not_ready()}")
        self._tokens()

    def stop(self):
        for process in self.processes.values():
            process.kill()
        for power in self.power.values():
            power.unmount()
            sh("umount", "-l", power.root, may_fail=True)
        for name in self.nats_nodes + ["store"]:
            sh("umount", "-l", self.disk(name), may_fail=True)
        self.network.remove()
        shutil.rmtree(self.work, ignore_errors=True)

    def ctl(self, *argv):
        return subprocess.run(
            [f"{BIN}/parleyctl", "--config", self.ini, *argv], capture_output=True, text=True, timeout=60
        )

    def apply(self):
        return self.ctl("streams", "apply", "--chat-max-bytes", str((1 << 30) // self.partitions))

    def _tokens(self):
        path = f"{self.work}/users"
        with open(path, "w", encoding="ascii") as f:
            f.write("\n".join(USERS) + "\n")
        done = self.ctl("token", "--from-file", path, "--ttl", "24h")
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.tokens = dict(line.split("\t") for line in done.stdout.splitlines())

    def nats_health(self, node):
        return self.get(f"http://{ip_of(node)}:8222/healthz")[0] == 200

    def get(self, url, timeout=2):
        try:
            with urllib.request.urlopen(url, timeout=timeout) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def readyz(self, node):
        return self.get(f"http://{ip_of(node)}:9090/readyz")

    def is_ready(self):
        return all(self.readyz(n)[0] == 200 for n in self.gateway_nodes + self.persister_nodes)

    def wait_ready(self, seconds):
        return wait_for(self.is_ready, seconds, 0.1)

    def why_not_ready(self):
        return {
            n: self.readyz(n)[1].decode()[:200]
            for n in self.gateway_nodes + self.persister_nodes
            if self.readyz(n)[0] != 200
        }

    def restore(self, seconds=40, note=print):
        """Everything runs, everybody reaches everybody, all are ready: the state between two runs."""
        self.network.heal()
        for process in self.processes.values():
            process.signal(signal.SIGCONT)
        for node in self.nats_nodes + self.persister_nodes + self.gateway_nodes:
            self.processes[node].start()
        return self.wait_ready_noting(seconds, note)

    def wait_ready_noting(self, seconds, note):
        """As wait_ready; each second in which somebody isn't is noted with the reason."""
        end = time.monotonic() + seconds
        while not self.wait_ready(1):
            note(self.why_not_ready())
            if time.monotonic() > end:
                return False
        return True

    def partition(self, owner):
        h = 0x811C9DC5
        for byte in owner.encode():
            h = (h ^ byte) * 0x01000193 & 0xFFFFFFFF
        return h % self.partitions

    def jsz(self, node):
        status, body = self.get(f"http://{ip_of(node)}:8222/jsz?streams=true&consumers=true&raft=true")
        return json.loads(body) if status == 200 else {}
