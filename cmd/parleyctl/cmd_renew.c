/* cmd_renew.c - streams of a new generation: after a loss, after a restore, or for another number
 * of partitions. The store is the base; the new streams' numbers begin where no old one ever was.
 *
 * Sends are refused from the sealing of the first old stream until gateways run with the new
 * settings. Each step may be done twice, and the record (renew.h) says which ones count, so a run
 * that was killed is simply run again. What the old streams have must be in the store before one of
 * them goes; --accept-loss is for those that are gone already, or can't be read.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "archive.h"
#include "base/clock.h"
#include "base/rc.h"
#include "ini_edit.h"
#include "ports/log_consumer.h"
#include "ports/message_store.h"
#include "project.h"
#include "renew.h"
#include "store.h"

struct renew {
    const struct ctl *ctl;
    struct nats_link *link;
    struct store *store;
    const struct message_store *messages;
    bool accepts_loss, keeps_nothing;
    const char *partitions_text, *generation_text, *bytes_text, *keep;
    struct renew_plan plan;
    struct old_stream *old;
    int old_count;
    char kept[ARCHIVE_PATH_MAX];
    json_t *lost; /* what isn't in the store, or may not be */
};

static struct old_stream *old_of(struct renew *r, uint32_t partition)
{
    for (int i = 0; i < r->old_count; i++)
        if (r->old[i].number == partition && r->old[i].generation != r->plan.to)
            return &r->old[i];
    return NULL;
}

static int load_set(struct renew *r, uint32_t generation, uint32_t partitions,
                    struct stream_set **out)
{
    const struct config *c = r->ctl->config;
    struct fault fault = { .text = "" };
    struct stream_vars vars = { .partitions = partitions,
                                .generation = generation,
                                .replicas = (uint32_t)c->streams.replicas };
    if (r->bytes_text && (!bytes_to_u64(bytes_of(r->bytes_text), INT64_MAX, &vars.chat_max_bytes) ||
                          vars.chat_max_bytes == 0))
        return ctl_usage("--chat-max-bytes must be a number of bytes, one stream's share");
    if (streams_fill_limits(c->nats.monitor_url, &vars) != RC_OK)
        return ctl_fail("the size of the file store can't be read from nats.monitor_url; give "
                        "--chat-max-bytes");
    if (streams_load(c->streams.dir, &vars, out, &fault) != RC_OK)
        return ctl_fail("%s: %s", fault.field, fault.text);
    return CTL_OK;
}

static int apply_set(struct renew *r, const struct stream_set *set, bool leaves_log)
{
    const struct stream_apply_options options = { .leaves_log = leaves_log };
    struct stream_report report = { 0 };
    int code = CTL_OK;

    if (streams_apply(set, r->link, &options, &report) != RC_OK)
        return ctl_fail("JetStream doesn't answer");
    for (size_t i = 0; i < report.count && !report.is_ready; i++)
        if (report.findings[i].kind == STREAM_FAILED || report.findings[i].kind == STREAM_REFUSED)
            code = ctl_fail("%s %s: %s", report.findings[i].item, report.findings[i].field,
                            report.findings[i].found);
    stream_report_fini(&report);
    return code;
}

/* The record needs CHAT_DLQ, which may be lost too. The log's streams aren't touched. */
static int make_others(struct renew *r)
{
    const struct config *c = r->ctl->config;
    struct stream_set *set = NULL;
    int code = load_set(r, (uint32_t)c->streams.generation, (uint32_t)c->streams.partitions, &set);
    if (code == CTL_OK)
        code = apply_set(r, set, true);
    streams_destroy(set);
    return code;
}

/* ---- what is meant ---- */

static bool is_used(const struct renew *r, uint32_t generation)
{
    uint64_t seq;
    for (uint32_t p = 0; p < OLD_STREAMS_MAX; p++)
        if (r->messages->applied(r->messages->self, generation, p, &seq) == RC_OK &&
            seq > log_floor(generation))
            return true;
    return false;
}

