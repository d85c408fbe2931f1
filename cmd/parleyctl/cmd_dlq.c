/* cmd_dlq.c - dead letters: what persisters gave up on. list, show, purge; replay is in
 * cmd_dlq_replay.c.
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/rc.h"
#include "dlq.h"
#include "wire/subjects.h"

static void read_letter(struct letter *letter, struct arena *arena)
{
    const struct ctl_stored *s = &letter->stored;
    const char *at = strchr(s->subject, '.');
    const char *stop = at ? strchr(at + 1, '.') : NULL;

    letter->consumer =
        at && stop
            ? (const char *)arena_copy(arena, bytes_make(at + 1, (size_t)(stop - at - 1))).ptr
            : "";
    letter->reason = ctl_header(s, HEADER_DLQ_REASON, arena);
    letter->error = ctl_header(s, HEADER_DLQ_ERROR, arena);
    letter->stream = ctl_header(s, HEADER_DLQ_STREAM, arena);
    letter->subject = ctl_header(s, HEADER_DLQ_SUBJECT, arena);
    letter->seq = ctl_header(s, HEADER_DLQ_SEQ, arena);
    letter->deliveries = ctl_header(s, HEADER_DLQ_DELIVERIES, arena);
    letter->time = ctl_header(s, HEADER_DLQ_TIME, arena);
}

/* The first letter at or after that place; RC_NOT_FOUND: none. */
static enum rc next_letter(struct nats_link *link, uint64_t from, struct arena *arena,
                           struct letter *out)
{
    SCOPED_CTL_JSON json_t *request =
        json_pack("{s:I,s:s}", "seq", (json_int_t)from, "next_by_subj", "dlq.>");

    TRY(ctl_stored_get(link, DLQ_STREAM, request, arena, &out->stored));
    read_letter(out, arena);
    return RC_OK;
}

static json_t *letter_json(const struct letter *letter)
{
    return json_pack("{s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I}", "id",
                     (json_int_t)letter->stored.seq, "at", letter->stored.time, "consumer",
                     letter->consumer, "reason", letter->reason, "error", letter->error, "stream",
                     letter->stream, "subject", letter->subject, "seq", letter->seq, "deliveries",
                     letter->deliveries, "originalAt", letter->time, "bytes",
                     (json_int_t)letter->stored.payload.len);
}

/* Every condition that was given must hold; ids are one of them. */
static bool is_chosen(const struct choice *choice, const struct letter *letter)
{
    bool is_listed = choice->id_count == 0;

    for (size_t i = 0; i < choice->id_count; i++)
        is_listed = is_listed || choice->ids[i] == letter->stored.seq;
    if (choice->reason && strcmp(choice->reason, letter->reason) != 0)
        return false;
    if (choice->before && strcmp(letter->stored.time, choice->before) >= 0)
        return false;
    return is_listed;
}

/* The last letter's id now: what comes while a command is at work isn't its business, and a replay
 * of what is still garbage would otherwise meet its own letters for ever. */
static enum rc last_letter(struct nats_link *link, uint64_t *out)
{
    SCOPED_CTL_JSON json_t *reply = NULL;
    enum rc rc = ctl_js(link, "STREAM.INFO." DLQ_STREAM, NULL, &reply);

    if (rc == RC_NOT_FOUND)
        (void)ctl_fail("the stream " DLQ_STREAM " isn't there: make it with `streams apply`");
    if (rc == RC_OK)
        *out = (uint64_t)json_integer_value(
            json_object_get(json_object_get(reply, "state"), "last_seq"));
    return rc;
}

int dlq_each(const struct ctl *ctl, const struct choice *choice, letter_fn *each, void *closure)
{
    struct nats_link *link = ctl_nats_open(ctl);
    uint64_t from = 1, last = 0;
    bool goes_on = true;

    if (!link)
        return CTL_FAILED;
    enum rc rc = last_letter(link, &last);
    bool is_there = rc == RC_OK;
    while (goes_on && rc == RC_OK) {
        SCOPED_ARENA(arena, LETTER_BYTES_MAX);
        struct letter letter;
        rc = next_letter(link, from, &arena, &letter);
        if (rc == RC_OK && letter.stored.seq > last)
            rc = RC_NOT_FOUND;
        if (rc != RC_OK)
            break;
        from = letter.stored.seq + 1;
        if (is_chosen(choice, &letter))
            goes_on = each(closure, link, &letter, &arena);
    }
    nats_link_destroy(link);
    return is_there && goes_on && rc == RC_NOT_FOUND ? CTL_OK : CTL_FAILED;
}

