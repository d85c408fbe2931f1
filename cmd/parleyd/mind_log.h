/* mind_log.h - a child's output: cut into lines, kept in a file of bounded size, passed on. */
#ifndef PARLEYD_MIND_LOG_H
#define PARLEYD_MIND_LOG_H

#include "base/bytes.h"
#include "base/rc.h"

enum { MIND_LINE_BYTES = 8192 };

/* How lines reach the minder's standard error. */
enum mind_passing {
    MIND_PASS_NOT,   /* it is a plain file: the child's own file holds the line already */
    MIND_PASS_NAMED, /* "name | line", for people */
    MIND_PASS_JSON,  /* a JSON line as it is, any other wrapped into one */
};

struct mind_log {
    char path[4096];
    const char *name; /* the child's; borrowed */
    int64_t bytes_max;
    int64_t bytes; /* in the file now */
    int fd;
    enum mind_passing passing;
    size_t len; /* of the line being read */
    char line[MIND_LINE_BYTES];
};

/* Opens (appends to) folder/name.log.  errors: RC_UNAVAILABLE it can't be opened */
MUST_CHECK enum rc mind_log_open(struct mind_log *log, const char *folder, const char *name,
                                 int64_t bytes_max, enum mind_passing passing);

/* Takes what a child printed. A line longer than MIND_LINE_BYTES goes on in the next. */
void mind_log_feed(struct mind_log *log, struct bytes text);

/* Ends an unfinished line: the child is gone. */
void mind_log_flush(struct mind_log *log);

void mind_log_close(struct mind_log *log);

/* What fits the minder's standard error and the configured format. */
enum mind_passing mind_passing_of(int log_format);

#endif
