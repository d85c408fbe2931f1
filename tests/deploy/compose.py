#!/usr/bin/env python3
"""deploy/compose/ as its files stand: read by compose-go, and held against what is asked of every service, against
the settings that parleyd knows, and against the local cluster's files. Scripts of the image are run with what is
wrong, and must say what. tests/scenario/45-stack runs the whole.

Needs .cache/bin/compose-model (tests/run builds it), nginx, and the built parleyctl."""

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy/compose"
MODEL = ROOT / ".cache/bin/compose-model"
PARLEYCTL = pathlib.Path(os.environ.get("PARLEY_BIN") or ROOT / "build/dev/bin") / "parleyctl"
os.environ["PATH"] += f":{ROOT}/.cache/bin:/usr/sbin"
passed = failed = 0


def check(what, is_true, detail=""):
    global passed, failed
    if is_true:
        passed += 1
    else:
        failed += 1
        print(f"FAIL {what}: {detail}")


def run(*argv, env=None, **more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PARLEY_", "NATS_", "NGINX_"))}
    return subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, timeout=60, env={**clean, **(env or {})}, **more
    )


def model_of(path, *variables):
    return run(MODEL, path, *variables)


# --- what is asked of every service: each rule gives what is wrong with it


def faults_of(name, service):
    is_job = service.get("restart") in ("no", "on-failure:5")
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if not re.fullmatch(r"[a-z./-]+:\d+\.\d+\.\d+", service.get("image", "")):
        yield "the image has no whole version"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", service.get("user", "")):
        yield "no user and group of its own, by number"
    if service.get("read_only") is not True:
        yield "its root can be written to"
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add") or service.get("privileged"):
        yield "it has capabilities"
    if service.get("security_opt") != ["no-new-privileges:true"]:
        yield "it may gain privileges"
    for limit in ("cpus", "memory", "pids"):
        if not limits.get(limit):
            yield f"no limit of {limit}"
    if not is_job and not service.get("healthcheck", {}).get("test"):
        yield "no health check"
    if not is_job and service.get("restart") != "unless-stopped":
        yield "it isn't started again"
    if service.get("ports") and name != "nginx":
        yield "it publishes ports"
    if service.get("network_mode") not in (None, "service:mongo-1"):
        yield "it is in the host's network"
    if service.get("logging", {}).get("options", {}).get("max-size") is None:
        yield "its log grows without end"
    for key, value in (service.get("environment") or {}).items():
        if re.search(r"PASSWORD|SECRET|TOKEN$|_KEY$", key) and not key.endswith(("_FILE", "_QUERY_TOKEN")):
            yield f"a secret in the environment: {key}"
        if re.search(r"://[^/]*:[^/]*@", str(value)):
            yield f"a login in the environment: {key}"
        if key.endswith("_FILE") and value.startswith("/run/secrets/"):
            wanted = value.rsplit("/", 1)[1]
            if wanted not in [s["source"] for s in service.get("secrets", [])]:
                yield f"{key} names a secret that it isn't given"


def check_services(model):
    for name, service in model["services"].items():
        faults = list(faults_of(name, service))
        check(f"{name} is as asked", not faults, faults)
    # The rules see what they are for: each of these makes a good service a bad one.
    good = model["services"]["gateway-1"]
    spoilt = [
        {"image": "parley:latest"}, {"image": "mongo:7"}, {"user": "0:0"}, {"user": ""}, {"read_only": False},
        {"cap_drop": []}, {"privileged": True}, {"security_opt": []}, {"deploy": {}}, {"healthcheck": {}},
        {"restart": "always"}, {"ports": [{"target": 9090}]}, {"network_mode": "host"}, {"logging": {}},
        {"environment": {"PARLEY_NATS_GATEWAY_PASSWORD": "x"}}, {"environment": {"U": "nats://a:b@c"}}, {"secrets": []},
    ]  # fmt: skip
    for change in spoilt:
        check(f"the rules see {change}", list(faults_of("gateway-1", {**copy.deepcopy(good), **change})))


