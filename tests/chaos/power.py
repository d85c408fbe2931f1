"""power.py - a disk whose power can be cut: unsynced.c mounted over a folder of the run."""

import os
import shutil
import subprocess
import time

from sandbox import sh

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = f"{os.path.dirname(os.path.dirname(HERE))}/.cache"


def program():
    """Built once, and again when its source is newer."""
    source, out = f"{HERE}/unsynced.c", f"{CACHE}/bin/unsynced"
    if not os.path.exists(out) or os.path.getmtime(out) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        flags = sh("pkg-config", "--cflags", "--libs", "fuse3").split()
        sh("gcc", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o", f"{out}.{os.getpid()}", source, *flags)
        os.rename(f"{out}.{os.getpid()}", out)
    return out


def unlike(a, b):
    """Bytes that differ between two trees, roughly: files by size, or all of them where sizes agree and bytes don't."""
    lost = 0
    for folder, _, names in os.walk(a):
        for name in names:
            left = f"{folder}/{name}"
            right = b + left[len(a) :]
            with open(left, "rb") as f, open(right, "rb") if os.path.exists(right) else open(os.devnull, "rb") as g:
                x, y = f.read(), g.read()
            if x != y:
                lost += max(abs(len(x) - len(y)), 1)
    return lost


class Power:
    def __init__(self, work, name, mountpoint):
        self.mountpoint, self.root = mountpoint, f"{work}/power/{name}"
        self.cache, self.disk = f"{self.root}/cache", f"{self.root}/disk"
        os.makedirs(self.root)
        sh("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", self.root)
        os.makedirs(self.cache)
        os.makedirs(self.disk)
        self.mount()

    def mount(self):
        self.child = subprocess.Popen([program(), self.cache, self.disk, self.mountpoint], stdin=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not os.path.ismount(self.mountpoint):
            if time.monotonic() > end:
                raise RuntimeError(f"{self.mountpoint} was not mounted")
            time.sleep(0.01)

    def unmount(self):
        sh("umount", "-l", self.mountpoint, may_fail=True)
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def cut(self):
        """The programs are dead already. Gives how many bytes were lost, about."""
        self.unmount()
        lost = unlike(self.cache, self.disk)
        shutil.rmtree(self.cache)
        shutil.copytree(self.disk, self.cache)
        self.mount()
        return lost