bool dlq_read_ids(struct choice *choice, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        uint64_t id;
        if (choice->id_count == COUNT_OF(choice->ids) ||
            !bytes_to_u64(bytes_of(argv[i]), UINT64_MAX, &id) || id == 0) {
            (void)ctl_usage("%s: not the id of a dead letter (see dlq list), or too many", argv[i]);
            return false;
        }
        choice->ids[choice->id_count++] = id;
    }
    return true;
}

/* ---- list ---- */

struct listing {
    json_t *items; /* NULL: print lines */
    size_t count;
};

static bool list_one(void *closure, struct nats_link *link, const struct letter *letter,
                     struct arena *arena)
{
    struct listing *listing = closure;

    (void)link, (void)arena;
    listing->count++;
    if (listing->items)
        return json_array_append_new(listing->items, letter_json(letter)) == 0;
    return printf("%llu  %.19s  %s/%s  %s seq %s  %zu bytes  %s\n",
                  (unsigned long long)letter->stored.seq, letter->stored.time, letter->consumer,
                  letter->reason, letter->subject, letter->seq, letter->stored.payload.len,
                  letter->error) > 0;
}

int cmd_dlq_list(const struct ctl *ctl, int argc, char **argv)
{
    struct choice choice = { .is_all = true };
    const struct ctl_option options[] = { { "reason", &choice.reason, NULL } };
    struct listing listing = { .items = ctl->is_json ? json_array() : NULL };

    if (!ctl_options(options, COUNT_OF(options), &argc, argv) || argc > 1)
        return CTL_USAGE;
    int code = dlq_each(ctl, &choice, list_one, &listing);
    if (ctl->is_json && code == CTL_OK)
        return ctl_print_json(json_pack("{s:o}", "items", listing.items));
    json_decref(listing.items);
    if (code == CTL_OK && listing.count == 0)
        (void)puts("no dead letters");
    return code;
}

/* ---- show ---- */

static bool show_one(void *closure, struct nats_link *link, const struct letter *letter,
                     struct arena *arena)
{
    struct listing *listing = closure;
    const struct ctl_stored *s = &letter->stored;

    (void)link, (void)arena;
    listing->count++;
    if (listing->items) {
        json_t *item = letter_json(letter);
        bool is_text = bytes_is_utf8(s->payload);
        char *encoded = calloc(1, B64URL_CHARS(s->payload.len) + 1);
        if (!is_text && encoded)
            (void)b64url_write(s->payload, encoded);
        (void)json_object_set_new(item, is_text ? "body" : "bodyBase64url",
                                  is_text
                                      ? json_stringn((const char *)s->payload.ptr, s->payload.len)
                                      : json_string(encoded ? encoded : ""));
        (void)json_object_set_new(item, "headers",
                                  json_stringn((const char *)s->headers.ptr, s->headers.len));
        free(encoded);
        return json_array_append_new(listing->items, item) == 0;
    }
    (void)printf("dead letter %llu of %s, stored %s\n%.*s\n", (unsigned long long)s->seq,
                 letter->consumer, s->time, BYTES_ARG(s->headers));
    return fwrite(s->payload.ptr, 1, s->payload.len, stdout) == s->payload.len && puts("") >= 0;
}

int cmd_dlq_show(const struct ctl *ctl, int argc, char **argv)
{
    struct choice choice = { .is_all = false };
    struct listing listing = { .items = ctl->is_json ? json_array() : NULL };

    if (!ctl_options(NULL, 0, &argc, argv) || !dlq_read_ids(&choice, argc, argv))
        return CTL_USAGE;
    if (choice.id_count == 0)
        return ctl_usage("dlq show: which one? Give its id, see dlq list");
    int code = dlq_each(ctl, &choice, show_one, &listing);
    if (code == CTL_OK && listing.count < choice.id_count)
        code = ctl_fail("%zu of them are not there", choice.id_count - listing.count);
    if (ctl->is_json && listing.count)
        (void)ctl_print_json(json_pack("{s:O}", "items", listing.items));
    json_decref(listing.items);
    return code;
}

