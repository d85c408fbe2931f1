#include "support/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
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

enum { START_MS = 60000, TRY_MS = 20 }; /* a busy machine starts a JVM slowly */

void process_give_up(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

void process_pause_ms(int ms)
{
    const struct timespec span = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    (void)nanosleep(&span, NULL);
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int process_free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        process_give_up("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(address.sin_port);
}

bool process_can_connect(int port)
{
    const struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_open = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return is_open;
}

static bool become(const char *name)
{
    const struct passwd *user = name && getuid() == 0 ? getpwnam(name) : NULL;
    if (!name || getuid() != 0)
        return true;
    return user && setgroups(0, NULL) == 0 && setgid(user->pw_gid) == 0 &&
           setuid(user->pw_uid) == 0;
}

pid_t process_start(const struct process_options *o)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        process_give_up("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    int fd = open(o->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
        (void)dup2(fd, 1);
        (void)dup2(fd, 2);
    }
    if (!become(o->user))
        _exit(126);
    (void)prctl(PR_SET_PDEATHSIG, o->death_signal); /* after become(), which takes it back */
    if (getppid() != parent)
        _exit(1);
    (void)execvp(o->argv[0], (char *const *)o->argv);
    _exit(127);
}

void process_run(const struct process_options *o)
{
    int status = 0;
    pid_t pid = process_start(o);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        process_give_up("%s ended with status %d; see %s", o->argv[0], status, o->log);
}

void process_wait_port(pid_t pid, int port, const char *log)
{
    for (int waited = 0; waited < START_MS; waited += TRY_MS) {
        if (process_can_connect(port))
            return;
        if (waitpid(pid, NULL, WNOHANG) == pid)
            process_give_up("a program ended at its start; see %s", log);
        process_pause_ms(TRY_MS);
    }
    process_give_up("a program doesn't take connections; see %s", log);
}

void process_freeze(pid_t pid, bool is_frozen)
{
    (void)kill(pid, is_frozen ? SIGSTOP : SIGCONT);
    while (is_frozen && waitpid(pid, NULL, WUNTRACED) < 0 && errno == EINTR)
        ;
}

void process_end(pid_t *pid, int signal_number)
{
    if (*pid <= 0)
        return;
    (void)kill(*pid, SIGCONT);
    (void)kill(*pid, signal_number);
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
}
