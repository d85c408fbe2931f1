# shellcheck shell=bash
# lib.sh - what the scripts of the image share. Sourced, never run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# In the image the templates lie in share/parley; in a checkout one folder up.
templates=${TEMPLATES_DIR:-$here}
[ -f "$templates/fill.sh" ] || templates=$(dirname "$here")
# shellcheck source=deploy/fill.sh
. "$templates/fill.sh"
secrets=${SECRETS_DIR:-/run/secrets}

die()
{
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# secret NAME: the one line that the file holds. What is in nats-server's files and in URLs must be plain.
secret()
{
    local value
    [ -e "$secrets/$1" ] || die "there is no secret $secrets/$1; deploy/compose/make-secrets makes it"
    [ -r "$secrets/$1" ] || die "the secret $secrets/$1 can't be read by uid $(id -u)"
    value=$(cat "$secrets/$1")
    [[ $value =~ ^[A-Za-z0-9_-]{16,}$ ]] ||
        die "the secret $secrets/$1 must be one line of 16 or more of A-Z a-z 0-9 _ -"
    printf %s "$value"
}

# need NAME: the value of a variable that must be set.
need()
{
    [ -n "${!1:-}" ] || die "$1 isn't set"
    printf %s "${!1}"
}

# writable DIR WHAT: makes the folder and tries it.
writable()
{
    if ! { mkdir -p "$1" && [ -w "$1" ]; } 2>/dev/null; then
        die "$2 ($1) can't be written to by uid $(id -u)"
    fi
}
