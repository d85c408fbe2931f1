#include "support/mongo_server.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CHARS = 512 };

static const char postgres_bin[] = "/usr/lib/postgresql/15/bin";
static const char ferretdb[] = ".cache/bin/ferretdb";
static const char java_path[] = ".cache/mongo-java/*";
static const char java_source[] = "tests/support/mongo_java/Server.java";

static void path_of(const struct mongo_server *s, const char *name, char out[PATH_CHARS])
{
    scratch_file(&s->folder, name, out, PATH_CHARS);
}

static void need(const char *path, const char *what)
{
    if (access(path, R_OK) != 0)
        process_give_up("%s isn't there: tests/run installs %s", path, what);
}

/* PostgreSQL refuses to run as root, so that its folder belongs to the user of the package. */
static void make_postgres_folder(const struct mongo_server *s, char data[PATH_CHARS])
{
    const struct passwd *user = getpwnam("postgres");
    path_of(s, "postgres", data);
    if (mkdir(data, 0700) != 0 || chmod(s->folder.path, 0711) != 0)
        process_give_up("%s can't be made", data);
    if (getuid() == 0 && (!user || chown(data, user->pw_uid, user->pw_gid) != 0))
        process_give_up("there is no user postgres: tests/run installs the package");
}

static void start_postgres(struct mongo_server *s)
{
    char data[PATH_CHARS], log[PATH_CHARS], initdb[64], postgres[64], port[16];
    make_postgres_folder(s, data);
    path_of(s, "postgres.log", log);
    (void)snprintf(initdb, sizeof initdb, "%s/initdb", postgres_bin);
    (void)snprintf(postgres, sizeof postgres, "%s/postgres", postgres_bin);
    (void)snprintf(port, sizeof port, "%d", s->postgres_port);
    need(postgres, "PostgreSQL 15");
    const char *const init[] = { initdb,     "-D", data,   "-A",         "trust",     "-U",
                                 "postgres", "-E", "UTF8", "--locale=C", "--no-sync", NULL };
    const struct process_options making = { init, log, "postgres", SIGKILL };
    process_run(&making);
    /* fsync=off: the machine's own crash is no part of any test here. */
    const char *const run[] = { postgres,
                                "-D",
                                data,
                                "-p",
                                port,
                                "-h",
                                "127.0.0.1",
                                "-k",
                                data,
                                "-c",
                                "fsync=off",
                                "-c",
                                "log_min_messages=fatal",
                                "-c",
                                "max_connections=420",
                                NULL };
    const struct process_options running = { run, log, "postgres", SIGQUIT };
    s->postgres_pid = process_start(&running);
    process_wait_port(s->postgres_pid, s->postgres_port, log);
}

static void launch_ferretdb(struct mongo_server *s)
{
    char address[32], url[128], log[PATH_CHARS];
    need(ferretdb, "FerretDB");
    path_of(s, "ferretdb.log", log);
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", s->port);
    (void)snprintf(url, sizeof url, "postgres://postgres@127.0.0.1:%d/postgres?pool_max_conns=400",
                   s->postgres_port);
    const char *const argv[] = { ferretdb, address, url, NULL };
    const struct process_options options = { argv, log, NULL, SIGKILL };
    s->pid = process_start(&options);
    process_wait_port(s->pid, s->port, log);
}

static void launch_java(struct mongo_server *s)
{
    char port[16], log[PATH_CHARS];
    need(".cache/mongo-java/SHA256SUMS", "mongo-java-server");
    path_of(s, "java.log", log);
    (void)snprintf(port, sizeof port, "%d", s->port);
    const char *const argv[] = { "java", "-Xmx512m", "-cp", java_path, java_source, port, NULL };
    const struct process_options options = { argv, log, NULL, SIGKILL };
    s->pid = process_start(&options);
    process_wait_port(s->pid, s->port, log);
}

void mongo_server_start(struct mongo_server *s, enum mongo_kind kind)
{
    memset(s, 0, sizeof *s);
    s->kind = kind;
    if (kind == MONGO_GIVEN) {
        if (!getenv("MONGODB_URI"))
            process_give_up("MONGODB_URI isn't set");
        return;
    }
    scratch_init(&s->folder);
    s->port = process_free_port();
    if (kind == MONGO_FERRETDB) {
        s->postgres_port = process_free_port();
        start_postgres(s);
    }
    mongo_server_restart(s);
}

void mongo_server_restart(struct mongo_server *s)
{
    if (s->kind == MONGO_FERRETDB)
        launch_ferretdb(s);
    if (s->kind == MONGO_JAVA)
        launch_java(s);
}

/* MONGODB_URI with another database: what stands between the host and the options goes. */
static void given_url(const char *database, const char *more, char *out, size_t room)
{
    const char *uri = getenv("MONGODB_URI");
    const char *host = uri ? strstr(uri, "://") : NULL;
    if (!host)
        process_give_up("MONGODB_URI is no URI");
    size_t front = (size_t)(host - uri) + 3 + strcspn(host + 3, "/?");
    const char *options = strchr(uri + front, '?');
    (void)snprintf(out, room, "%.*s/%s%s%s%s", (int)front, uri, database, options ? options : "",
                   more ? (options ? "&" : "?") : "", more ? more : "");
}

void mongo_server_url(const struct mongo_server *s, const char *database, int port,
                      const char *more, char *out, size_t room)
{
    if (s->kind == MONGO_GIVEN) {
        given_url(database, more, out, room);
        return;
    }
    (void)snprintf(out, room, "mongodb://127.0.0.1:%d/%s%s%s", port ? port : s->port, database,
                   more ? "?" : "", more ? more : "");
}

void mongo_server_kill(struct mongo_server *s)
{
    process_end(&s->pid, SIGKILL);
}

void mongo_server_freeze(struct mongo_server *s, bool is_frozen)
{
    process_freeze(s->pid, is_frozen);
}

void mongo_server_stop(struct mongo_server *s)
{
    if (!s->port)
        return;
    process_end(&s->pid, SIGKILL);
    process_end(&s->postgres_pid, SIGQUIT); /* at once, but its shared memory is given back */
    scratch_fini(&s->folder);
    s->port = 0;
}
