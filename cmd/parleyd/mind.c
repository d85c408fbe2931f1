#include "mind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/sys/service.h"
#include "base/clock.h"
#include "mind_child.h"

enum {
    NATS_WAIT_MS = 5000,
    NATS_ASK_MS = 50,
    ROLES_STOP_MS = 25000,
    NATS_STOP_MS = 10000,
    TICK_MS = 1000,
    STAGGER_MS = 100, /* between the first starts of two: the store's file is made by one of them */
};

enum mind_state { MIND_STARTING, MIND_RUNNING, MIND_STOPPING_ROLES, MIND_STOPPING_NATS };

struct mind {
    const struct config *config;
    struct mind_plan plan;
    struct mind_child children[MIND_CHILDREN_MAX];
    enum mind_state state;
    int64_t deadline_ms; /* of the state; in RUNNING none */
    bool is_told_ready;
    int signals;
    int lock;
    int64_t watchdog_ms;
    int64_t next_watchdog_ms;
};

static int64_t now(void)
{
    return clock_monotonic_ms(clock_system());
}

static bool make_folder(const char *home, const char *name)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", home, name) >= sizeof path)
        return false;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(path, 0755); /* the last mkdir tells */
        *slash = '/';
    }
    return mkdir(path, 0750) == 0 || errno == EEXIST;
}

/* Whether the locked file is still the one at path: its last holder may have removed it. */
static bool is_still_there(int fd, const char *path)
{
    struct stat held;
    struct stat named;

    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

static bool refuse_second(int fd, const char *home)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
        (void)fprintf(stderr, "parleyd: %s is minded by process %ld already\n", home,
                      (long)lock.l_pid);
    else
        (void)fprintf(stderr, "parleyd: %s/run/minder.pid can't be locked\n", home);
    (void)close(fd);
    return false;
}

/* The lock is the kernel's, so it is gone with its holder however that ends; the number in the file
 * is for people and scripts. */
static bool take_lock(struct mind *mind)
{
    const char *home = mind->config->server.home;
    char path[PATH_MAX];
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = -1;

    (void)snprintf(path, sizeof path, "%s/run/minder.pid", home);
    do {
        if (fd >= 0)
            (void)close(fd);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            (void)fprintf(stderr, "parleyd: %s: %s\n", path, strerror(errno));
            return false;
        }
        if (fcntl(fd, F_SETLK, &lock) != 0)
            return refuse_second(fd, home);
    } while (!is_still_there(fd, path));
    if (ftruncate(fd, 0) != 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
        log_warn("mind.pid_file", LOG_STR("error", strerror(errno)));
    mind->lock = fd;
    return true;
}

/* The address of one of nats.url's servers, if it is a numeric one; localhost is taken for
 * 127.0.0.1. */
static bool nats_address(struct bytes url, struct sockaddr_in *out)
{
    char whole[300], text[64];
    const char *host, *at, *colon;
    size_t len;
    uint64_t port = 4222;

    (void)snprintf(whole, sizeof whole, "%.*s", BYTES_ARG(url));
    host = strstr(whole, "://");
    host = host ? host + 3 : whole;
    at = strrchr(host, '@');
    host = at ? at + 1 : host;
    len = strcspn(host, "/");
    colon = memchr(host, ':', len);
    if (colon &&
        !bytes_to_u64(bytes_make(colon + 1, len - (size_t)(colon + 1 - host)), UINT16_MAX, &port))
        return false;
    (void)snprintf(text, sizeof text, "%.*s", (int)(colon ? colon - host : (ptrdiff_t)len), host);
    *out = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    return inet_pton(AF_INET, strcmp(text, "localhost") == 0 ? "127.0.0.1" : text,
                     &out->sin_addr) == 1;
}

/* Whether a server takes connections there; true as well where that can't be asked. */
static bool one_answers(struct bytes url)
{
    struct sockaddr_in address;
    int fd;
    bool answers;

    if (!nats_address(url, &address))
        return true;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    answers = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (!answers && errno == EINPROGRESS) {
        struct pollfd ready = { .fd = fd, .events = POLLOUT };
        int error = 0;
        socklen_t size = sizeof error;
        answers = poll(&ready, 1, NATS_ASK_MS) == 1 &&
                  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
    }
    (void)close(fd);
    return answers;
}

/* Whether all nats-servers take connections. */
static bool nats_answers(const struct mind *mind)
{
    const char *url = mind->config->nats.url;

    while (*url) {
        size_t len = strcspn(url, ", ");
        if (len > 0 && !one_answers(bytes_make(url, len)))
            return false;
        url += len + (url[len] != 0);
    }
    return true;
}

