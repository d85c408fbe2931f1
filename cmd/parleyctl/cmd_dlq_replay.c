/* cmd_dlq_replay.c - dead letters published again.
 *
 * A dead letter keeps the original's body and headers; a void stands at its seq in the store. That
 * seq is spent: a replay publishes the body again, under a message id of its own (the original's
 * may still be remembered by the stream, which would answer "duplicate" and store nothing), and it
 * gets a new seq at the end of its conversation. Replaying what is still garbage makes one dead
 * letter more, so it is refused unless --force, or unless --body gives a mended one. It goes into
 * the partition that its owner has now, which for what a gateway with other settings published
 * isn't the one that it came from.
 */
#include "adapters/nats/nats_consumer.h"
#include "app/record.h"
#include "base/rc.h"
#include "dlq.h"
#include "wire/subjects.h"

enum { PUBLISH_TIMEOUT_MS = 5000 };

struct replaying {
    const struct ctl *ctl;
    struct log_consumer_source source;
    struct bytes body; /* instead of the letter's; ptr NULL: none */
    bool is_forced, is_kept;
    struct outcome outcome;
    size_t failed;
};

/* The letter as the record it would be. Returns false if its subject isn't one of the log's. */
static bool read_record(const struct replaying *r, const struct letter *letter, struct arena *arena,
                        struct log_record *out)
{
    struct log_record record = { .payload = r->body.ptr ? r->body : letter->stored.payload };
    enum subject_kind kind;
    const char *op = ctl_header(&letter->stored, HEADER_OP, arena);

    if (!subject_split(bytes_of(letter->subject), &record.partition, &kind, &record.owner) ||
        (kind != SUBJECT_CONVERSATION && kind != SUBJECT_USER))
        return false;
    record.kind = (char)kind;
    record.partition =
        subject_partition(&record.owner, (uint32_t)r->ctl->config->streams.partitions);
    record.op = op[0];
    *out = record;
    return true;
}

/* The original's headers; not the hash of a body that was mended. */
static size_t take_headers(const struct replaying *r, const struct letter *letter,
                           struct arena *arena, struct publish_header *out)
{
    static const char *const names[] = { HEADER_OP, HEADER_SCHEMA, HEADER_SENDER, HEADER_CLIENT_ID,
                                         HEADER_BODY_HASH };
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = ctl_header(&letter->stored, names[i], arena);
        bool is_stale = r->body.ptr && strcmp(names[i], HEADER_BODY_HASH) == 0;
        if (value[0] && !is_stale)
            out[count++] = (struct publish_header){ names[i], bytes_of(value) };
    }
    return count;
}

static enum rc publish_again(const struct replaying *r, const struct letter *letter,
                             const struct log_record *record, struct arena *arena,
                             struct publish_result *out)
{
    struct log_consumer log;
    struct publish_header headers[8];
    char msg_id[64], subject[SUBJECT_CHARS_MAX];
    (void)subject_chat(subject, record->partition, (enum subject_kind)record->kind, &record->owner);
    const struct publish_request request = { .partition = record->partition,
                                             .subject = subject,
                                             .msg_id = msg_id,
                                             .payload = record->payload,
                                             .headers = headers,
                                             .header_count =
                                                 take_headers(r, letter, arena, headers),
                                             .timeout_ms = PUBLISH_TIMEOUT_MS };

    /* The same letter replayed twice within the window is one record. */
    (void)snprintf(msg_id, sizeof msg_id, "replay-%llu-%s", (unsigned long long)letter->stored.seq,
                   letter->seq);
    TRY(r->source.open(r->source.self, record->partition, &log));
    enum rc rc = log.publish(log.self, &request, 1, out);
    log.close(log.self);
    return rc;
}

static bool say_would(struct replaying *r, const struct letter *letter,
                      const struct log_record *record)
{
    dlq_count(&r->outcome, letter);
    if (!r->ctl->is_json)
        (void)printf("%llu: %s seq %s would be published to CHAT_%u%s\n",
                     (unsigned long long)letter->stored.seq, letter->subject, letter->seq,
                     record->partition, r->is_kept ? "" : ", and removed here");
    return true;
}

static bool replay_letter(struct replaying *r, struct nats_link *link, const struct letter *letter,
                          struct arena *arena)
{
    struct log_record record;
    struct event event;
    struct fault fault = { .text = "" };
    struct publish_result result = { .outcome = PUBLISH_UNKNOWN };
    unsigned long long id = letter->stored.seq;

