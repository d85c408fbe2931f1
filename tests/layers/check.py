#!/usr/bin/env python3
"""Keeps the shape of the source tree: what docs/ARCHITECTURE.md says of it, as a test.

Each rule is a function that yields complaints; a complaint fails the test, a remark is only shown.
`check.py --self-test` runs every rule on small trees that break it, so that no rule passes by being blind.

    check.py [--root DIR] [--self-test]
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# The arrows: a folder of internal/ may include these folders of internal/ besides itself.
ARROWS = {
    "base": set(),
    "domain": {"base"},
    "ports": {"base", "domain"},
    "app": {"base", "domain", "ports", "wire"},
    "wire": {"base", "domain"},
    "config": {"base"},
}
ADAPTER_ARROWS = {"base", "domain", "ports", "wire", "adapters/uv"}

# A foreign header, by how it is written, and the only folders that may have it.
# A name that ends in .c is that kind of file only: no header leaks it to others.
FOREIGN = [
    (r"libwebsockets|lws_config", ["internal/adapters/lws"]),
    (r"(nats/)?(nats|adapters/libuv|status|version)\.h$|nats/", ["internal/adapters/nats"]),
    (r"uv(/|\.h$)", ["internal/adapters/uv", "internal/adapters/lws", "cmd"]),
    (r"sqlite3(ext)?\.h$", ["internal/adapters/sqlite"]),
    (r"(mongoc?|bson|libmongoc)(/|-|\.h$)", ["internal/adapters/mongo"]),
    (r"jwt\.h$", ["internal/adapters/auth", "internal/adapters/jwt"]),
    (
        r"openssl/",
        [
            "internal/adapters/auth",
            "internal/adapters/jwt",
            "internal/adapters/lws",
            "internal/adapters/tls",
            "cmd/parley-bench",
        ],
    ),
    # wire hashes ids for Nats-Msg-Id (BLAKE2b); a pure function, so it needs no port.
    (r"sodium(/|\.h$)", ["internal/adapters/auth", "internal/adapters/sodium", "internal/wire"]),
    (r"jansson\.h$", ["internal/wire", "internal/adapters", "cmd"]),
    (r"ini\.h$", ["internal/config", "internal/adapters/ini"]),
    (r"cmocka\.h$", ["tests"]),
    (r"curl/", ["internal/adapters/curl"]),
    (r"utf8proc\.h$", ["internal/adapters/utf8proc"]),
]
# Layers below wire may use the C library alone.
# A header of wire that only wire's own .c files include (the rule on arrows keeps it so).
PRIVATE_OF_WIRE = {"json_read.h"}
LIBC_ONLY = {"base", "domain", "ports", "app"}

# The calls that base/banned.h poisons, and the ways around it.
BANNED = re.compile(
    r"\b(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok|ctime|asctime|"
    r"gmtime|localtime|atoi|atol|atoll|atof|system|popen|tmpnam|mktemp|alloca)\s*\("
)
UNPOISON = re.compile(r"^\s*#\s*pragma\s+(push_macro|pop_macro)|GCC\s+diagnostic\s+ignored\s+\"-Wp", re.M)
# Unit tests that run real threads and a real clock on purpose; each says so in its first comment.
ON_REAL_THREADS = {"tests/unit/persister/test_persisters.c"}
SLEEPS = re.compile(r"\b(sleep|usleep|nanosleep)\s*\(")

# Paths of the machine it was written on, and hosts of package registries: neither belongs in the tree.
MACHINE_PATHS = re.compile(r"(?<![\w.{$-])/(work|root|home/[a-z]+|Users/[A-Za-z]+)/[\w.-]+")
REGISTRY_HOSTS = re.compile(
    r"\b(pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|proxy\.golang\.org|sum\.golang\.org|"
    r"repo1?\.maven\.(org|apache\.org)|static\.crates\.io|index\.crates\.io|deb\.debian\.org|"
    r"security\.debian\.org|snapshot\.debian\.org)\b"
)

C_LINES, H_LINES = 500, 200
C_LINES_HARD = 1500


def strip_comments(text):
    """The code without comments and string contents, lines kept, so that prose may name a banned call."""

    def blank(match):
        found = match.group(0)
        if found.startswith(("/*", "//")):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + " " * (len(found) - 2) + found[-1]

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def tracked(root):
    """Every file that git knows or would add; the whole tree where there is no git."""
    try:
        out = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, capture_output=True, check=True
        ).stdout.decode()
        names = [n for n in out.split("\0") if n]
        if names:
            return [root / n for n in names if (root / n).is_file()]
    except (OSError, subprocess.CalledProcessError):
        pass
    made = {".git", ".cache", ".parley", "build", "node_modules", "__pycache__"}
    return [p for p in root.rglob("*") if p.is_file() and not made & set(p.relative_to(root).parts)]


def sources(root, files):
    for path in files:
        if path.suffix in (".c", ".h"):
            yield path.relative_to(root).as_posix(), path


def layer_of(name):
    """internal/app/x.c -> app; internal/adapters/nats/x.c -> adapters/nats; else None."""
    parts = name.split("/")
    if parts[0] != "internal" or len(parts) < 3:
        return None
    if parts[1] == "adapters" and len(parts) > 3:
        return "adapters/" + parts[2]
    return parts[1]


def target_layer(header):
    parts = header.split("/")
    if parts[0] == "adapters" and len(parts) > 2:
        return "adapters/" + parts[1]
    return parts[0] if len(parts) > 1 else None


def rule_arrows(root, files):
    known = set(ARROWS)
    for name, path in sources(root, files):
        layer = layer_of(name)
        if layer is None:
            continue
        text = path.read_text(errors="replace")
        for kind, header in INCLUDE.findall(text):
            if kind != '"':
                continue
            target = target_layer(header)
            if layer != "wire" and header in ("wire/" + private for private in PRIVATE_OF_WIRE):
                yield f"{name}: {header} is private to wire"
                continue
            if header.startswith("../") or "/../" in header:
                yield f"{name}: {header} climbs out of its folder; write it from internal/"
                continue
            if target is None or target == layer:
                continue
            if target not in known and not target.startswith("adapters/"):
                continue
            allowed = ADAPTER_ARROWS if layer.startswith("adapters/") else ARROWS.get(layer)
            if allowed is None:
                yield f"{name}: the folder {layer} has no row in tests/layers/check.py"
            elif target not in allowed:
                yield f"{name}: {layer} may not include {header}"


def rule_foreign(root, files):
    for name, path in sources(root, files):
        text = path.read_text(errors="replace")
        layer = layer_of(name)
        for kind, header in INCLUDE.findall(text):
            if kind != "<":
                continue
            for pattern, homes in FOREIGN:
                if not re.match(pattern, header):
                    continue
                tests_of_home = name.startswith("tests/")
                if layer in LIBC_ONLY:
                    yield f"{name}: {layer} uses the C library alone, not <{header}>"
                elif not tests_of_home and not any(name.startswith(h + "/") for h in homes):
                    yield f"{name}: <{header}> belongs to {', '.join(homes)}"
                elif name.startswith("internal/wire/") and path.suffix == ".h" and path.name not in PRIVATE_OF_WIRE:
                    yield f"{name}: <{header}> stays in the .c files of wire"
                break


def rule_banned(root, files):
    for name, path in sources(root, files):
        if name == "internal/base/banned.h":
            continue
        code = strip_comments(path.read_text(errors="replace"))
        for number, line in enumerate(code.split("\n"), 1):
            for found in BANNED.findall(line):
                yield f"{name}:{number}: {found} is banned"
        if UNPOISON.search(code):
            yield f"{name}: works around banned.h"


def rule_no_sleep(root, files):
    """Nothing blocks the loop, and unit tests have a fake clock."""
    for name, path in sources(root, files):
        if not name.startswith(
            (
                "internal/app/",
                "internal/domain/",
                "internal/wire/",
                "internal/base/",
                "internal/adapters/lws/",
                "internal/adapters/uv/",
                "tests/unit/",
            )
        ):
            continue
        if name in ON_REAL_THREADS:
            continue
        code = strip_comments(path.read_text(errors="replace"))
        for number, line in enumerate(code.split("\n"), 1):
            if SLEEPS.search(line):
                yield f"{name}:{number}: sleeps"


def rule_headers(root, files):
    for name, path in sources(root, files):
        if not (name.startswith("internal/") and path.suffix == ".h"):
            continue
        text = path.read_text(errors="replace")
        if not text.lstrip().startswith("/*"):
            yield f"{name}: does not open with what it is for"
        if not re.search(r"^#ifndef \w+_H\b", text, re.M) and "#pragma once" not in text:
            yield f"{name}: no include guard"


def rule_size(root, files):
    for name, path in sources(root, files):
        lines = path.read_text(errors="replace").count("\n")
        if lines > C_LINES_HARD:
            yield f"{name}: {lines} lines; split it"


def rule_machine(root, files):
    for path in files:
        name = path.relative_to(root).as_posix()
        if name in ("tests/layers/check.py",) or name.endswith((".png", ".gz", ".woff2")):
            continue
        # Lock files name the registry they were resolved from; that is their format.
        if name.endswith(("package-lock.json", "go.sum")):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if MACHINE_PATHS.search(line):
                yield f"{name}:{number}: a path of one machine: {line.strip()[:80]}"
            if REGISTRY_HOSTS.search(line):
                yield f"{name}:{number}: a package registry's host: {line.strip()[:80]}"


def rule_links(root, files):
    """A page that points at a file which isn't there misleads."""
    for path in files:
        if path.suffix != ".md":
            continue
        name = path.relative_to(root).as_posix()
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(errors="replace")):
            if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
                yield f"{name}: links to {target}, which isn't there"