def check_networks(model):
    networks = {n: set(s.get("networks") or {}) for n, s in model["services"].items()}
    inner = [n for n, net in model["networks"].items() if not net.get("internal")]
    check(
        "only nginx has a way out", inner == ["edge"] and [n for n, s in networks.items() if "edge" in s] == ["nginx"]
    )
    check("nginx reaches gateways only", networks["nginx"] == {"edge", "front"})
    for name, own in networks.items():
        if name.startswith(("nats-", "mongo-")):
            check(f"{name} is in one network", own <= {"log"} or own <= {"store"}, own)
    front = {
        n: (s["networks"]["front"] or {}).get("ipv4_address")
        for n, s in model["services"].items()
        if "front" in networks[n]
    }
    nginx = model["services"]["nginx"]["environment"]["NGINX_GATEWAYS"].split(",")
    check(
        "nginx has the addresses of the gateways",
        sorted(nginx) == sorted(f"{a}:8080" for n, a in front.items() if n != "nginx"),
        nginx,
    )
    for name in ("gateway-1", "gateway-2"):
        trusted = model["services"][name]["environment"]["PARLEY_GATEWAY_TRUSTED_PROXIES"]
        check(f"{name} trusts nginx and nobody else", trusted == front["nginx"], trusted)


def check_files(model, text):
    tracked = set(run("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard").stdout.split())
    for service in model["services"].values():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind" and "/secrets/" not in volume["source"]:
                path = str(pathlib.Path(volume["source"]).relative_to(ROOT))
                check(f"{path} is there", path in tracked)
    check("the settings of a cluster are the local one's", "env_file: [../cluster.env]" in text)
    with tempfile.TemporaryDirectory() as folder:
        made = run(COMPOSE / "make-secrets", "--dir", f"{folder}/secrets", "chat.test")
        check("make-secrets makes them", made.returncode == 0, made.stderr)
        for secret in model["secrets"].values():
            path = pathlib.Path(folder) / pathlib.Path(secret["file"]).relative_to(COMPOSE)
            check(f"make-secrets makes {secret['file']}", path.is_file() and path.stat().st_size > 16)
        bound = {
            v["source"] for s in model["services"].values() for v in s.get("volumes", []) if "/secrets/" in v["source"]
        }
        for source in bound:
            check(
                f"make-secrets makes {source}",
                (pathlib.Path(folder) / pathlib.Path(source).relative_to(COMPOSE)).is_dir(),
            )
        before = {p: p.read_bytes() for p in pathlib.Path(folder).rglob("*") if p.is_file()}
        run(COMPOSE / "make-secrets", "--dir", f"{folder}/secrets", "chat.test")
        check(
            "run again it changes nothing",
            before == {p: p.read_bytes() for p in pathlib.Path(folder).rglob("*") if p.is_file()},
        )
        run(COMPOSE / "make-secrets", "--dir", f"{folder}/secrets", "--new-key", "chat.test")
        keys = [len(list((pathlib.Path(folder) / "secrets" / d).glob("jwt-*.pem"))) for d in ("signing-keys", "keys")]
        check("--new-key adds one, with its public half", keys == [2, 2], keys)
        mode = (pathlib.Path(folder) / "secrets").stat().st_mode & 0o777
        check("the folder is its owner's alone", mode == 0o700, oct(mode))
    for wrong, says in (((), "give the name"), (("a b",), "give the name"), (("--what", "x"), "unknown flag")):
        done = run(COMPOSE / "make-secrets", "--dir", "/nonexistent/secrets", *wrong)
        check(f"make-secrets {wrong} is refused", done.returncode == 1 and says in done.stderr, done.stderr)
    ignored = run("git", "-C", ROOT, "check-ignore", "deploy/compose/secrets/nats-gateway", "deploy/compose/.env")
    check("git ignores secrets and .env", len(ignored.stdout.split()) == 2, ignored.stdout)
    left_out = (ROOT / ".dockerignore").read_text().split()
    check("no image gets them either", {"deploy/compose/secrets", "deploy/compose/.env"} <= set(left_out))