static int read_number(const char *name, const char *text, uint32_t max, uint32_t *out)
{
    uint64_t value;
    if (!text)
        return CTL_OK;
    if (!bytes_to_u64(bytes_of(text), max, &value) || value == 0)
        return ctl_usage("--%s: \"%s\" is no number from 1 to %u", name, text, max);
    *out = (uint32_t)value;
    return CTL_OK;
}

static int make_plan(struct renew *r)
{
    const struct config *c = r->ctl->config;
    struct renew_plan *plan = &r->plan;
    plan->from = (uint32_t)c->streams.generation;
    plan->partitions = plan->old_partitions = (uint32_t)c->streams.partitions;
    for (int i = 0; i < r->old_count; i++) {
        if (r->old[i].generation < plan->from)
            continue;
        plan->from = r->old[i].generation;
        if (r->old[i].partitions)
            plan->old_partitions = r->old[i].partitions;
    }
    for (plan->to = plan->from + 1; is_used(r, plan->to); plan->to++)
        ;
    uint32_t least = plan->to;
    if (read_number("partitions", r->partitions_text, OLD_STREAMS_MAX, &plan->partitions) ||
        read_number("generation", r->generation_text, 8191, &plan->to))
        return CTL_USAGE;
    if (plan->to < least)
        return ctl_usage("--generation %u: its numbers were given already; %u is the next",
                         plan->to, least);
    return CTL_OK;
}

static void note_loss(struct renew *r, uint32_t partition, uint64_t after, uint64_t to,
                      const char *why)
{
    (void)json_array_append_new(r->lost,
                                json_pack("{s:i,s:I,s:I,s:s}", "partition", (int)partition, "after",
                                          (json_int_t)after, "to", (json_int_t)to, "why", why));
    if (!r->ctl->is_json)
        (void)printf("partition %u: %s after seq %llu\n", partition, why,
                     (unsigned long long)after);
}

/* Old streams that aren't there: what was in them after the store's place is gone, if anything. */
static int check_missing(struct renew *r)
{
    uint32_t missing = 0;
    for (uint32_t p = 0; p < r->plan.old_partitions; p++) {
        uint64_t applied = log_floor(r->plan.from);
        if (old_of(r, p))
            continue;
        if (r->messages->applied(r->messages->self, r->plan.from, p, &applied) != RC_OK)
            return ctl_fail("the store doesn't answer");
        missing++;
        note_loss(r, p, applied, 0, "the stream is gone; lost is what was acknowledged");
    }
    if (missing && !r->accepts_loss)
        return ctl_fail("%u of %u streams are gone, and with them what the store hadn't yet; "
                        "--accept-loss goes on from the store",
                        missing, r->plan.old_partitions);
    return CTL_OK;
}

/* ---- draining ---- */

static int seal_all(struct renew *r)
{
    for (int i = 0; i < r->old_count; i++)
        if (!r->old[i].is_sealed && !renew_seal(r->link, &r->old[i]))
            return CTL_FAILED;
    r->old_count = renew_list(r->link, r->old); /* what came until then is the end */
    return r->old_count < 0 ? CTL_FAILED : CTL_OK;
}

static int check_drained(struct renew *r, uint32_t p)
{
    const struct old_stream *stream = old_of(r, p);
    uint64_t applied = 0;

    if (!stream)
        return CTL_OK;
    if (r->messages->applied(r->messages->self, r->plan.from, p, &applied) != RC_OK)
        return ctl_fail("the store doesn't answer");
    if (applied >= stream->last_seq)
        return CTL_OK; /* more than the log: it was lost or set back; nothing of it is missing */
    note_loss(r, p, applied, stream->last_seq, "the store doesn't have what the stream has");
    if (r->accepts_loss)
        return CTL_OK;
    return ctl_fail(
        "partition %u: the store ends at %llu, the stream at %llu; nothing was taken away", p,
        (unsigned long long)applied, (unsigned long long)stream->last_seq);
}