static void start_due(struct mind *mind, int64_t now_ms)
{
    for (size_t i = 0; i < mind->plan.count; i++) {
        struct mind_child *child = &mind->children[i];
        bool is_held = mind->state == MIND_STARTING && !child->entry->is_nats;
        if (child->pid || is_held || now_ms < child->start_at_ms || mind->state > MIND_RUNNING)
            continue;
        if (mind_child_start(child, now_ms) != RC_OK) {
            child->start_at_ms = now_ms + TICK_MS;
            log_error("mind.start_failed", LOG_STR("child", child->entry->name),
                      LOG_STR("error", strerror(errno)));
        }
    }
}

/* One after the other, not all at once. */
static void stagger(struct mind *mind, bool is_nats, int64_t now_ms)
{
    int64_t at_ms = now_ms;

    for (size_t i = 0; i < mind->plan.count; i++)
        if (mind->children[i].entry->is_nats == is_nats && !mind->children[i].pid) {
            mind->children[i].start_at_ms = at_ms;
            at_ms += STAGGER_MS;
        }
}

/* With the nats-servers up first, roles do not begin their life by waiting for them. */
static void leave_starting(struct mind *mind, int64_t now_ms)
{
    if (mind->state != MIND_STARTING)
        return;
    if (mind->plan.nats_count > 0 && now_ms < mind->deadline_ms && !nats_answers(mind))
        return;
    mind->state = MIND_RUNNING;
    stagger(mind, false, now_ms);
    start_due(mind, now_ms);
}

/* Ready: every child has been started. */
static void tell_ready(struct mind *mind)
{
    if (mind->is_told_ready || mind->state != MIND_RUNNING)
        return;
    for (size_t i = 0; i < mind->plan.count; i++)
        if (!mind->children[i].started_ms)
            return;
    mind->is_told_ready = true;
    service_notify("READY=1");
}

static size_t count_running(const struct mind *mind, bool is_nats)
{
    size_t count = 0;

    for (size_t i = 0; i < mind->plan.count; i++)
        count += mind->children[i].pid && mind->children[i].entry->is_nats == is_nats;
    return count;
}

static void signal_all(const struct mind *mind, bool is_nats, int signal)
{
    for (size_t i = 0; i < mind->plan.count; i++)
        if (mind->children[i].entry->is_nats == is_nats)
            mind_child_signal(&mind->children[i], signal);
}

static void begin_stop(struct mind *mind, int64_t now_ms)
{
    if (mind->state > MIND_RUNNING)
        return;
    log_info("mind.stopping");
    service_notify("STOPPING=1");
    mind->state = MIND_STOPPING_ROLES;
    mind->deadline_ms = now_ms + ROLES_STOP_MS;
    signal_all(mind, false, SIGTERM);
}

/* Roles first, so that they can flush; then nats-server. Returns whether all is done. */
static bool go_on_stopping(struct mind *mind, int64_t now_ms)
{
    bool is_late = now_ms >= mind->deadline_ms;

    if (mind->state == MIND_STOPPING_ROLES && count_running(mind, false) == 0) {
        mind->state = MIND_STOPPING_NATS;
        mind->deadline_ms = now_ms + NATS_STOP_MS;
        signal_all(mind, true, SIGTERM);
    } else if (mind->state == MIND_STOPPING_ROLES && is_late) {
        log_warn("mind.killing", LOG_UINT("roles", count_running(mind, false)));
        signal_all(mind, false, SIGKILL);
    } else if (mind->state == MIND_STOPPING_NATS && is_late) {
        signal_all(mind, true, SIGKILL);
    }
    return mind->state == MIND_STOPPING_NATS && count_running(mind, true) == 0;
}

static void take_signals(struct mind *mind, int64_t now_ms)
{
    int signal;

    while ((signal = service_signals_next(mind->signals)) != 0) {
        if (signal == SIGTERM || signal == SIGINT)
            begin_stop(mind, now_ms);
        if (signal == SIGHUP) {
            signal_all(mind, false, SIGHUP);
            signal_all(mind, true, SIGHUP);
        }
    }
}

static int64_t wait_ms(const struct mind *mind, int64_t now_ms)
{
    int64_t wait = mind->state == MIND_STARTING ? NATS_ASK_MS : TICK_MS;

    for (size_t i = 0; i < mind->plan.count; i++) {
        int64_t until = mind->children[i].start_at_ms - now_ms;
        if (!mind->children[i].pid && mind->state == MIND_RUNNING && until < wait)
            wait = until < 0 ? 0 : until;
    }
    return wait;
}