def check_settings(model):
    """Every PARLEY_* variable is one that parleyd knows, with a value that it takes."""
    known = {
        line.split()[0] for line in run(PARLEYCTL, "config", "env").stdout.splitlines() if line.startswith("PARLEY_")
    }
    check("parleyctl lists its variables", len(known) > 40, len(known))
    with tempfile.TemporaryDirectory() as folder:
        run(COMPOSE / "make-secrets", "--dir", f"{folder}/secrets", "chat.test")
        for name, service in model["services"].items():
            own = {k: str(v) for k, v in (service.get("environment") or {}).items() if k.startswith("PARLEY_")}
            unknown = {k for k in own if k not in known and k.removesuffix("_FILE") not in known}
            check(f"{name} has only variables that parleyd knows", not unknown, unknown)
            if not own or name.startswith(("nats-", "mongo-")):
                continue
            there = {
                k: v.replace("/run/secrets", f"{folder}/secrets").replace("/etc/parley", f"{folder}/secrets")
                for k, v in own.items()
            }
            done = run(PARLEYCTL, "config", "check", env={**there, "PARLEY_SERVER_HOME": folder})
            check(
                f"{name}: parleyctl config check",
                done.returncode == 0 and "ignored" not in done.stderr and "warn" not in done.stderr.lower(),
                done.stderr,
            )
            broken = {k: v.replace("/secrets/nats-", "/secrets/none-") for k, v in there.items()}
            done = run(PARLEYCTL, "config", "check", env={**broken, "PARLEY_SERVER_HOME": folder})
            check(
                f"{name}: a secret that isn't there stops it, and is named",
                done.returncode != 0 and "none-" in done.stderr,
                done.stderr,
            )
    for setting in (ROOT / "deploy/cluster.env").read_text().splitlines():
        if setting and not setting.startswith("#"):
            check(f"{setting} is known", setting.split("=")[0] in known)


def check_reader():
    """compose-go refuses what is wrong, so that its yes means something."""
    text = (COMPOSE / "compose.yaml").read_text()
    wrong = {
        "an unknown key": text.replace("    read_only: true", "    readonly: true", 1).replace(
            "  read_only: true\n", "  readonly: true\n", 1
        ),
        "a network that isn't there": text.replace("networks: [log]", "networks: [lgo]"),
        "a secret that isn't there": text.replace("secrets: [mongo-key]", "secrets: [mongo-kye]"),
        "a volume that isn't there": text.replace("nats-1:/var", "nats-9:/var"),
        "a service that isn't there": text.replace("      gateway-2: {", "      gateway-9: {"),
        "a condition that isn't one": text.replace("condition: service_started", "condition: service_begun"),
    }
    for name, spoilt in wrong.items():
        path = COMPOSE / ".spoilt.yaml"
        path.write_text(spoilt)
        try:
            check(f"compose-go refuses {name}", spoilt != text and model_of(path).returncode == 1)
        finally:
            path.unlink()


