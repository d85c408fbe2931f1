#include "support/nats_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/process.h"

enum { START_TRIES = 400, TRY_MS = 25 };

__attribute__((format(printf, 1, 2), noreturn)) static void give_up(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

static void pause_try(void)
{
    const struct timespec span = { .tv_nsec = TRY_MS * 1000000L };
    (void)nanosleep(&span, NULL);
}

static const char *find_program(void)
{
    static char path[1024];
    const char *given = getenv("PARLEY_NATS_SERVER");
    if (given && *given)
        return given;
    if (access(".cache/bin/nats-server", X_OK) == 0)
        return ".cache/bin/nats-server";
    const char *at = getenv("PATH");
    while (at && *at) {
        size_t len = strcspn(at, ":");
        (void)snprintf(path, sizeof path, "%.*s/nats-server", (int)len, at);
        if (access(path, X_OK) == 0)
            return path;
        at += len + (at[len] == ':');
    }
    give_up("no nats-server: set PARLEY_NATS_SERVER or put one on PATH (tests/run does)");
}

/* Ports are taken by binding to 0; several are held at once so that they differ. */
static int hold_port(int *out_fd)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        give_up("no free port: %s", strerror(errno));
    *out_fd = fd;
    return ntohs(address.sin_port);
}

static bool can_connect(int port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_open = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return is_open;
}

/* GET path of the monitoring port; whether the answer is a 200. */
static bool page_is_good(int port, const char *path, const char *needle)
{
    char text[65536];
    size_t at = 0;
    ssize_t got;
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.0\r\n\r\n", path);
    (void)send(fd, text, (size_t)len, MSG_NOSIGNAL); /* a failure shows as no answer */
    while (at < sizeof text - 1 && (got = recv(fd, text + at, sizeof text - 1 - at, 0)) > 0)
        at += (size_t)got;
    text[at] = 0;
    close(fd);
    return strstr(text, " 200 ") && (!needle || strstr(text, needle));
}

static void write_config(struct nats_server *s)
{
    char path[512];
    scratch_file(&s->folder, "nats.conf", path, sizeof path);
    FILE *out = fopen(path, "we");
    if (!out)
        give_up("%s: %s", path, strerror(errno));
    (void)fprintf(out,
                  "server_name: %s\nlisten: \"127.0.0.1:%d\"\nhttp: \"127.0.0.1:%d\"\n"
                  "jetstream { store_dir: \"%s/js\", sync_interval: always }\n",
                  s->name, s->port, s->monitor_port, s->folder.path);
    if (s->routes[0])
        (void)fprintf(out, "cluster { name: test, listen: \"127.0.0.1:%d\", routes: [%s] }\n",
                      s->cluster_port, s->routes);
    (void)fprintf(out, "%s\n", s->extra);
    if (fclose(out) != 0)
        give_up("%s: %s", path, strerror(errno));
}

static void launch(struct nats_server *s)
{
    const char *program = find_program();
    char config[512], log[512];
    scratch_file(&s->folder, "nats.conf", config, sizeof config);
    scratch_file(&s->folder, "nats.log", log, sizeof log);
    pid_t parent = getpid();
    s->pid = fork();
    if (s->pid < 0)
        give_up("fork: %s", strerror(errno));
    if (s->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves no server behind */
        if (getppid() != parent)
            _exit(1);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (fd >= 0) {
            (void)dup2(fd, 1);
            (void)dup2(fd, 2);
        }
        execl(program, "nats-server", "-c", config, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < START_TRIES; i++) {
        if (can_connect(s->port) && page_is_good(s->monitor_port, "/varz", NULL))
            return;
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            give_up("%s ended at its start; see %s", program, log);
        pause_try();
    }
    give_up("%s doesn't take connections; see %s", program, log);
}

static void prepare(struct nats_server *s, const char *name, const char *extra)
{
    memset(s, 0, sizeof *s);
    scratch_init(&s->folder);
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    (void)snprintf(s->extra, sizeof s->extra, "%s", extra ? extra : "");
    int held[3];
    s->port = hold_port(&held[0]);
    s->monitor_port = hold_port(&held[1]);
    s->cluster_port = hold_port(&held[2]);
    for (int i = 0; i < 3; i++)
        close(held[i]);
    (void)snprintf(s->url, sizeof s->url, "nats://127.0.0.1:%d", s->port);
    (void)snprintf(s->monitor_url, sizeof s->monitor_url, "http://127.0.0.1:%d", s->monitor_port);
}

void nats_server_start(struct nats_server *server, const char *extra)
{
    prepare(server, "test", extra);
    write_config(server);
    launch(server);
}

void nats_server_wait_healthy(const struct nats_server *server)
{
    int tries = START_TRIES * 2;
    while (tries-- > 0 && !page_is_good(server->monitor_port, "/healthz", "\"ok\""))
        pause_try();
    if (tries < 0)
        give_up("the server doesn't get healthy; see %s/nats.log", server->folder.path);
}

void nats_cluster_start(struct nats_server servers[3])
{
    char routes[256];
    for (int i = 0; i < 3; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "test%d", i);
        prepare(&servers[i], name, NULL);
    }
    (void)snprintf(routes, sizeof routes,
                   "\"nats://127.0.0.1:%d\", \"nats://127.0.0.1:%d\", \"nats://127.0.0.1:%d\"",
                   servers[0].cluster_port, servers[1].cluster_port, servers[2].cluster_port);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(servers[i].routes, sizeof servers[i].routes, "%s", routes);
        write_config(&servers[i]);
        launch(&servers[i]);
    }
    for (int i = 0; i < 3; i++)
        nats_server_wait_healthy(&servers[i]);
}

static void end(struct nats_server *s, int signal_number)
{
    if (s->pid <= 0)
        return;
    if (signal_number != SIGKILL) /* which ends a stopped one too, and lets it do nothing more */
        (void)kill(s->pid, SIGCONT);
    (void)kill(s->pid, signal_number);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    s->pid = 0;
}

void nats_server_kill(struct nats_server *server)
{
    end(server, SIGKILL);
}

void nats_server_freeze(struct nats_server *server, bool is_frozen)
{
    process_freeze(server->pid, is_frozen);
}

void nats_server_restart(struct nats_server *server)
{
    launch(server);
}

void nats_server_stop(struct nats_server *server)
{
    if (!server->port)
        return;
    end(server, SIGKILL);
    scratch_fini(&server->folder);
    server->port = 0;
}
