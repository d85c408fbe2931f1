"""sandbox.py - a network, a process table and mounts of a run's own, gone with it however it ends.

`enter()` runs the program again under unshare(1): as process 1 of a new pid namespace (when it ends the
kernel kills all that it started), in new network and mount namespaces (nothing of them has a name outside,
so nothing can be left behind). Inside, each node has a namespace of its own on one bridge:

    runner 10.77.0.1 ── br0 ── n1 10.77.0.11, n2 .12, n3 .13 (nats-servers)
                            ├─ g1 10.77.0.21, g2 .22         (gateways)
                            └─ p1 10.77.0.31, p2 .32         (persisters)

nftables sets in each namespace say whom it doesn't hear (`deaf`) and whom it doesn't reach (`mute`).
"""

import os
import signal
import subprocess
import sys

RUNNER = "10.77.0.1"
BASES = {"n": 10, "g": 20, "p": 30}
RULES = """
table inet chaos {
  set deaf { type ipv4_addr; }
  set mute { type ipv4_addr; }
  chain input { type filter hook input priority 0; ip saddr @deaf drop; }
  chain output { type filter hook output priority 0; ip daddr @mute drop; }
  chain lossy { type filter hook input priority 1; }
}
"""


def ip_of(node):
    return f"10.77.0.{BASES[node[0]] + int(node[1:])}"


def sh(*argv, text=None, may_fail=False):
    done = subprocess.run(argv, input=text, capture_output=True, text=True)
    if done.returncode and not may_fail:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def enter():
    """Returns inside the sandbox. The outer process only waits, and passes the status on. Where namespaces can't be
    made it says so in the words of tests/run, and ends."""
    if os.environ.get("CHAOS_SANDBOX") == "1":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(143))  # process 1 has no other way; the rest dies with it
        sh("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
        sh("ip", "link", "set", "lo", "up")
        return
    made = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
    if made.returncode:
        print(f"skipped: no namespaces here: {made.stderr.strip()}\n0 passed, 0 failed")
        sys.exit(0)
    os.makedirs("/run/netns", exist_ok=True)
    argv = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--",
        sys.executable,
        *sys.argv,
    ]
    os.execvpe("unshare", argv, dict(os.environ, CHAOS_SANDBOX="1"))


class Network:
    def __init__(self, nodes):
        self.nodes = list(nodes)
        sh("ip", "link", "add", "br0", "type", "bridge")
        sh("ip", "addr", "add", f"{RUNNER}/24", "dev", "br0")
        sh("ip", "link", "set", "br0", "up")
        for node in self.nodes:
            self._add(node)

    def _add(self, node):
        sh("ip", "netns", "add", node)
        sh("ip", "link", "add", f"v{node}", "type", "veth", "peer", "name", "eth0", "netns", node)
        sh("ip", "link", "set", f"v{node}", "master", "br0", "up")
        sh("ip", "-n", node, "addr", "add", f"{ip_of(node)}/24", "dev", "eth0")
        sh("ip", "-n", node, "link", "set", "eth0", "up")
        sh("ip", "-n", node, "link", "set", "lo", "up")
        self.nft(node, RULES)

    def nft(self, node, text):
        sh("ip", "netns", "exec", node, "nft", "-f", "-", text=text)

    def cut(self, node, others, hears=False, reaches=False):
        """Drops what comes from and goes to the others, without a reset: a cable that was pulled."""
        addresses = ", ".join(RUNNER if o == "runner" else ip_of(o) for o in others)
        if not hears:
            self.nft(node, f"add element inet chaos deaf {{ {addresses} }}")
        if not reaches:
            self.nft(node, f"add element inet chaos mute {{ {addresses} }}")

    def lose(self, node, percent):
        self.nft(node, f"add rule inet chaos lossy numgen random mod 1000 < {int(percent * 10)} drop")

    def slow(self, node, kbit):
        """What the node sends, at so many kbit/s."""
        sh(
            "ip",
            "netns",
            "exec",
            node,
            "tc",
            "qdisc",
            "replace",
            "dev",
            "eth0",
            "root",
            "tbf",
            "rate",
            f"{kbit}kbit",
            "burst",
            "3000",
            "latency",
            "500ms",
        )

    def remove(self):
        for node in self.nodes:
            sh("ip", "netns", "del", node, may_fail=True)
            sh("ip", "link", "del", f"v{node}", may_fail=True)
        sh("ip", "link", "del", "br0", may_fail=True)

    def heal(self, node=None):
        for each in [node] if node else self.nodes:
            self.nft(each, "flush set inet chaos deaf\nflush set inet chaos mute\nflush chain inet chaos lossy")
            sh("ip", "netns", "exec", each, "tc", "qdisc", "del", "dev", "eth0", "root", may_fail=True)
