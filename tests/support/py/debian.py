"""debian.py - a small Debian of any release in a folder, and a root of its own on it, for scenarios that need
another machine than this one. Needs root, debootstrap, and the mounts of a namespace (private_mounts)."""

import os
import shutil
import subprocess
import sys

from parley import ROOT
from sandbox import sh


def private_mounts():
    """Runs the program again so that its mounts end with it; the network is the machine's, for packages."""
    if os.environ.get("DEBIAN_MOUNTS") == "1":
        return
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        print("skipped: no namespaces here\n0 passed, 0 failed")
        sys.exit(0)
    os.execvpe("unshare", ["unshare", "--mount", "--", sys.executable, *sys.argv], dict(os.environ, DEBIAN_MOUNTS="1"))


def sources(release):
    """Where this machine's own apt gets that release from: with the security updates, as Debian's images do."""
    listed = sh("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) main", "Created-By: Packages")
    found = {f"deb {line}\n" for line in listed.splitlines() if line.split()[1].startswith(release)}
    if found:
        return found
    sites = {line.split()[0] for line in listed.splitlines() if line.split()[1] == "bookworm"}
    return {f"deb {site} {release} main\n" for site in sites}


def base_of(release, number):
    """The folder of a minimal system. It is kept: Debian's packages don't change from one run to the next."""
    base = f"{ROOT}/.cache/debian-{number}"
    if not os.path.exists(f"{base}/etc/debian_version"):
        shutil.rmtree(base, ignore_errors=True)
        shutil.rmtree(base + ".new", ignore_errors=True)
        sh("debootstrap", "--variant=minbase", release, base + ".new")
        with open(f"{base}.new/etc/apt/sources.list", "w", encoding="ascii") as f:
            f.writelines(sorted(sources(release)))
        os.rename(base + ".new", base)
    return base


def mount_root(own, base):
    """Mounts own/root: what base has, with changes in own/upper. own must not be on an overlay itself."""
    root = f"{own}/root"
    for folder in ("upper", "lower-work", "root"):
        os.makedirs(f"{own}/{folder}")
    sh("mount", "-t", "overlay", "-o", f"lowerdir={base},upperdir={own}/upper,workdir={own}/lower-work", "overlay", root)
    sh("mount", "-t", "proc", "proc", f"{root}/proc")
    sh("mount", "--rbind", "/dev", f"{root}/dev")
    # Whom this machine trusts, for a network with a registry of its own; gone with the mount.
    sh("mount", "-t", "tmpfs", "tmpfs", f"{root}/tmp")
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", f"{root}/tmp/trust.crt")
    shutil.copy("/etc/resolv.conf", f"{root}/etc/resolv.conf")
    for file in ("/etc/hosts", "/etc/pip.conf"):
        if os.path.exists(file):
            shutil.copy(file, root + file)
    return root


def chroot(root, *argv, cwd="/", **more):
    """Runs a command there with as little of this environment as packages need. Gives what subprocess.run gives."""
    env = {
        k: v
        for k, v in os.environ.items()
        if k.lower().endswith("_proxy") or k in ("PIP_INDEX_URL", "PIP_CONFIG_FILE", "GOPROXY")
    }
    env["PIP_CERT"] = env["SSL_CERT_FILE"] = "/tmp/trust.crt"
    env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env["HOME"], env["DEBIAN_FRONTEND"] = "/root", "noninteractive"
    command = ["chroot", root, "/bin/sh", "-c", 'cd "$0" && exec "$@"', cwd, *argv]
    return subprocess.run(command, env=env, capture_output=True, text=True, **more)
