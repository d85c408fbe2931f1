#include "mind_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

enum {
    DELAY_FIRST_MS = 200,
    DELAY_SECOND_MS = 1000,
    DELAY_MAX_MS = 30000,
    STEADY_LIFE_MS = 10000, /* who lived that long is not in a crash loop */
    READ_BUDGET_BYTES = 256 * 1024,
};

enum rc mind_child_init(struct mind_child *child, const struct mind_entry *entry,
                        const struct config *config, enum mind_passing passing)
{
    char folder[4096];

    child->entry = entry;
    child->pid = 0;
    child->output = -1;
    child->delay_ms = 0;
    child->start_at_ms = 0;
    (void)snprintf(child->pid_path, sizeof child->pid_path, "%s/run/%s.pid", config->server.home,
                   entry->name);
    (void)snprintf(folder, sizeof folder, "%s/logs", config->server.home);
    return mind_log_open(&child->log, folder, entry->name, config->mind.log_file_bytes, passing);
}

void mind_child_fini(struct mind_child *child)
{
    if (child->output >= 0)
        (void)close(child->output);
    child->output = -1;
    mind_log_close(&child->log);
}

static void write_pid(const struct mind_child *child)
{
    char temporary[sizeof child->pid_path + 8];
    FILE *file;
    bool is_written;

    (void)snprintf(temporary, sizeof temporary, "%s.new", child->pid_path);
    file = fopen(temporary, "we");
    is_written = file && fprintf(file, "%ld\n", (long)child->pid) > 0;
    if (file && fclose(file) != 0)
        is_written = false;
    if (!is_written || rename(temporary, child->pid_path) != 0)
        log_warn("mind.pid_file", LOG_STR("child", child->entry->name),
                 LOG_STR("error", strerror(errno)));
}

/* Between fork and exec. The minder has one thread, so any call may be used. */
static void become(const struct mind_entry *entry, int output, pid_t minder)
{
    struct sigaction usual = { .sa_handler = SIG_DFL };
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != minder)
        _exit(1); /* it died before prctl: no signal will come */
    /* A group of its own: Ctrl-C reaches the minder alone, which stops things in order. */
    (void)setpgid(0, 0);
    (void)sigaction(SIGPIPE, &usual, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0)
        _exit(126);
    (void)unsetenv("NOTIFY_SOCKET"); /* the minder speaks to the manager, not its children */
    (void)execvp(entry->argv[0], entry->argv);
    dprintf(STDERR_FILENO, "can't run %s: %s\n", entry->argv[0], strerror(errno));
    _exit(127);
}

enum rc mind_child_start(struct mind_child *child, int64_t now_ms)
{
    pid_t minder = getpid();
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return RC_UNAVAILABLE;
    pid = fork();
    if (pid == 0)
        become(child->entry, ends[1], minder);
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return RC_UNAVAILABLE;
    }
    if (child->output >= 0)
        (void)close(child->output); /* held open by a grandchild of the last one */
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    child->output = ends[0];
    child->pid = pid;
    child->started_ms = now_ms;
    write_pid(child);
    log_info("mind.started", LOG_STR("child", child->entry->name), LOG_INT("pid", pid));
    return RC_OK;
}

void mind_child_drain(struct mind_child *child)
{
    char block[16 * 1024];

    for (size_t budget = READ_BUDGET_BYTES; budget > 0 && child->output >= 0;) {
        ssize_t len = read(child->output, block, sizeof block);
        if (len < 0)
            return; /* EAGAIN: that was all */
        if (len == 0) {
            (void)close(child->output);
            child->output = -1;
            return;
        }
        mind_log_feed(&child->log, bytes_make(block, (size_t)len));
        budget -= (size_t)len < budget ? (size_t)len : budget;
    }
}

static int64_t next_delay(int64_t delay_ms, int64_t life_ms)
{
    if (life_ms >= STEADY_LIFE_MS || delay_ms == 0)
        return DELAY_FIRST_MS;
    if (delay_ms < DELAY_SECOND_MS)
        return DELAY_SECOND_MS;
    return delay_ms * 2 < DELAY_MAX_MS ? delay_ms * 2 : DELAY_MAX_MS;
}

bool mind_child_reap(struct mind_child *child, int64_t now_ms)
{
    int status = 0;
    int64_t life_ms = now_ms - child->started_ms;

    if (child->pid == 0 || waitpid(child->pid, &status, WNOHANG) != child->pid)
        return false;
    mind_child_drain(child); /* its last words come before ours */
    mind_log_flush(&child->log);
    (void)unlink(child->pid_path);
    child->delay_ms = next_delay(child->delay_ms, life_ms);
    child->start_at_ms = now_ms + child->delay_ms;
    log_info("mind.ended", LOG_STR("child", child->entry->name), LOG_INT("pid", child->pid),
             LOG_INT("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
             LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
             LOG_INT("life_ms", life_ms));
    child->pid = 0;
    return true;
}

void mind_child_signal(const struct mind_child *child, int signal)
{
    if (child->pid > 0)
        (void)kill(child->pid, signal); /* it may be gone already */
}
