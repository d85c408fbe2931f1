/* idle_and_broadcast.c - what the socket adapter alone costs: bytes for an idle WebSocket, and
 * deliveries per second of the server's CPU.
 *
 * usage: bench-links [LINKS [ROUNDS [BYTES]]]    defaults: 10000 20 300
 *
 * A child process serves with adapters/lws and the smallest app; this process opens the links,
 * sits, and then reads what is broadcast: ROUNDS frames of BYTES to every link, one round at a
 * time, each frame encoded once and shared. Memory is the child's resident set before and after;
 * CPU is the child's own, user and system, measured around the rounds. Needs LINKS + 50 open files
 * a process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/lws/ws_server.h"
#include "adapters/uv/loop.h"

/* ---- the serving child ---- */

struct app {
    struct loop *loop;
    struct ws_server *server;
    struct link_id *links;
    size_t link_count, links_max;
    struct task round;
    struct timer poll;
    struct frame *frame;
    unsigned rounds_left;
    size_t at;
    uint64_t blocked;
    int orders, reports;
    double cpu_at_start;
};

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        abort();
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void report(struct app *app, double value)
{
    if (write(app->reports, &value, sizeof value) != sizeof value)
        exit(1);
}

static void on_upgrade(void *arg, struct link_id link, const struct upgrade_request *request,
                       struct upgrade_decision *out_decision)
{
    (void)arg, (void)link, (void)request, (void)out_decision;
}

static void on_open(void *arg, struct link_id link, void *user)
{
    struct app *app = arg;
    (void)user;
    if (app->link_count < app->links_max)
        app->links[app->link_count++] = link;
    if (app->link_count == app->links_max)
        report(app, cpu_seconds());
}

static void on_message(void *arg, struct link_id link, void *user, struct bytes text)
{
    (void)arg, (void)link, (void)user, (void)text;
}

static void on_gone(void *arg, struct link_id link, void *user)
{
    (void)arg, (void)link, (void)user;
}

enum { SENDS_A_TURN = 512 };

/* One slice of a round. A link that is full is passed over: its reader is behind, and counted. */
static void on_round(struct task *task)
{
    struct app *app = CONTAINER_OF(task, struct app, round);
    for (int i = 0; i < SENDS_A_TURN && app->at < app->link_count; i++) {
        if (link_send(ws_server_links(app->server), app->links[app->at++], app->frame) != RC_OK)
            app->blocked++;
    }
    if (app->at == app->link_count) {
        app->at = 0;
        app->rounds_left--;
    }
    if (app->rounds_left > 0) {
        task_post(loop_timers(app->loop), &app->round);
        return;
    }
    report(app, cpu_seconds() - app->cpu_at_start);
    report(app, (double)app->blocked);
}

static void on_poll(struct timer *timer)
{
    struct app *app = CONTAINER_OF(timer, struct app, poll);
    unsigned order[2];
    ssize_t got = recv(app->orders, order, sizeof order, MSG_DONTWAIT);
    if (got == 0)
        exit(0); /* the parent is gone */
    if (got != sizeof order)
        return;
    if (order[0] == 0) {
        report(app, resident_bytes());
        return;
    }
    frame_unref(app->frame);
    app->frame = frame_create(order[1]);
    if (!app->frame)
        abort();
    memset(app->frame->data, 'x', order[1]);
    app->rounds_left = order[0];
    app->cpu_at_start = cpu_seconds();
    task_post(loop_timers(app->loop), &app->round);
}

static int serve(size_t links_max, int orders)
{
    struct app app = { .links_max = links_max, .orders = orders, .reports = orders };
    struct client_sink sink = { &app, on_upgrade, on_open, on_message, on_gone, on_gone };
    struct ws_server_options options = { .clients = &sink };
    struct fault fault = { 0 };
    app.links = calloc(links_max, sizeof *app.links);
    memset(app.links, 1, links_max * sizeof *app.links); /* resident before anything is measured */
    app.loop = loop_create();
    app.round.run = on_round;
    app.poll.run = on_poll;
    if (!app.loop || ws_server_create(app.loop, &options, &app.server, &fault) != RC_OK) {
        fprintf(stderr, "bench-links: %s %s\n", fault.field, fault.text);
        return 1;
    }
    timer_start(loop_timers(app.loop), &app.poll, 5, 5);
    report(&app, ws_server_port(app.server));
    loop_run(app.loop);
    return 0;
}

/* ---- the measuring parent ---- */

static double await_report(int channel)
{
    double value;
    if (recv(channel, &value, sizeof value, MSG_WAITALL) != sizeof value) {
        fprintf(stderr, "bench-links: the server ended\n");
        exit(1);
    }
    return value;
}

static double ask(int channel, unsigned rounds, unsigned bytes)
{
    unsigned order[2] = { rounds, bytes };
    if (write(channel, order, sizeof order) != sizeof order)
        exit(1);
    return rounds ? 0 : await_report(channel);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const char handshake[] = "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static int open_link(uint16_t port, size_t number)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in from = { .sin_family = AF_INET };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(number / 5000));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        write(fd, handshake, sizeof handshake - 1) != sizeof handshake - 1) {
        fprintf(stderr, "bench-links: link %zu: %s\n", number, strerror(errno));
        exit(1);
    }
    return fd;
}

/* Reads until so many bytes came from all links together. */
static void drain(int epoll, double bytes)
{
    static uint8_t buffer[65536];
    struct epoll_event events[512];
    while (bytes > 0) {
        int count = epoll_wait(epoll, events, COUNT_OF(events), 10000);
        if (count <= 0) {
            fprintf(stderr, "bench-links: %.0f bytes did not come\n", bytes);
            exit(1);
        }
        for (int i = 0; i < count; i++) {
            ssize_t got = read(events[i].data.fd, buffer, sizeof buffer);
            if (got <= 0)
                exit(1);
            bytes -= (double)got;
        }
    }
}

static unsigned argument(int argc, char **argv, int index, unsigned otherwise)
{
    return argc > index ? (unsigned)strtoul(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    unsigned links = argument(argc, argv, 1, 10000), rounds = argument(argc, argv, 2, 20),
             bytes = argument(argc, argv, 3, 300);
    struct rlimit files;
    int channel[2];
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (links == 0 || bytes == 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, channel) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        close(channel[0]);
        return serve(links, channel[1]);
    }
    close(channel[1]);

    uint16_t port = (uint16_t)await_report(channel[0]);
    double before = ask(channel[0], 0, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    double start = seconds();
    for (size_t i = 0; i < links; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.fd = open_link(port, i) };
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
    }
    double cpu = await_report(channel[0]);
    double took = seconds() - start;
    drain(epoll, (double)links * 129); /* the upgrade's answer, the same for all */
    sleep(1);
    double after = ask(channel[0], 0, 0);
    printf("links %u: %.0f bytes each; opened in %.2f s, %.0f a CPU-second\n", links,
           (after - before) / links, took, links / cpu);

    start = seconds();
    ask(channel[0], rounds, bytes);
    drain(epoll, (double)links * rounds * (bytes + (bytes < 126 ? 2 : bytes < 65536 ? 4 : 10)));
    took = seconds() - start;
    cpu = await_report(channel[0]);
    double blocked = await_report(channel[0]);
    printf(
        "deliveries %.0f of %u bytes: %.0f a CPU-second, %.0f a second, %.0f found a full link\n",
        (double)links * rounds, bytes, links * rounds / cpu, links * rounds / took, blocked);
    after = ask(channel[0], 0, 0);
    printf("after it: %.0f bytes each\n", (after - before) / links);
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
