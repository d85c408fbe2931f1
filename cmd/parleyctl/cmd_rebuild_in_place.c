/* cmd_rebuild_in_place.c - the SQLite store that the settings name, made of the log again.
 *
 * A copy of it loses all that came from the log, gets the log projected into it, is compared with
 * the log and with the old store, and only then takes the old one's place; that is kept beside it.
 * Until the last step nothing has changed: killed before, it is simply run again. Users, remembered
 * requests and what else isn't in the log come along.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "adapters/sqlite/sqlite_copy.h"
#include "adapters/sqlite/sqlite_rebuild.h"
#include "adapters/sqlite/sqlite_store.h"
#include "base/clock.h"
#include "base/rc.h"
#include "project.h"
#include "rebuild.h"
#include "store.h"
#include "verify.h"

enum { PATH_MAX_BYTES = 4096, SUFFIX_BYTES = 64, WAIT_S = 15 };

struct in_place {
    const struct ctl *ctl;
    const char *path;
    char made[PATH_MAX_BYTES], aside[PATH_MAX_BYTES];
    struct sqlite_difference difference;
    json_t *parts, *compared;
    bool accepts_gap;
};

static int fail_rc(enum rc rc, const struct fault *fault)
{
    return ctl_fail("%s", fault->text[0] ? fault->text : rc_name(rc));
}

/* The store without what came from the log, in a file of its own. */
static int copy_without_log(struct in_place *r)
{
    struct fault fault = { .text = "" };

    (void)snprintf(r->made, sizeof r->made, "%.4000s.rebuilding", r->path);
    (void)unlink(r->made); /* of a run that was cut short */
    enum rc rc = sqlite_close_up(r->path, &fault);
    if (rc == RC_OK)
        rc = sqlite_copy(r->path, r->made, &fault);
    if (rc == RC_OK)
        rc = sqlite_forget_log(r->made, &fault);
    return rc == RC_OK ? CTL_OK : fail_rc(rc, &fault);
}

static int project_and_verify(struct in_place *r, const struct message_store *store)
{
    struct projection projection = {
        .ctl = r->ctl,
        .store = store,
        .generation = (uint32_t)r->ctl->config->streams.generation,
        .partitions = (uint32_t)r->ctl->config->streams.partitions,
        .accepts_gap = r->accepts_gap,
        .parts = r->parts,
    };
    int code = project_all(&projection);
    if (code != CTL_OK)
        return code;
    return verify_store(r->ctl, store, WAIT_S, r->ctl->is_json ? &r->compared : NULL);
}

static int fill(struct in_place *r)
{
    char url[PATH_MAX_BYTES + SUFFIX_BYTES];
    struct fault fault = { .text = "" };
    struct store *store = NULL;

    (void)snprintf(url, sizeof url, "sqlite:%s", r->made);
    const struct store_options at = { .url = url, .readers_max = 2, .is_server = true };
    enum rc rc = store_open(&at, &store, &fault);
    if (rc != RC_OK)
        return fail_rc(rc, &fault);
    int code = project_and_verify(r, store_messages(store));
    store_close(store);
    return code;
}

/* What the old store has and the log can't give again stays where it is, unless that is accepted.
 */
static int compare(struct in_place *r)
{
    struct fault fault = { .text = "" };
    struct sqlite_difference *d = &r->difference;
    enum rc rc = sqlite_compare(r->path, r->made, d, &fault);

    if (rc != RC_OK)
        return fail_rc(rc, &fault);
    if (!r->ctl->is_json)
        (void)printf("against the old store: %llu events that only it had, %llu that it lacked, "
                     "%llu different, %llu members different\n",
                     (unsigned long long)d->only_old, (unsigned long long)d->only_new,
                     (unsigned long long)d->different, (unsigned long long)d->members);
    if (d->only_old == 0 || r->accepts_gap)
        return CTL_OK;
    return ctl_fail("the old store has %llu events that the log no longer has; nothing was "
                    "changed. --accept-gap gives them up",
                    (unsigned long long)d->only_old);
}

static int swap(struct in_place *r)
{
    struct fault fault = { .text = "" };
    enum rc rc = sqlite_close_up(r->made, &fault);

    if (rc == RC_OK)
        rc = sqlite_close_up(r->path, &fault); /* nobody has begun to use it meanwhile */
    if (rc != RC_OK)
        return fail_rc(rc, &fault);
    (void)snprintf(r->aside, sizeof r->aside, "%.4000s.before-rebuild-%lld", r->path,
                   (long long)(clock_wall_us(clock_system()) / 1000000));
    if (rename(r->path, r->aside) != 0 || rename(r->made, r->path) != 0)
        return ctl_fail("%s: %s", r->path, strerror(errno));
    return CTL_OK;
}

static int report(const struct in_place *r)
{
    const struct sqlite_difference *d = &r->difference;

    if (r->ctl->is_json)
        return ctl_print_json(
            json_pack("{s:O,s:O,s:s,s:{s:I,s:I,s:I,s:I}}", "partitions", r->parts, "verify",
                      r->compared, "movedAside", r->aside, "oldStore", "onlyOld",
                      (json_int_t)d->only_old, "onlyNew", (json_int_t)d->only_new, "different",
                      (json_int_t)d->different, "members", (json_int_t)d->members));
    (void)printf("%s is made of the log again; the old store is kept in %s\n", r->path, r->aside);
    return CTL_OK;
}

int rebuild_in_place(const struct ctl *ctl, bool accepts_gap)
{
    struct in_place r = { .ctl = ctl,
                          .path = sqlite_store_path(ctl->config->store.url),
                          .parts = json_array(),
                          .accepts_gap = accepts_gap };
    int code = CTL_FAILED;

    if (!r.path)
        (void)ctl_fail("store.url: only an SQLite store is made again in its place; for MongoDB "
                       "rebuild --into another database, and let store.url name that");
    else
        code = copy_without_log(&r);
    if (code == CTL_OK)
        code = fill(&r);
    if (code == CTL_OK)
        code = compare(&r);
    if (code == CTL_OK)
        code = swap(&r);
    if (code == CTL_OK)
        code = report(&r);
    if (code != CTL_OK && r.made[0])
        (void)unlink(r.made); /* the old store is untouched */
    json_decref(r.parts);
    json_decref(r.compared);
    return code;
}
