# shellcheck shell=bash
# go_program.sh - programs that the tests need and no package has. Sourced after deploy/local/lib.sh.

# need_go_program NAME SOURCES HOW_LONG: .cache/bin/NAME, built once of a folder with main.go, from the module versions
# that its go.sum pins; again when a file there is newer.
need_go_program()
{
    local name=$1 sources=$2 how_long=$3 program=${cache:?}/bin/$1 newest
    newest=$(find "$sources" -type f -newer "$program" 2>/dev/null | head -n 1)
    [ -x "$program" ] && [ -z "$newest" ] && return 0
    need_go || die "no Go toolchain to build $name with"
    say "building $name ($how_long)"
    mkdir -p "$cache/bin"
    if ! (cd "$sources" && "${go:?}" build -mod=readonly -trimpath -ldflags '-s -w' -o "$program" .) \
        >"$cache/$name.log" 2>&1; then
        tail -n 5 "$cache/$name.log" >&2
        die "$name could not be built; see $cache/$name.log"
    fi
}
