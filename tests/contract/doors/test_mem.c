/* The suite in memory, and the failures that it can be told to have. */
#include "suite.h"

#include <stdlib.h>

#include "adapters/mem/mem_attempts.h"
#include "adapters/mem/mem_audit.h"
#include "adapters/mem/mem_revocations.h"

struct mem {
    struct mem_attempts *attempts;
    struct mem_revocations *revocations;
    struct mem_audit *audit;
};

static void doors_open(struct doors *d)
{
    struct mem *mem = calloc(1, sizeof *mem);
    const struct revocation_sink sink = { d, heard, current };
    CHECK(mem != NULL);
    mem->attempts = mem_attempts_create();
    mem->revocations = mem_revocations_create(&sink);
    mem->audit = mem_audit_create();
    CHECK(mem->attempts && mem->revocations && mem->audit);
    d->adapter = mem;
    d->attempts = d->others = mem_attempts_port(mem->attempts);
    d->revocations = mem_revocations_port(mem->revocations);
    d->audit = mem_audit_port(mem->audit);
}

static void doors_close(struct doors *d)
{
    struct mem *mem = d->adapter;
    mem_attempts_destroy(mem->attempts);
    mem_revocations_destroy(mem->revocations);
    mem_audit_destroy(mem->audit);
    free(mem);
}

static void doors_turn(struct doors *d)
{
    struct mem *mem = d->adapter;
    (void)mem_revocations_pump(mem->revocations);
}

static size_t doors_audited(struct doors *d)
{
    struct mem *mem = d->adapter;
    return mem_audit_count(mem->audit);
}

TEST(what_is_away_says_so)
{
    struct doors d = { 0 };
    struct attempt ada = by("ada", "203.0.113.5");
    struct revocation session = revocation_of("ada", "s-1");
    doors_open(&d);
    struct mem *mem = d.adapter;
    mem_attempts_set_away(mem->attempts, true);
    mem_revocations_set_away(mem->revocations, true);
    CHECK_RC(RC_UNAVAILABLE, begin(&d.attempts, &ada, T0));
    CHECK_RC(RC_UNAVAILABLE, d.revocations.publish(d.revocations.self, &session));
    mem_attempts_set_away(mem->attempts, false);
    CHECK_RC(RC_OK, begin(&d.attempts, &ada, T0));
    doors_close(&d);
}