/* ---- purge ---- */

enum rc dlq_remove(struct nats_link *link, uint64_t seq)
{
    SCOPED_CTL_JSON json_t *reply = NULL;
    SCOPED_CTL_JSON json_t *request = json_pack("{s:I,s:b}", "seq", (json_int_t)seq, "no_erase", 1);

    return ctl_js(link, "STREAM.MSG.DELETE." DLQ_STREAM, request, &reply);
}

void dlq_count(struct outcome *outcome, const struct letter *letter)
{
    outcome->count++;
    if (!outcome->is_dry)
        return;
    if (!outcome->ids)
        outcome->ids = json_array();
    (void)json_array_append_new(outcome->ids, json_integer((json_int_t)letter->stored.seq));
}

int dlq_print_outcome(const struct ctl *ctl, struct outcome *outcome, const char *done,
                      const char *would)
{
    json_int_t count = (json_int_t)outcome->count;
    json_t *ids = outcome->ids ? outcome->ids : json_array();

    outcome->ids = NULL;
    if (ctl->is_json && outcome->is_dry)
        return ctl_print_json(json_pack("{s:I,s:o}", would, count, "ids", ids));
    json_decref(ids);
    if (ctl->is_json)
        return ctl_print_json(json_pack("{s:I}", done, count));
    return printf("%s: %zu%s\n", done, outcome->count, outcome->is_dry ? " (dry run)" : "") > 0
               ? CTL_OK
               : CTL_FAILED;
}

struct purging {
    const struct ctl *ctl;
    struct outcome outcome;
};

static bool purge_one(void *closure, struct nats_link *link, const struct letter *letter,
                      struct arena *arena)
{
    struct purging *p = closure;
    enum rc rc = p->outcome.is_dry ? RC_OK : dlq_remove(link, letter->stored.seq);

    (void)arena;
    if (rc == RC_OK)
        dlq_count(&p->outcome, letter);
    if (rc == RC_OK && p->outcome.is_dry && !p->ctl->is_json)
        (void)printf("%llu: %s, %s seq %s would be removed\n",
                     (unsigned long long)letter->stored.seq, letter->reason, letter->subject,
                     letter->seq);
    return rc == RC_OK || rc == RC_NOT_FOUND;
}

int cmd_dlq_purge(const struct ctl *ctl, int argc, char **argv)
{
    struct choice choice = { .is_all = false };
    const char *older_than = NULL;
    char before[RFC3339_CHARS];
    struct purging p = { .ctl = ctl };
    const struct ctl_option options[] = { { "all", NULL, &choice.is_all },
                                          { "reason", &choice.reason, NULL },
                                          { "older-than", &older_than, NULL },
                                          { "dry-run", NULL, &p.outcome.is_dry } };

    if (!ctl_options(options, COUNT_OF(options), &argc, argv) || !dlq_read_ids(&choice, argc, argv))
        return CTL_USAGE;
    if (older_than) {
        int64_t seconds;
        if (!ctl_read_span(older_than, &seconds))
            return ctl_usage("--older-than: \"%s\" is no span of time such as 7d", older_than);
        rfc3339_write(clock_wall_us(clock_system()) - seconds * 1000000, before);
        choice.before = before;
    }
    if (choice.is_all && choice.id_count)
        return ctl_usage("dlq purge: --all or ids, not both");
    if (!choice.is_all && !choice.reason && !choice.before && choice.id_count == 0)
        return ctl_usage("dlq purge: which ones? Ids, --reason R, --older-than 7d or --all");
    int code = dlq_each(ctl, &choice, purge_one, &p);
    size_t count = p.outcome.count;
    if (code == CTL_OK || count > 0)
        (void)dlq_print_outcome(ctl, &p.outcome, "purged", "wouldPurge");
    if (code == CTL_OK && count < choice.id_count)
        code = ctl_fail("%zu of them are not there, or not of that kind", choice.id_count - count);
    return code;
}