    if (!read_record(r, letter, arena, &record))
        return ctl_fail("dead letter %llu: \"%s\" is no subject of a conversation or user", id,
                        letter->subject) == CTL_OK;
    if (record.kind == SUBJECT_CONVERSATION && !r->is_forced &&
        record_decode(&record, arena, &event, &fault) != RC_OK)
        return ctl_fail("dead letter %llu is still no event: %s Mend it with --body FILE, or have "
                        "it dead-lettered once more with --force",
                        id, fault.text) == CTL_OK;
    if (r->outcome.is_dry)
        return say_would(r, letter, &record);
    if (publish_again(r, letter, &record, arena, &result) != RC_OK ||
        (result.outcome != PUBLISH_STORED && result.outcome != PUBLISH_DUPLICATE))
        return ctl_fail(
                   "dead letter %llu: the log didn't confirm it; run the same again within two "
                   "minutes and it can't double",
                   id) == CTL_OK;
    dlq_count(&r->outcome, letter);
    if (!r->ctl->is_json)
        (void)printf("%llu: %s seq %s is now seq %llu of CHAT_%u%s\n", id, letter->subject,
                     letter->seq, (unsigned long long)result.seq, record.partition,
                     result.outcome == PUBLISH_DUPLICATE ? " (it was already)" : "");
    return r->is_kept || dlq_remove(link, letter->stored.seq) == RC_OK;
}

/* One bad letter doesn't keep the others from being replayed. */
static bool replay_one(void *closure, struct nats_link *link, const struct letter *letter,
                       struct arena *arena)
{
    struct replaying *r = closure;

    r->failed += !replay_letter(r, link, letter, arena);
    return true;
}

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    char part[4096];
    size_t len;

    if (!file)
        return false;
    while ((len = fread(part, 1, sizeof part, file)) > 0)
        buf_add(out, bytes_make(part, len));
    bool is_read = !ferror(file) && !out->has_failed && out->len > 0;
    (void)fclose(file);
    return is_read;
}

static int replay_chosen(const struct ctl *ctl, const struct choice *choice, struct replaying *r)
{
    struct nats_consumers *source = NULL;
    struct fault fault = { .text = "" };
    const struct nats_consumers_options options = { .url = ctl->config->nats.url,
                                                    .user = ctl->config->nats.operator_user,
                                                    .password = ctl->config->nats.operator_password,
                                                    .name = "parleyctl" };

    if (nats_consumers_create(&options, &source, &fault) != RC_OK)
        return ctl_fail("nats: %s", fault.text);
    r->source = nats_consumers_port(source);
    int code = dlq_each(ctl, choice, replay_one, r);
    nats_consumers_stop(source);
    nats_consumers_destroy(source);
    if (ctl->is_json || r->outcome.is_dry)
        (void)dlq_print_outcome(ctl, &r->outcome, "replayed", "wouldReplay");
    if (code == CTL_OK && r->outcome.count + r->failed < choice->id_count)
        code = ctl_fail("%zu of them are not there, or not of that kind",
                        choice->id_count - r->outcome.count - r->failed);
    else if (code == CTL_OK && r->outcome.count + r->failed == 0 && !ctl->is_json)
        code = ctl_fail("none of them is there");
    return code == CTL_OK && r->failed ? CTL_FAILED : code;
}

int cmd_dlq_replay(const struct ctl *ctl, int argc, char **argv)
{
    SCOPED_BUF(body, LETTER_BYTES_MAX);
    struct choice choice = { .is_all = false };
    struct replaying r = { .ctl = ctl };
    const char *path = NULL;
    const struct ctl_option options[] = {
        { "all", NULL, &choice.is_all }, { "reason", &choice.reason, NULL },
        { "body", &path, NULL },         { "keep", NULL, &r.is_kept },
        { "force", NULL, &r.is_forced }, { "dry-run", NULL, &r.outcome.is_dry }
    };

    if (!ctl_options(options, COUNT_OF(options), &argc, argv) || !dlq_read_ids(&choice, argc, argv))
        return CTL_USAGE;
    if (choice.is_all && choice.id_count)
        return ctl_usage("dlq replay: --all or ids, not both");
    if (!choice.is_all && !choice.reason && choice.id_count == 0)
        return ctl_usage("dlq replay: which ones? Ids, --reason R or --all");
    if (path && (choice.is_all || choice.reason || choice.id_count != 1))
        return ctl_usage("--body goes with one id");
    if (path && !read_file(path, &body))
        return ctl_fail("%s can't be read, or is empty", path);
    r.body = buf_bytes(&body);
    return replay_chosen(ctl, &choice, &r);
}
