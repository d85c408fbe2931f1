/* child.h - runs another program and reads what it prints: parleyctl, zcat, sqlite3.
 *
 * No shell: arguments go as they are.
 */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdio.h>
#include <sys/types.h>

struct child {
    pid_t pid;
    FILE *out; /* what it prints; its errors go to ours */
};

/* argv ends with NULL; argv[0] is looked for on PATH. Ends the program if nothing can be started.
 */
void child_start(struct child *child, const char *const argv[]);

/* Waits for its end.
 *   returns  its exit status, 128 and more when a signal ended it, 127 when it wasn't found
 */
int child_wait(struct child *child);

/* Starts it, reads all it prints, ends the program unless it ended with 0. The text is the
 * caller's (free). */
char *child_read(const char *const argv[]);

#endif
