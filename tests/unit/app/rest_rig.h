/* rest_rig.h - the REST API on a world: requests in, answers out, nothing in between but time.
 *
 * Commands go to a stand-in for the gateway, which records them and answers as the test says; jobs
 * wait until rig_run. A token is "user", "user+service", "expired" or "revoked".
 */
#ifndef TESTS_UNIT_APP_REST_RIG_H
#define TESTS_UNIT_APP_REST_RIG_H

#include "app/rest.h"
#include "unit/app/world.h"

enum { RIG_JOBS_MAX = 64, RIG_HEADERS_MAX = 8 };

struct rig {
    struct world *w;
    struct rest *rest;

    struct executor executor;
    struct job *jobs[RIG_JOBS_MAX];
    size_t job_count;
    bool is_executor_full;

    struct token_verifier verifier;
    struct http_links links;
    struct gateway *gateway; /* the rig itself, disguised */

    /* the last command, its texts copied */
    struct command command;
    char content[32768], name[512];
    struct command_member members[1000];
    size_t commands;
    struct command_result result; /* of the next command, unless `decide` is set */
    /* Decides a command: appends its events to the world and fills in the result. */
    void (*decide)(struct rig *rig, const struct command *command, struct command_result *result);
    command_done_fn *done;
    void *done_closure;

    /* the last answer */
    int status;
    char body[4 << 20];
    size_t body_len;
    char content_type[64];
    struct {
        char name[32], value[256];
    } headers[RIG_HEADERS_MAX];
    size_t header_count, answers;

    int64_t wait_ms;    /* what admit says */
    bool is_seen_first; /* what on_identity says */
    size_t seen, sends_admitted, others_admitted;
};

struct rig *rig_create(void);
void rig_destroy(struct rig *rig);

/* One request, run to its answer. target may have a query. NULL token: none; NULL body: none. */
void rig_ask(struct rig *rig, const char *token, enum http_method method, const char *target,
             const char *body);
/* The same with an Idempotency-Key. */
void rig_ask_key(struct rig *rig, const char *token, enum http_method method, const char *target,
                 const char *body, const char *key);
/* The same with all of a request in hand; path and params are set from target. */
void rig_ask_request(struct rig *rig, struct http_request *request, const char *target);
/* Runs the jobs and commands that wait, until there are none. */
void rig_run(struct rig *rig);

const char *rig_header(const struct rig *rig, const char *name); /* "" if absent */
bool rig_body_has(const struct rig *rig, const char *text);
/* The value of "nextCursor", "" for null; valid until the next ask. */
const char *rig_next_cursor(struct rig *rig);

#define CHECK_STATUS(wanted, rig)                                                                  \
    do {                                                                                           \
        if ((rig)->status != (wanted))                                                             \
            print_message("%.600s\n", (rig)->body);                                                \
        CHECK_INT((wanted), (rig)->status);                                                        \
    } while (0)
#define CHECK_HAS(rig, text)                                                                       \
    do {                                                                                           \
        if (!rig_body_has((rig), (text)))                                                          \
            print_message("no %s in %.900s\n", (text), (rig)->body);                               \
        CHECK(rig_body_has((rig), (text)));                                                        \
    } while (0)

#endif