/* Whether a stream goes on after what the store has. One that ends before was lost, or set back. */
static bool lacks_some(struct renew *r, uint32_t p)
{
    const struct old_stream *stream = old_of(r, p);
    uint64_t applied;
    return stream && (r->messages->applied(r->messages->self, r->plan.from, p, &applied) != RC_OK ||
                      stream->last_seq > applied);
}

/* What the old streams have into the store, each by itself: some of them may be gone. */
static int drain(struct renew *r)
{
    json_t *parts = json_array();
    struct projection projection = { .ctl = r->ctl,
                                     .store = r->messages,
                                     .generation = r->plan.from,
                                     .partitions = r->plan.old_partitions,
                                     .makes_letters = true,
                                     .is_quiet = true,
                                     .parts = parts };
    int code = CTL_OK;
    for (uint32_t p = 0; p < r->plan.old_partitions && code == CTL_OK; p++)
        if (lacks_some(r, p))
            code = project_partition(&projection, p);
    json_decref(parts);
    if (code != CTL_OK && !r->accepts_loss)
        return ctl_fail("not all of the old streams is in the store; nothing was taken away; "
                        "--accept-loss goes on without it");
    code = CTL_OK;
    for (uint32_t p = 0; p < r->plan.old_partitions && code == CTL_OK; p++)
        code = check_drained(r, p);
    return code;
}