def rule_format(root, files):
    if (root / ".clang-format").exists():
        yield from (line for line in format_drift(root, files) if "differs" in line)


RULES = [
    rule_format,
    rule_links,
    rule_arrows,
    rule_foreign,
    rule_banned,
    rule_no_sleep,
    rule_headers,
    rule_size,
    rule_machine,
]


def remarks(root, files):
    for name, path in sources(root, files):
        lines = path.read_text(errors="replace").count("\n")
        limit = H_LINES if path.suffix == ".h" else C_LINES
        if lines > limit:
            yield f"{name}: {lines} lines (usual limit {limit})"


def format_drift(root, files):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout if tool else ""
    if " version 14." not in version:
        yield "clang-format 14 is not here: drift not looked at"
        return
    names = [str(p) for _, p in sources(root, files)]
    for start in range(0, len(names), 100):
        out = subprocess.run(
            [tool, "--dry-run", *names[start : start + 100]], cwd=root, capture_output=True, text=True
        ).stderr
        for drifted in sorted({line.split(":")[0] for line in out.split("\n") if "warning:" in line}):
            yield f"{pathlib.Path(drifted).resolve().relative_to(root)}: differs from .clang-format"


# What each rule must catch: (rule, file, text) breaks it; the same file with GOOD doesn't.
SELF_TEST = [
    (rule_arrows, "internal/domain/a.c", '#include "ports/event_log.h"\n'),
    (rule_arrows, "internal/app/a.c", '#include "adapters/mem/x.h"\n'),
    (rule_arrows, "internal/app/b.c", '#include "wire/json_read.h"\n'),
    (rule_arrows, "internal/adapters/nats/a.c", '#include "adapters/lws/x.h"\n'),
    (rule_arrows, "internal/base/a.c", '#include "../domain/x.h"\n'),
    (rule_arrows, "internal/newfolder/a.c", '#include "base/rc.h"\n'),
    (rule_foreign, "internal/adapters/lws/a.c", "#include <nats/nats.h>\n"),
    (rule_foreign, "cmd/parleyd/main.c", "#include <libwebsockets.h>\n"),
    (rule_foreign, "internal/app/a.c", "#include <jansson.h>\n"),
    (rule_foreign, "internal/wire/a.h", "/* x */\n#include <jansson.h>\n"),
    (rule_foreign, "internal/config/a.c", "#include <sqlite3.h>\n"),
    (rule_banned, "internal/base/a.c", 'int f(void) { return atoi("1"); }\n'),
    (rule_banned, "cmd/x/a.c", "void f(void) { system(cmd); }\n"),
    (rule_no_sleep, "internal/app/a.c", "void f(void) { usleep(5); }\n"),
    (rule_headers, "internal/base/a.h", "#ifndef BASE_A_H\n#endif\n"),
    (rule_headers, "internal/base/a.h", "/* a.h - x */\nint x;\n"),
    (rule_size, "internal/base/a.c", "\n" * (C_LINES_HARD + 1)),
    (rule_links, "docs/a.md", "[b](b.md#top)\n"),
    (rule_machine, "docs/a.md", "see /wo" + "rk/main/x\n"),
    (rule_machine, "deploy/a", "curl https://py" + "pi.org/simple\n"),
]
GOOD = {
    "internal/app/a.c": '#include "ports/event_log.h"\n#include <string.h>\n/* atoi() is banned */\n',
    "internal/adapters/nats/a.c": '#include "wire/x.h"\n#include "adapters/uv/x.h"\n#include <nats/nats.h>\n',
    "internal/base/a.h": "/* a.h - x */\n#ifndef BASE_A_H\n#define BASE_A_H\n#endif\n",
    "internal/wire/a.c": '#include <jansson.h>\n#include "domain/x.h"\n',
    "cmd/x/main.c": '#include "adapters/nats/x.h"\nvoid f(void) { log("system(x)"); }\n',
    "docs/a.md": "[itself](a.md#x) [elsewhere](https://example.org/x.md) state lives in $PARLEY_HOME/nats, unpacked in /usr/share\n",
}


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder).resolve()

        def put(name, text):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return path

        for rule, name, text in SELF_TEST:
            path = put(name, text)
            if not list(rule(root, [path])):
                failures.append(f"{rule.__name__} is blind to {name}: {text[:60]!r}")
            path.unlink()
        for name, text in GOOD.items():
            path = put(name, text)
            for rule in RULES:
                failures += [f"{rule.__name__} refuses what is right: {c}" for c in rule(root, [path])]
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2], type=pathlib.Path)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    root = options.root.resolve()

    passed = failed = 0
    blind = self_test()
    for line in blind:
        print(f"FAIL self-test: {line}")
    passed, failed = (0, 1) if blind else (1, 0)
    if not options.self_test:
        files = tracked(root)
        for rule in RULES:
            complaints = list(rule(root, files))
            for line in complaints:
                print(f"FAIL {rule.__name__[5:]}: {line}")
            passed, failed = (passed, failed + 1) if complaints else (passed + 1, failed)
        for line in remarks(root, files):
            print(f"note: {line}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
