# shellcheck shell=bash
# compose.sh - compose-model, the reader of deploy/compose/compose.yaml, built once into .cache; and nginx without its
# service. Sourced after deploy/local/lib.sh.

# need_compose_model: .cache/bin/compose-model.
need_compose_model() { need_go_program compose-model "${root:?}/tests/support/compose" "once, seconds"; }

# without_services COMMAND...: packages that are installed meanwhile don't start their services: the tests want the
# program nginx, not a web server on port 80.
without_services()
{
    local policy=/usr/sbin/policy-rc.d rc=0 is_ours=''
    if [ "$(id -u)" = 0 ] && [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && is_ours=1
    fi
    "$@" || rc=$?
    [ -z "$is_ours" ] || rm -f $policy
    return $rc
}
