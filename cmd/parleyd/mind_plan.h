/* mind_plan.h - which children the settings ask for. */
#ifndef PARLEYD_MIND_PLAN_H
#define PARLEYD_MIND_PLAN_H

#include "config/config.h"

enum { MIND_CHILDREN_MAX = 96, MIND_NAME_CHARS = 32, MIND_ARGS_MORE = 4 };

struct mind_entry {
    char name[MIND_NAME_CHARS]; /* "nats-server-1", "parleyd", "gateway-2", "persister-1" */
    bool is_nats;
    char **argv; /* ends in NULL; argv[0] is what execvp gets */
    char *owned[MIND_ARGS_MORE];
};

struct mind_plan {
    struct mind_entry entries[MIND_CHILDREN_MAX]; /* nats-servers first, if there are any */
    size_t count, nats_count;
};

/* Makes the list.
 *   program  path of the parleyd that roles are run by; borrowed like flags
 *   errors   RC_NOMEM; RC_FULL more than MIND_CHILDREN_MAX
 */
MUST_CHECK enum rc mind_plan_make(const struct config *config, const char *program, int flag_count,
                                  char **flags, struct mind_plan *out_plan);

void mind_plan_fini(struct mind_plan *plan);

#endif
