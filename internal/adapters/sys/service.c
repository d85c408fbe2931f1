#include "adapters/sys/service.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void service_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t len = path ? strlen(path) : 0;
    int fd;

    if ((len < 2 || len >= sizeof to.sun_path) || (*path != '/' && *path != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (*path == '@')
        to.sun_path[0] = 0; /* Linux's abstract namespace */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* A manager that does not listen must not keep us from working. */
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    (void)close(fd);
}

int64_t service_watchdog_ms(void)
{
    const char *for_pid = getenv("WATCHDOG_PID");
    uint64_t pid = 0;
    uint64_t us = 0;

    if (!bytes_to_u64(bytes_of(getenv("WATCHDOG_USEC")), INT64_MAX, &us))
        return 0;
    if (for_pid && (!bytes_to_u64(bytes_of(for_pid), INT32_MAX, &pid) || (pid_t)pid != getpid()))
        return 0;
    return (int64_t)(us / 2000);
}

uint64_t service_raise_open_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit higher = { limit.rlim_max, limit.rlim_max };
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
            limit = higher;
    }
    return limit.rlim_cur;
}

void service_ignore_sigpipe(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    (void)sigaction(SIGPIPE, &ignore, NULL); /* can't fail with a valid signal */
}

int service_signals_open(const int *list)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (; *list; list++)
        (void)sigaddset(&set, *list);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int service_signals_next(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}