static void choose_folder(struct renew *r)
{
    char folder[ARCHIVE_PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%.4000s/backups", r->ctl->config->server.home);
    (void)mkdir(folder, 0700); /* if that fails, making the one in it says why */
    if (r->keep)
        (void)snprintf(r->kept, sizeof r->kept, "%s", r->keep);
    else
        (void)snprintf(r->kept, sizeof r->kept, "%.3900s/generation-%u-%lld", folder, r->plan.from,
                       (long long)(clock_wall_us(clock_system()) / 1000000));
}

/* A copy of the old streams, for whoever looks for something later. */
static int keep_old(struct renew *r)
{
    json_t *streams = json_array();
    int code = CTL_OK;

    if (r->keeps_nothing || r->old_count == 0) {
        json_decref(streams);
        return CTL_OK;
    }
    choose_folder(r);
    if (!archive_begin(r->kept))
        code = CTL_FAILED;
    for (int i = 0; i < r->old_count && code == CTL_OK; i++)
        if (archive_save_stream(r->link, r->kept, r->old[i].name, streams) != RC_OK)
            code = ctl_fail("%s can't be kept; --keep-nothing goes on without", r->old[i].name);
    char made[RFC3339_CHARS];
    rfc3339_write(clock_wall_us(clock_system()), made);
    json_t *manifest =
        json_pack("{s:i,s:s,s:s,s:I,s:I,s:o}", "format", ARCHIVE_FORMAT, "made", made, "version",
                  PARLEY_VERSION, "generation", (json_int_t)r->plan.from, "partitions",
                  (json_int_t)r->plan.old_partitions, "streams", streams);
    if (code == CTL_OK && archive_write_json(r->kept, ARCHIVE_MANIFEST, manifest))
        return CTL_OK;
    if (code != CTL_OK)
        json_decref(manifest);
    return CTL_FAILED;
}

static int do_draining(struct renew *r)
{
    int code = check_missing(r);
    if (code != CTL_OK)
        return code;
    if (r->plan.stage == RENEW_NONE) {
        r->plan.stage = RENEW_DRAINING;
        if (!renew_write(r->link, &r->plan))
            return CTL_FAILED;
    }
    code = seal_all(r);
    if (code == CTL_OK)
        code = drain(r);
    if (code == CTL_OK)
        code = keep_old(r);
    r->plan.stage = RENEW_MAKING;
    if (code == CTL_OK && !renew_write(r->link, &r->plan))
        code = CTL_FAILED;
    return code;
}

/* ---- making ---- */

static int write_settings(const struct renew *r)
{
    const char *path = r->ctl->config->file;
    char generation[16], partitions[16];

    (void)snprintf(generation, sizeof generation, "%u", r->plan.to);
    (void)snprintf(partitions, sizeof partitions, "%u", r->plan.partitions);
    if (!path[0])
        return CTL_OK; /* said at the end */
    return ini_edit(path, "streams", "generation", generation) &&
                   ini_edit(path, "streams", "partitions", partitions)
               ? CTL_OK
               : CTL_FAILED;
}

static int do_making(struct renew *r)
{
    struct stream_set *set = NULL;
    int code = load_set(r, r->plan.to, r->plan.partitions, &set);

    for (int i = 0; i < r->old_count && code == CTL_OK; i++)
        if (r->old[i].generation != r->plan.to && !renew_delete(r->link, &r->old[i]))
            code = CTL_FAILED;
    if (code == CTL_OK)
        code = apply_set(r, set, false);
    if (code == CTL_OK)
        code = write_settings(r);
    streams_destroy(set);
    struct renew_plan none = { .stage = RENEW_NONE };
    if (code == CTL_OK && !renew_write(r->link, &none))
        code = CTL_FAILED;
    return code;
}

static int say_done(struct renew *r)
{
    const char *file = r->ctl->config->file;
    if (r->ctl->is_json)
        return ctl_print_json(json_pack(
            "{s:I,s:I,s:I,s:I,s:s,s:O}", "from", (json_int_t)r->plan.from, "generation",
            (json_int_t)r->plan.to, "oldPartitions", (json_int_t)r->plan.old_partitions,
            "partitions", (json_int_t)r->plan.partitions, "kept", r->kept, "lost", r->lost));
    (void)printf("generation %u, %u partitions (before: %u, %u)\n", r->plan.to, r->plan.partitions,
                 r->plan.from, r->plan.old_partitions);
    if (r->kept[0])
        (void)printf("the old streams are kept in %s\n", r->kept);
    (void)printf(
        "%s streams.generation = %u, streams.partitions = %u%s\nNext: restart every gateway "
        "and persister; until then they aren't ready and say why.\n",
        file[0] ? file : "set", r->plan.to, r->plan.partitions,
        file[0] ? " (written; other hosts need the same)" : "");
    return CTL_OK;
}

static int renew(struct renew *r)
{
    int code = make_others(r);
    if (code == CTL_OK && !renew_read(r->link, &r->plan))
        code = CTL_FAILED;
    r->old_count = code == CTL_OK ? renew_list(r->link, r->old) : 0;
    if (r->old_count < 0)
        return CTL_FAILED;
    if (code == CTL_OK && r->plan.stage == RENEW_NONE)
        code = make_plan(r);
    if (code == CTL_OK && r->plan.stage != RENEW_MAKING)
        code = do_draining(r);
    if (code == CTL_OK)
        code = do_making(r);
    return code == CTL_OK ? say_done(r) : code;
}

int cmd_streams_renew(const struct ctl *ctl, int argc, char **argv)
{
    struct renew r = { .ctl = ctl };
    const struct ctl_option options[] = {
        { "partitions", &r.partitions_text, NULL }, { "generation", &r.generation_text, NULL },
        { "chat-max-bytes", &r.bytes_text, NULL },  { "keep", &r.keep, NULL },
        { "keep-nothing", NULL, &r.keeps_nothing }, { "accept-loss", NULL, &r.accepts_loss }
    };

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc > 1)
        return ctl_usage("streams renew takes options only");
    r.link = ctl_nats_open(ctl);
    if (!r.link)
        return CTL_FAILED;
    r.old = calloc(OLD_STREAMS_MAX, sizeof *r.old);
    r.lost = json_array();
    int code = CTL_FAILED;
    if (r.old && ctl_store_open(ctl, &r.store, &r.messages))
        code = renew(&r);
    store_close(r.store);
    json_decref(r.lost);
    free(r.old);
    nats_link_destroy(r.link);
    return code;
}
