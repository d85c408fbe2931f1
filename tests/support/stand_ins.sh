# shellcheck shell=bash
# stand_ins.sh - MongoDB's stand-ins for the tests: FerretDB and mongo-java-server, built or fetched once
# into .cache. Sourced after deploy/local/lib.sh. PostgreSQL comes with tests/packages.txt.

ferretdb_sources=${root:?}/tests/support/ferretdb
mongo_java_sources=${root:?}/tests/support/mongo_java

# Before the package postgresql-15 comes: without it nothing makes and starts a database cluster that
# nobody asked for. The tests make their own.
no_postgres_cluster()
{
    local file=/etc/postgresql-common/createcluster.conf
    if [ -e "$file" ] || [ "$(id -u)" != 0 ]; then
        return 0
    fi
    mkdir -p "${file%/*}" && echo "create_main_cluster = false" >"$file"
}

# need_ferretdb: .cache/bin/ferretdb.
need_ferretdb() { need_go_program ferretdb "$ferretdb_sources" "once, a minute"; }

# need_mongo_java: the jars in .cache/mongo-java, each with the hash that SHA256SUMS has.
need_mongo_java()
{
    local jars=${cache:?}/mongo-java
    if cmp -s "$mongo_java_sources/SHA256SUMS" "$jars/SHA256SUMS"; then
        return 0
    fi
    say "fetching mongo-java-server (pinned by hash)"
    rm -rf "$jars"
    mkdir -p "$jars"
    if ! { mvn -q -B -f "$mongo_java_sources/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$jars" && (cd "$jars" && sha256sum --quiet -c "$mongo_java_sources/SHA256SUMS") &&
        [ "$(find "$jars" -name '*.jar' | wc -l)" = "$(wc -l <"$mongo_java_sources/SHA256SUMS")" ]; } \
        >"$cache/mongo-java.log" 2>&1 </dev/null; then
        tail -n 5 "$cache/mongo-java.log" >&2
        die "mongo-java-server could not be had as pinned; see $cache/mongo-java.log"
    fi
    cp "$mongo_java_sources/SHA256SUMS" "$jars/"
}

need_mongo_stand_ins()
{
    need_ferretdb
    need_mongo_java
}