def check_nats_files(model):
    """What nats-start fills is what deploy/local/up fills, but for addresses, folders and passwords."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run(COMPOSE / "make-secrets", "--dir", folder / "secrets", "chat.test")
        (folder / "bin").mkdir()
        # Ends where nats-server would begin; `-t` is the real one's.
        real = shutil.which("nats-server")
        (folder / "bin/nats-server").write_text(f'#!/bin/sh\n[ "$1" = -t ] && exec {real} "$@"\necho "$@"\n')
        (folder / "bin/nats-server").chmod(0o755)
        base = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}", "SECRETS_DIR": f"{folder}/secrets", "NATS_CONF_DIR": f"{folder}/conf",
            "NATS_STORE_DIR": f"{folder}/store", **{k: str(v) for k, v in model["services"]["nats-1"]["environment"].items()},
        }  # fmt: skip
        start = ROOT / "deploy/image/nats-start"
        done = run(start, env=base)
        check(
            "nats-start becomes nats-server",
            done.returncode == 0 and done.stdout.split() == ["-c", f"{folder}/conf/nats-server.conf"],
            done.stderr,
        )
        filled = "".join((folder / f"conf/{f}").read_text() for f in ("nats-server.conf", "nats-cluster.conf"))
        template = "".join((ROOT / f"deploy/{f}").read_text() for f in ("nats-server.conf", "nats-cluster.conf"))
        lines = zip(template.splitlines(), filled.splitlines(), strict=True)
        strange = [(a, b) for a, b in lines if a != b and "{{" not in a]
        check("it is the local cluster's file, filled", not strange, strange[:2])
        modes = {p.stat().st_mode & 0o777 for p in (folder / "conf").iterdir()}
        check("which nobody else may read", modes == {0o600}, modes)
        secret = folder / "secrets/nats-route"
        good = secret.read_text()
        wrong = [
            ({"NATS_SERVER_NAME": ""}, None, "NATS_SERVER_NAME isn't set"),
            ({"NATS_ROUTES": ""}, None, "NATS_ROUTES isn't set"),
            ({"NATS_MAX_FILE_STORE": "10"}, None, "NATS_MAX_FILE_STORE 10: give a number"),
            ({"NATS_SERVER_NAME": 'a" b'}, None, "give letters"),
            ({"NATS_STORE_DIR": "/proc/none"}, None, "the folder of the streams (/proc/none) can't be written to"),
            ({"SECRETS_DIR": f"{folder}/none"}, None, "there is no secret"),
            ({}, "", "must be one line"),
            ({}, "short", "must be one line"),
            ({}, 'longenough-but"quoted', "must be one line"),
            ({}, "two-lines-of-secret\nand-another-one-here", "must be one line"),
        ]
        for change, text, says in wrong:
            secret.write_text(good if text is None else text)
            done = run(start, env={**base, **change})
            check(
                f"nats-start: {says}", done.returncode == 1 and says in done.stderr and done.stdout == "", done.stderr
            )
            check("… and the secret isn't shown", not text or text not in done.stderr, done.stderr)
        secret.write_text(good)
        (folder / "bin/nats-server").write_text("#!/bin/sh\necho no such option; exit 1\n")
        done = run(start, env=base)
        check("what nats-server refuses is told", done.returncode == 1 and "no such option" in done.stderr, done.stderr)


def check_nginx():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run(COMPOSE / "make-secrets", "--dir", folder / "secrets", "chat.test")
        start = ROOT / "deploy/image/nginx-start"
        base = {
            "NGINX_GATEWAYS": "10.0.0.1:8080,10.0.0.2:8080",
            "NGINX_TLS_DIR": f"{folder}/secrets/tls",
            "NGINX_RUN_DIR": f"{folder}/run",
        }
        done = run(start, "check", env=base)
        check("nginx -t", done.returncode == 0, done.stderr)
        text = (folder / "run/nginx.conf").read_text() if (folder / "run/nginx.conf").exists() else ""
        check(
            "both gateways are in it",
            text.count("server 10.0.0.1:8080") == 2 and text.count("server 10.0.0.2:8080") == 2,
        )
        read_timeout = int(re.search(r"location = /v1/ws.*?proxy_read_timeout (\d+)s", text, re.S)[1]) * 1000
        settings = json.loads(run(PARLEYCTL, "--json", "config", "show").stdout)
        silence = sum(int(settings["gateway"][key]["value"]) for key in ("heartbeat_ms", "pong_ms"))
        check(
            "a socket may be silent for longer than a heartbeat", read_timeout > 1.5 * silence, (read_timeout, silence)
        )
        wrong = [
            ({"NGINX_GATEWAYS": ""}, "NGINX_GATEWAYS isn't set"),
            ({"NGINX_GATEWAYS": "gateway-1:8080"}, "NGINX_GATEWAYS gateway-1:8080: give address:port"),
            ({"NGINX_TLS_DIR": f"{folder}/none"}, "there is no"),
            ({"NGINX_RUN_DIR": "/proc/none"}, "can't be written to"),
            ({"NGINX_REQUESTS_PER_S": "many"}, "nginx refuses its configuration"),
        ]
        for change, says in wrong:
            done = run(start, "check", env={**base, **change})
            check(f"nginx-start: {says}", done.returncode == 1 and says in done.stderr, done.stderr)
        (folder / "secrets/tls/tls.key").write_text("no key")
        done = run(start, "check", env=base)
        check(
            "nginx-start: a key that isn't one",
            done.returncode == 1 and "refuses its configuration" in done.stderr,
            done.stderr,
        )


def check_mongo(model):
    """mongo-start with a mongod that only tells what it was given; the real one can't be had here."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run(COMPOSE / "make-secrets", "--dir", folder / "secrets", "chat.test")
        (folder / "bin").mkdir()
        (folder / "bin/mongod").write_text('#!/bin/sh\necho "$@"\n')
        (folder / "bin/mongod").chmod(0o755)
        base = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "SECRETS_DIR": f"{folder}/secrets", "MONGO_TMP": name}
        done = run("bash", COMPOSE / "mongo-start", env=base)
        key = folder / "mongo-key"
        check(
            "mongo-start becomes mongod of the set, with its key",
            f"--replSet rs0 --keyFile {key}" in done.stdout,
            done.stderr,
        )
        check("the key's copy is nobody else's", key.stat().st_mode & 0o777 == 0o400)
        check("run again it works", run("bash", COMPOSE / "mongo-start", env=base).returncode == 0)
        secret = folder / "secrets/mongo-key"
        for text in ("", "short", "with blanks " * 10, "x" * 2000):
            secret.write_text(text)
            done = run("bash", COMPOSE / "mongo-start", env=base)
            check(
                f"mongo-start: a key of {len(text)} bytes is refused",
                done.returncode == 1 and "must be one line" in done.stderr,
            )
        secret.unlink()
        done = run("bash", COMPOSE / "mongo-start", env=base)
        check("mongo-start: no key", done.returncode == 1 and "there is no" in done.stderr, done.stderr)
    url = "mongo-1:27017,mongo-2:27017,mongo-3:27017"
    text = (COMPOSE / "mongo-init.js").read_text()
    names = [n for n in model["services"] if re.fullmatch(r"mongo-\d", n)]
    check("mongo-init.js names the services", url in text and sorted(names) == ["mongo-1", "mongo-2", "mongo-3"])
    check("… as make-secrets does", url in (COMPOSE / "make-secrets").read_text())


