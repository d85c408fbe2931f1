"""mongo.py - FerretDB over a PostgreSQL of its own, for scenarios: MongoDB's protocol on a loopback port.

FerretDB may be killed, frozen and started again; what it acknowledged is in PostgreSQL, which lives on.
tests/run installs both (tests/support/stand_ins.sh).
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

from parley import ROOT, free_port, wait_for

POSTGRES = "/usr/lib/postgresql/15/bin"
DIES_WITH_US = ("setpriv", "--pdeathsig")  # a scenario that runs out of time leaves no server behind
FERRETDB = os.path.join(ROOT, ".cache/bin/ferretdb")


def can_connect(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class FerretDB:
    """One FerretDB and its PostgreSQL, in a folder of their own."""

    def __init__(self, listen=None):
        """listen: HOST:PORT, 0.0.0.0 among them; a free port of loopback if None."""
        self.folder = tempfile.mkdtemp(prefix="parley-mongo-", dir="/dev/shm")
        self.host, self.port = listen.rsplit(":", 1) if listen else ("127.0.0.1", free_port())
        self.postgres_port = free_port()
        self.server = self.postgres = None
        self.log = open(f"{self.folder}/log", "ab")  # noqa: SIM115 - as long as the servers
        atexit.register(self.stop)
        self._start_postgres()
        self.start()

    def url(self, database, options=""):
        return f"mongodb://127.0.0.1:{self.port}/{database}{options}"

    def _as_postgres(self):
        """Arguments for Popen: PostgreSQL refuses to run as root."""
        data = f"{self.folder}/postgres"
        os.makedirs(data, mode=0o700)
        os.chmod(self.folder, 0o711)
        if os.getuid() != 0:
            return data, {}
        user = pwd.getpwnam("postgres")
        os.chown(data, user.pw_uid, user.pw_gid)
        return data, {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _start_postgres(self):
        data, user = self._as_postgres()
        both = {"stdout": self.log, "stderr": self.log, "cwd": "/", **user}
        subprocess.run(
            [
                f"{POSTGRES}/initdb",
                "-D",
                data,
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
            check=True,
            timeout=120,
            **both,
        )
        self.postgres = subprocess.Popen(
            [
                *DIES_WITH_US,
                "QUIT",
                f"{POSTGRES}/postgres",
                "-D",
                data,
                "-p",
                str(self.postgres_port),
                "-h",
                "127.0.0.1",
                "-k",
                data,
                "-c",
                "fsync=off",
                "-c",
                "max_connections=420",
                "-c",
                "log_min_messages=fatal",
            ],
            **both,
        )
        if not wait_for(lambda: can_connect(self.postgres_port), 60):
            raise RuntimeError(f"no PostgreSQL: {self.folder}/log")

    def start(self):
        url = f"postgres://postgres@127.0.0.1:{self.postgres_port}/postgres?pool_max_conns=400"
        self.server = subprocess.Popen(
            [*DIES_WITH_US, "KILL", FERRETDB, f"{self.host}:{self.port}", url], stdout=self.log, stderr=self.log
        )
        if not wait_for(lambda: can_connect(int(self.port)), 60):
            raise RuntimeError(f"no FerretDB: {self.folder}/log")

    def dump_command(self):
        """A command that prints every document, out of PostgreSQL."""
        return f"{POSTGRES}/pg_dump -h 127.0.0.1 -p {self.postgres_port} -U postgres postgres"

    def kill(self):
        self.server.kill()
        self.server.wait()

    def freeze(self, is_frozen=True):
        self.server.send_signal(signal.SIGSTOP if is_frozen else signal.SIGCONT)

    def stop(self):
        if self.server and self.server.poll() is None:
            self.kill()
        if self.postgres and self.postgres.poll() is None:
            self.postgres.send_signal(signal.SIGQUIT)
            self.postgres.wait(30)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
