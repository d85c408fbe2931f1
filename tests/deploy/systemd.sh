#!/usr/bin/env bash
# The units of deploy/systemd: read by systemd-analyze, where it is; what they let a process do; and the line that
# makes a role of an instance's name, run by the shell that it is for.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
command -v systemd-analyze >/dev/null || {
    echo "systemd-analyze isn't here: the units were not read"
    exit 77
}

passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check()
{
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        cat "$work/out"
    fi
}
silent()
{
    if "$@" >"$work/said" 2>&1 && [ ! -s "$work/said" ]; then
        return 0
    fi
    cat "$work/said"
    return 1
}
exposure() { [ "$(systemd-analyze security --offline=true --no-pager "$1" | sed -n 's/.*level for .*: \([0-9]*\)\..*/\1/p')" -le 1 ]; }

for unit in parleyd@.service nats-server.service; do
    # The programs that it names needn't be on this machine.
    sed 's#/usr/local/bin/[a-z-]*#/bin/true#' "deploy/systemd/$unit" >"$work/$unit"
    check "$unit is understood" silent systemd-analyze verify "$work/$unit"
    check "$unit is shut in" exposure "$work/$unit"
done
sed 's/^ProtectSystem=.*/ProtectSytem=strict/' "$work/nats-server.service" >"$work/spoilt.service"
is_noticed() { ! silent systemd-analyze verify "$1"; }
check "a key that isn't one would be seen" is_noticed "$work/spoilt.service"

# role INSTANCE: what ExecStart makes of it, with systemd's %i, %% and $$ replaced as systemd does.
role()
{
    local line
    line=$(sed -n "s/^ExecStart=\/bin\/sh -c '\(.*\)'$/\1/p" deploy/systemd/parleyd@.service)
    line=${line//%i/$1}
    line=${line//%%/%}
    line=${line//\$\$/\$}
    /bin/sh -c "${line/exec \/usr\/local\/bin\/parleyd/echo}"
}
check "gateway-1 is a gateway" [ "$(role gateway-1)" = "--config /etc/parley/parley.ini --role gateway" ]
check "persister-12 is a persister" [ "$(role persister-12)" = "--config /etc/parley/parley.ini --role persister" ]

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