def check_dockerfile(model):
    text = (COMPOSE / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.M)
    check(
        "every stage is of one Debian, with its version",
        len({s[0] for s in stages}) == 1 and re.fullmatch(r"debian:12\.\d+-slim", stages[0][0]),
        stages,
    )
    for name, service in model["services"].items():
        if service.get("build"):
            check(f"{name} is built from a stage", service["build"]["target"] in [s[1] for s in stages])
    users = dict(zip([s[1] for s in stages], re.split(r"^FROM .*$", text, flags=re.M)[1:], strict=True))
    for stage in ("parley", "nginx"):
        check(f"stage {stage} ends as somebody", re.search(r"^USER (?!root|0)\S+$", users[stage], re.M))
    check("it builds with the local packages", "need_packages deploy/local/packages.txt" in users["build"])
    check("… and the pinned nats-server", "need_nats_server" in users["build"])
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M):
        for source in line.split()[:-1]:
            check(f"COPY {source}", (ROOT / source).exists())
    ids = re.search(r"--uid (\d+) --gid", users["parley"]), re.search(r"--gid (\d+) parley;", users["parley"])
    check(
        "the user is the one that compose.yaml names",
        all(ids) and f"{ids[0][1]}:{ids[1][1]}" == model["services"]["gateway-1"]["user"],
    )


def check_libraries():
    """The packages of the image have what the programs are linked with, and what they load by name."""
    listed = set(re.sub(r"#.*", "", (COMPOSE / "packages.txt").read_text()).split())
    needed = {"libwebsockets-evlib_uv.so"}  # loaded by libwebsockets, when it is asked for libuv
    for program in ("parleyd", "parleyctl", "parley-bench"):
        needed |= set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", PARLEYCTL.parent / program).stdout))
    check("readelf tells what they need", len(needed) > 8, needed)
    owners = {}
    for library in needed:
        found = run("dpkg", "-S", f"*/{library}").stdout
        owners[library] = {line.split(":")[0] for line in found.splitlines() if not line.split(":")[0].endswith("-dev")}
    missing = {lib: own for lib, own in owners.items() if not own & (listed | {"libc6"})}
    check("each library is of a listed package", not missing, missing)
    useless = listed - {"ca-certificates", "curl"} - {p for own in owners.values() for p in own}
    check("each listed library is used", not useless, useless)


def main():
    done = model_of(COMPOSE / "compose.yaml")
    check("compose-go reads compose.yaml", done.returncode == 0, done.stderr)
    if done.returncode == 0:
        model = json.loads(done.stdout)
        check_services(model)
        check_networks(model)
        check_files(model, (COMPOSE / "compose.yaml").read_text())
        check_settings(model)
        check_reader()
        check_nats_files(model)
        check_nginx()
        check_mongo(model)
        check_dockerfile(model)
        check_libraries()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
