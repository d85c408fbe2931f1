"""What scenarios share: named checks that are counted, waiting with a limit, a folder of their own.

    case = Cases()
    with case("a second minder is refused"):
        assert ...
    case.finish()        # prints "N passed, N failed" and ends

A case that raises is counted as failed and the next one goes on.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.environ.get("PARLEY_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PARLEY_BIN") or os.path.join(ROOT, "build", "dev", "bin")


class Cases:
    def __init__(self):
        self.passed = self.failed = 0

    @contextlib.contextmanager
    def __call__(self, name):
        start = time.monotonic()
        try:
            yield
        except Exception:  # noqa: BLE001 - whatever it is, the case failed
            self.failed += 1
            print(f"FAIL {name}", flush=True)
            traceback.print_exc(file=sys.stdout)
        else:
            self.passed += 1
            print(f"ok   {name} ({time.monotonic() - start:.1f} s)", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


@contextlib.contextmanager
def scratch():
    path = tempfile.mkdtemp(prefix="parley-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def clean_env(**more):
    """The environment without settings of a Parley that the person at the keyboard may have."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PARLEY_", "NATS_"))}
    env.update({k: str(v) for k, v in more.items()})
    return env


def run(program, *args, env=None, stdin=None, timeout=60):
    """Runs one of our programs to its end; text in, text out."""
    return subprocess.run(
        [os.path.join(BIN, program), *map(str, args)],
        env=env or clean_env(),
        input=stdin,
        text=True,
        capture_output=True,
        timeout=timeout,
    )


def wait_for(what, limit=10.0, every=0.02):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + limit
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {getattr(what, '__doc__', None) or what}")
        time.sleep(every)


def free_ports(count, first=14300, last=14399):
    """That many ports that nobody listens on, next to each other."""
    run_length, found = 0, None
    for port in range(first, last + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                run_length += 1
            except OSError:
                run_length = 0
        if run_length == count:
            found = port - count + 1
            break
    if found is None:
        raise AssertionError("no free ports")
    return found


def alive(pid):
    """Whether the process runs: one that has ended but was not waited for doesn't count."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
