/* options.h - the command line: one table gives parsing and --help. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTION_LIST_MAX 64

struct options {
    const char *mode;
    const char *url, *ws_url, *home;
    const char *tokens, *parleyctl, *service_token, *json, *run;
    const char *corpus, *type, *send, *conversation, *token, *nats, *store;
    const char *pids[OPTION_LIST_MAX];
    size_t pid_count;
    long users, rooms, members, duration, hold, grace, limit, listeners, cut, split, open_max;
    long inflight, seed, stalled, away_ms, backoff_ms, max_errors, wave;
    double rate, cuts_per_s;
    bool no_rest, public_only, quiet;
};

/* Fills options from arguments and environment; prints help or an error and ends the program where
 * that is all there is to do. */
void options_parse(struct options *options, int argc, char **argv);

#endif
