"""stack.py - runs what deploy/compose/compose.yaml says, without a container engine.

The model is compose-go's (.cache/bin/compose-model, tests/support/compose). Each service becomes one process in a
network namespace of its own, on a bridge for each network of the file, and in a file system of its own: an image's
root (or this machine's with what `cmake --install` puts into /usr/local) under an overlay, read-only where the file
says so, with its tmpfs, volumes, bind mounts and secrets. Its user, its environment and nothing else, no
capabilities, /etc/hosts with the services of its networks. Health checks are the file's own commands, run inside.

It isn't an engine: no limits of memory and CPU, no seccomp, no published ports (the test stands in the network
`edge`), no restart by itself, pids are the sandbox's. Everything is in tests/chaos/sandbox.py's namespaces and ends
with them. MongoDB's image isn't here: its services are left out, and the caller listens as mongo-1.
"""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time

from parley import ROOT

sys.path.insert(0, f"{ROOT}/tests/chaos")
from sandbox import sh  # noqa: E402

MODEL = f"{ROOT}/.cache/bin/compose-model"
FILE = f"{ROOT}/deploy/compose/compose.yaml"
IMAGE_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PARLEY_SERVER_HOME": "/var/lib/parley",
}
SERVICES_OF_MONGO = ("mongo-1", "mongo-2", "mongo-3", "mongo-init")