static void wait_for_something(const struct mind *mind, int64_t wait)
{
    struct pollfd ready[MIND_CHILDREN_MAX + 1];
    nfds_t count = 0;

    ready[count++] = (struct pollfd){ .fd = mind->signals, .events = POLLIN };
    for (size_t i = 0; i < mind->plan.count; i++)
        ready[count++] = (struct pollfd){ .fd = mind->children[i].output, .events = POLLIN };
    (void)poll(ready, count, (int)wait); /* what is ready is found by asking each */
}

static void feed_watchdog(struct mind *mind, int64_t now_ms)
{
    if (!mind->watchdog_ms || now_ms < mind->next_watchdog_ms)
        return;
    service_notify("WATCHDOG=1");
    mind->next_watchdog_ms = now_ms + mind->watchdog_ms;
}

static void run(struct mind *mind)
{
    mind->state = MIND_STARTING;
    mind->deadline_ms = now() + NATS_WAIT_MS;
    stagger(mind, true, now());
    do {
        int64_t now_ms = now();
        take_signals(mind, now_ms);
        for (size_t i = 0; i < mind->plan.count; i++) {
            mind_child_drain(&mind->children[i]);
            (void)mind_child_reap(&mind->children[i], now_ms);
        }
        start_due(mind, now_ms);
        leave_starting(mind, now_ms);
        tell_ready(mind);
        feed_watchdog(mind, now_ms);
        if (mind->state > MIND_RUNNING && go_on_stopping(mind, now_ms))
            return;
        wait_for_something(mind, wait_ms(mind, now_ms));
    } while (true);
}

static bool start_children(struct mind *mind)
{
    enum mind_passing passing = mind_passing_of(mind->config->server.log_format);
    bool is_open = true;

    for (size_t i = 0; i < mind->plan.count; i++)
        if (mind_child_init(&mind->children[i], &mind->plan.entries[i], mind->config, passing) !=
            RC_OK) {
            (void)fprintf(stderr, "parleyd: %s: %s\n", mind->children[i].log.path, strerror(errno));
            is_open = false;
        }
    return is_open;
}

static bool prepare(struct mind *mind, int flag_count, char **flags, const char *program)
{
    static const int list[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0 };
    const char *home = mind->config->server.home;
    enum rc rc;

    if (!make_folder(home, "run") || !make_folder(home, "logs")) {
        (void)fprintf(stderr, "parleyd: server.home %s: %s\n", home, strerror(errno));
        return false;
    }
    if (!take_lock(mind))
        return false;
    rc = mind_plan_make(mind->config, program, flag_count, flags, &mind->plan);
    if (rc != RC_OK) {
        (void)fprintf(stderr, "parleyd: can't plan the children: %s\n",
                      rc == RC_FULL ? "too many, or no operations ports left" : rc_name(rc));
        return false;
    }
    mind->signals = service_signals_open(list);
    return mind->signals >= 0;
}

static void clean_up(struct mind *mind)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < mind->plan.count; i++)
        mind_child_fini(&mind->children[i]);
    mind_plan_fini(&mind->plan);
    (void)snprintf(path, sizeof path, "%s/run/minder.pid", mind->config->server.home);
    (void)unlink(path); /* while the lock is still held */
    (void)close(mind->lock);
    (void)close(mind->signals);
}

int mind_run(const struct config *config, int flag_count, char **flags)
{
    struct mind *mind = calloc(1, sizeof *mind);
    char program[PATH_MAX] = "";
    bool is_ready;

    if (!mind || readlink("/proc/self/exe", program, sizeof program - 1) < 0) {
        free(mind);
        return 1;
    }
    mind->config = config;
    mind->lock = -1;
    mind->signals = -1;
    mind->watchdog_ms = service_watchdog_ms();
    is_ready = prepare(mind, flag_count, flags, program);
    /* The manager talks with the minder, not with its children. */
    (void)unsetenv("WATCHDOG_USEC");
    if (is_ready && start_children(mind)) {
        log_info("mind.starting", LOG_INT("pid", getpid()), LOG_UINT("children", mind->plan.count));
        run(mind);
        log_info("mind.stopped");
        clean_up(mind);
    } else if (is_ready) {
        clean_up(mind);
        is_ready = false;
    }
    free(mind);
    return is_ready ? 0 : 1;
}
