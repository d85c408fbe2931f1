/* process.h - programs that a test starts: with a log, on ports of their own, ended with the test.
 * What can't be started ends the test program with a message: a test that needs it must not pass
 * without it. */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

__attribute__((format(printf, 1, 2), noreturn)) void process_give_up(const char *format, ...);

/* A port of loopback that was free a moment ago. */
int process_free_port(void);
bool process_can_connect(int port);
void process_pause_ms(int ms);

struct process_options {
    const char *const *argv; /* argv[0] is a path, or looked for in PATH; NULL at the end */
    const char *log;         /* standard output and error are appended to it */
    const char *user;        /* who runs it if we are root; NULL: we */
    int death_signal;        /* what it gets when the test dies */
};
pid_t process_start(const struct process_options *options);

/* Runs it to its end; ends the test program if it fails. */
void process_run(const struct process_options *options);

/* Waits until it takes connections on the port; ends the test program if it never does. */
void process_wait_port(pid_t pid, int port, const char *log);

/* SIGSTOP, and back once each of its threads stands still; or SIGCONT. It is a child of ours. */
void process_freeze(pid_t pid, bool is_frozen);

/* Sends the signal (and SIGCONT) and waits for its end. */
void process_end(pid_t *pid, int signal_number);

#endif
