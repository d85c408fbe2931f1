# shellcheck shell=bash
# fill.sh - fills the templates of this folder: nats-server.conf, nats-cluster.conf, nginx.conf. Sourced by
# deploy/local/lib.sh and by the scripts of the container image, so that both make the same files.

# fill_conf TEMPLATE OUT KEY=VALUE...: writes OUT, mode 600, with {{key}} replaced. A placeholder without a
# value is an error, and then nothing is written. Values reach awk by the environment, so that no password is
# in an argument list.
fill_conf()
{
    local template=$1 out=$2 pair
    shift 2
    (
        umask 077
        for pair in "$@"; do
            export "FILL_${pair%%=*}=${pair#*=}"
        done
        awk -v name="${template##*/}" '{
            done = ""
            while (match($0, /\{\{[a-z_]+\}\}/)) {
                key = substr($0, RSTART + 2, RLENGTH - 4)
                if (!(("FILL_" key) in ENVIRON)) {
                    print name ": nothing to fill {{" key "}} with" >"/dev/stderr"
                    exit 1
                }
                done = done substr($0, 1, RSTART - 1) ENVIRON["FILL_" key]
                $0 = substr($0, RSTART + RLENGTH)
            }
            print done $0
        }' "$template" >"$out.new"
    ) && mv "$out.new" "$out" && return 0
    rm -f "$out.new"
    return 1
}
