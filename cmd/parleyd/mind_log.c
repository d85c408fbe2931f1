#include "mind_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

static char line_end[] = "\n"; /* iovec wants it writable */

enum mind_passing mind_passing_of(int log_format)
{
    struct stat stat;

    if (fstat(STDERR_FILENO, &stat) != 0 || S_ISREG(stat.st_mode))
        return MIND_PASS_NOT;
    if (log_format == LOG_FORMAT_AUTO)
        return isatty(STDERR_FILENO) ? MIND_PASS_NAMED : MIND_PASS_JSON;
    return log_format == LOG_FORMAT_JSON ? MIND_PASS_JSON : MIND_PASS_NAMED;
}

static enum rc open_file(struct mind_log *log)
{
    struct stat stat;

    log->fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (log->fd < 0)
        return RC_UNAVAILABLE;
    log->bytes = fstat(log->fd, &stat) == 0 ? stat.st_size : 0;
    return RC_OK;
}

enum rc mind_log_open(struct mind_log *log, const char *folder, const char *name, int64_t bytes_max,
                      enum mind_passing passing)
{
    log->name = name;
    log->bytes_max = bytes_max;
    log->passing = passing;
    log->len = 0;
    (void)snprintf(log->path, sizeof log->path, "%s/%s.log", folder, name);
    return open_file(log);
}

void mind_log_close(struct mind_log *log)
{
    if (log->fd >= 0)
        (void)close(log->fd);
    log->fd = -1;
}

/* One older file is kept, so a log takes at most twice its bound. */
static void turn_over(struct mind_log *log)
{
    char older[sizeof log->path + 2];

    (void)snprintf(older, sizeof older, "%s.1", log->path);
    (void)rename(log->path, older); /* if it fails, the file is begun anew all the same */
    mind_log_close(log);
    if (open_file(log) != RC_OK)
        log_warn("mind.log_lost", LOG_STR("child", log->name), LOG_STR("error", strerror(errno)));
    else if (log->bytes >= log->bytes_max && ftruncate(log->fd, 0) == 0)
        log->bytes = 0;
}

static void keep_line(struct mind_log *log, struct bytes line)
{
    struct iovec parts[2] = { { (void *)(uintptr_t)line.ptr, line.len }, { line_end, 1 } };
    ssize_t written;

    if (log->bytes + (int64_t)line.len + 1 > log->bytes_max)
        turn_over(log);
    written = log->fd >= 0 ? writev(log->fd, parts, 2) : -1;
    if (written > 0)
        log->bytes += written;
    else
        log_warn_every(60000, "mind.log_lost", LOG_STR("child", log->name),
                       LOG_STR("error", strerror(errno)));
}

/* Lost rather than waited for: a reader that has stopped must not stop the minder. */
static void print_line(const char *name, struct bytes line)
{
    char prefix[64];
    int prefix_len = name ? snprintf(prefix, sizeof prefix, "%-13s | ", name) : 0;
    struct iovec parts[3] = { { prefix, (size_t)prefix_len },
                              { (void *)(uintptr_t)line.ptr, line.len },
                              { line_end, 1 } };
    struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };

    if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) && writev(STDERR_FILENO, parts, 3) < 0)
        return;
}

static void pass_line(const struct mind_log *log, struct bytes line)
{
    switch (log->passing) {
    case MIND_PASS_NOT:
        return;
    case MIND_PASS_NAMED:
        print_line(log->name, line);
        return;
    case MIND_PASS_JSON:
        if (line.len > 0 && line.ptr[0] == '{')
            print_line(NULL, line);
        else
            log_info("child.line", LOG_STR("child", log->name), LOG_BYTES("text", line));
        return;
    }
}

void mind_log_flush(struct mind_log *log)
{
    struct bytes line = bytes_make(log->line, log->len);

    if (log->len == 0)
        return;
    keep_line(log, line);
    pass_line(log, line);
    log->len = 0;
}

void mind_log_feed(struct mind_log *log, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\n')
            log->line[log->len++] = (char)text.ptr[i];
        if (text.ptr[i] == '\n' || log->len == sizeof log->line)
            mind_log_flush(log);
    }
}