def load(file=FILE, **variables):
    done = subprocess.run(
        [MODEL, file, *(f"{k}={v}" for k, v in variables.items())], capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


class Stack:
    """The services of one file. start() brings them up in the order of depends_on."""

    def __init__(self, model, root="/", secrets=None):
        """root: folder of the image's root. secrets: the folder that make-secrets made."""
        self.model, self.root, self.secrets = model, root, secrets
        self.work = tempfile.mkdtemp(prefix="parley-stack-")
        sh("mount", "-t", "tmpfs", "tmpfs", self.work)
        self.logs = f"{self.work}/logs"
        os.makedirs(self.logs)
        self.services = {k: v for k, v in model["services"].items() if k not in SERVICES_OF_MONGO}
        self.processes, self.addresses, self.extra, self.took = {}, {}, {}, {}
        self._networks()

    # --- networks

    def _networks(self):
        for number, (name, network) in enumerate(sorted(self.model["networks"].items())):
            config = (network.get("ipam") or {}).get("config") or [{"subnet": f"10.88.{number}.0/24"}]
            network["prefix"] = config[0]["subnet"].rsplit(".", 1)[0]
            sh("ip", "link", "add", f"b-{name}", "type", "bridge")
            sh("ip", "link", "set", f"b-{name}", "up")
        for number, (name, service) in enumerate(sorted(self.services.items())):
            sh("ip", "netns", "add", name)
            sh("ip", "-n", name, "link", "set", "lo", "up")
            for network, options in service["networks"].items():
                fixed = (options or {}).get("ipv4_address")
                address = fixed or f"{self.model['networks'][network]['prefix']}.{100 + number}"
                self.addresses.setdefault(network, {})[name] = address
                self._plug(name, network, address)

    def _plug(self, name, network, address):
        inside, outside = f"e-{network}", f"v{len(self.addresses[network])}-{network}"
        sh("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        sh("ip", "link", "set", outside, "master", f"b-{network}", "up")
        sh("ip", "-n", name, "addr", "add", f"{address}/24", "dev", inside)
        sh("ip", "-n", name, "link", "set", inside, "up")

    def stand_in(self, network, *last):
        """Addresses of the test itself in a network; the list of them."""
        own = [f"{self.model['networks'][network]['prefix']}.{n}" for n in last]
        for address in own:
            sh("ip", "addr", "add", f"{address}/24", "dev", f"b-{network}")
        return own

    def also_known(self, network, name, address):
        """One more name in the hosts file of the services of a network."""
        self.addresses.setdefault(network, {})[name] = address

    def address(self, name, network):
        return self.addresses[network][name]

    # --- one service

    def _hosts(self, name):
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        for network in self.services[name]["networks"]:
            lines += [f"{address} {other}" for other, address in self.addresses[network].items()]
        path = f"{self.work}/{name}/hosts"
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        return path

    def _binds(self, name):
        """(source, target, is_read_only) of all that is mounted into it."""
        service = self.services[name]
        yield self._hosts(name), "/etc/hosts", True
        for secret in service.get("secrets", []):
            file = self.model["secrets"][secret["source"]]["file"]
            yield self._secret(file), secret.get("target") or f"/run/secrets/{secret['source']}", True
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                yield self._secret(volume["source"]), volume["target"], volume.get("read_only", False)
            else:
                # As an engine does at first use: the volume has the owner and mode of the image's folder.
                folder = f"{self.work}/volumes/{volume['source']}"
                if not os.path.isdir(folder):
                    os.makedirs(folder)
                    os.chmod(folder, 0o700)
                    os.chown(folder, *map(int, service["user"].split(":")))
                yield folder, volume["target"], volume.get("read_only", False)

    def _secret(self, path):
        """What stands in deploy/compose/secrets comes from the test's own folder."""
        there = f"{os.path.dirname(FILE)}/secrets"
        return path.replace(there, self.secrets, 1) if self.secrets else path

    def _prepare(self, name):
        """The shell lines that make its file system; the last one has become it."""
        service, own = self.services[name], f"{self.work}/{name}"
        os.makedirs(own, exist_ok=True)
        root = f"{own}/root"
        lines = [f"mkdir -p {own}/upper {own}/lower-work {root}", "mount --make-rprivate /"]
        lines += [
            f"mount -t overlay overlay -o lowerdir={self.root},upperdir={own}/upper,workdir={own}/lower-work {root}"
        ]
        lines += [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        lines += [f"mount -t tmpfs -o mode=1777,size=64m tmpfs {root}/dev/shm"]
        lines += [f"install -d -m 1777 {root}/tmp", f"install -d {root}/run"]
        mounts = []
        for source, target, is_read_only in self._binds(name):
            at = shlex.quote(root + target)
            make = f"mkdir -p {at}" if os.path.isdir(source) else f"mkdir -p $(dirname {at}) && : >>{at}"
            mounts += [f"{make} && mount --bind {shlex.quote(source)} {at}"]
            if is_read_only:
                mounts += [f"mount -o remount,bind,ro {at}"]
        for line in service.get("tmpfs", []):
            target, _, options = line.partition(":")
            mounts += [f"mkdir -p {root}{target} && mount -t tmpfs -o {options or 'size=16m'} tmpfs {root}{target}"]
        lines += mounts
        if service.get("read_only"):
            lines += [f"mount -o remount,ro {root}"]
        return lines, root

    def environment(self, name):
        return {**IMAGE_ENV, **(self.services[name].get("environment") or {}), **self.extra.get(name, {})}

    def _as_user(self, name):
        uid, gid = self.services[name]["user"].split(":")
        caps = ["--inh-caps=-all", "--bounding-set=-all"] if self.services[name].get("cap_drop") == ["ALL"] else []
        return ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", *caps, "--no-new-privs"]

    def _argv(self, name, command=None):
        service = self.services[name]
        argv = (service.get("entrypoint") or []) + (command or service.get("command") or [])
        variables = [f"{k}={v}" for k, v in self.environment(name).items()]
        return ["env", "-i", *variables, *argv]

    def spawn(self, name, command=None, log=None):
        lines, root = self._prepare(name)
        last = ["exec", "chroot", root, *self._as_user(name), *self._argv(name, command)]
        script = "set -e\n" + "\n".join(lines) + f"\ncd {root}\n{shlex.join(last)}\n"
        with open(log or f"{self.logs}/{name}", "ab") as out:
            os.fchown(out.fileno(), *map(int, self.services[name]["user"].split(":")))  # as runc does
            return subprocess.Popen(
                ["ip", "netns", "exec", name, "unshare", "--mount", "bash", "-c", script], stdout=out, stderr=out
            )

    def inside(self, name, *argv, timeout=30):
        """Runs a command in a running service, as `docker compose exec` does."""
        pid = self.processes[name].pid
        return subprocess.run(
            ["nsenter", "-t", str(pid), "--mount", "--net", "--root", "--wd", *self._as_user(name)]
            + ["env", "-i", *(f"{k}={v}" for k, v in self.environment(name).items()), *argv],
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    # --- all of them

    def is_job(self, name):
        return "healthcheck" not in self.services[name]

    def is_healthy(self, name):
        test = self.services[name]["healthcheck"]["test"]
        if test[0] != "CMD":
            raise ValueError(test)
        if self.processes[name].poll() is not None:
            raise RuntimeError(f"{name} ended with {self.processes[name].returncode}: {self.log(name)[-2000:]}")
        return self.inside(name, *test[1:]).returncode == 0

    def wait_healthy(self, name, seconds=60):
        end = time.monotonic() + seconds
        while not self.is_healthy(name):
            if time.monotonic() > end:
                done = self.inside(name, *self.services[name]["healthcheck"]["test"][1:])
                raise RuntimeError(f"{name} isn't healthy: {done.stdout}{done.stderr}\n{self.log(name)[-2000:]}")
            time.sleep(0.2)

    def log(self, name):
        with open(f"{self.logs}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()

    def _order(self):
        done = []

        def visit(name):
            for other in sorted(self.services[name].get("depends_on") or {}):
                if other in self.services and other not in done:
                    visit(other)
            if name not in done:
                done.append(name)

        for name in sorted(self.services):
            if not self.services[name].get("profiles"):
                visit(name)
        return done

    def start(self):
        """As `up --wait`: each once what it depends on is healthy, or has ended with 0."""
        for name in self._order():
            began = time.monotonic()
            for other, how in (self.services[name].get("depends_on") or {}).items():
                if other in self.services and how["condition"] == "service_healthy":
                    self.wait_healthy(other)
            self.processes[name] = self.spawn(name)
            if self.is_job(name) and self.processes[name].wait(120):
                raise RuntimeError(f"{name}: {self.log(name)}")
            self.took[name] = time.monotonic() - began
        for name in self.processes:
            if not self.is_job(name):
                self.wait_healthy(name)

    def kill(self, name, sig=signal.SIGKILL):
        self.processes[name].send_signal(sig)

    def stop(self, name):
        """As `docker compose stop`: its signal, its time. Gives the exit status; -9 if it didn't end by itself."""
        service, process = self.services[name], self.processes[name]
        process.send_signal(getattr(signal, service.get("stop_signal", "SIGTERM")))
        grace = service.get("stop_grace_period", "10s")
        seconds = sum(int(part[:-1]) * {"m": 60, "s": 1}[part[-1]] for part in grace.replace("m", "m ").split())
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(seconds)
        process.kill()
        return process.wait()

    def restart(self, name):
        self.processes[name] = self.spawn(name)

    def end(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
        for process in self.processes.values():
            process.wait()


def installed(prefix, build=f"{ROOT}/build/dev"):
    """/usr/local of the image, from a build of this checkout: what the Dockerfile copies out of its build."""
    sh("cmake", "--install", build, "--prefix", prefix, "--strip")
    program = f"{ROOT}/.cache/bin/nats-server"
    found = program if os.path.exists(program) else sh("which", "nats-server").strip()
    sh("install", "-m", "755", found, f"{prefix}/bin/nats-server")
