/* nats_revocations.c - see the header.
 *
 * 1. The subscription's callback runs on nats.c's thread: it parses, posts a letter, returns. A
 *    letter that finds no room is dropped, because the next look finds what it said.
 * 2. A look is one job on a worker: batches of Direct Get from the seq after the last one seen. It
 *    begins anew from the first seq after each reconnect: another replica may have answered last.
 */
#include "adapters/nats/nats_revocations.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapters/nats/nats_bucket.h"
#include "adapters/uv/mailbox.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/revocation_json.h"

enum {
    LOOK_MS = 1000,
    LETTERS_MAX = 8192,
    BATCH = 512,
    FOUND_MAX = 262144,
    VALUE_BYTES_MAX = 1024,
    SESSION_KEPT_S = 24 * 3600,
    USER_KEPT_S = 30 * 24 * 3600,
};

struct nats_revocations {
    struct nats_revocations_options options;
    struct mailbox *box;
    struct nats_subs subs;
    natsSubscription *sub;
    struct timer timer;
    struct job job;
    bool is_listening, is_looking, has_looked;

    /* The look's: the worker's while it runs, the loop's otherwise. */
    struct revocation *found;
    size_t found_count, found_cap;
    uint64_t next_seq;
    uint32_t epoch;
    enum rc rc;
};

/* ---- publishing ---- */

static enum rc publish(void *self, const struct revocation *revocation)
{
    struct nats_revocations *r = self;
    struct revocation whole = *revocation;
    int64_t now_s = clock_wall_us(clock_system()) / 1000000;
    bool is_session = whole.kind == REVOKED_SESSION;
    char key[2 * ID_CHARS_MAX + 8];
    SCOPED_BUF(value, VALUE_BYTES_MAX);

    if (whole.until_s == 0)
        whole.until_s = now_s + (is_session ? SESSION_KEPT_S : USER_KEPT_S);
    if (whole.until_s <= now_s)
        return RC_OK; /* all that it means has expired */
    revocation_write(&value, &whole);
    (void)snprintf(key, sizeof key, is_session ? "s.%s.%s" : "u.%s%s", whole.user.text,
                   is_session ? whole.session.text : "");
    const struct bucket_put put = {
        .bucket = "REVOKED", .key = key, .value = buf_bytes(&value), .ttl_s = whole.until_s - now_s
    };
    return value.has_failed ? RC_NOMEM : nats_bucket_put(r->options.link, &put);
}

/* ---- hearing ---- */

struct letter {
    struct mail mail;
    struct nats_revocations *r;
    struct revocation revocation;
};

static void run_letter(struct mail *mail)
{
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    const struct revocation_sink *sink = &letter->r->options.sink;
    if (letter->r->is_listening)
        sink->on_revoked(sink->closure, &letter->revocation);
    free(letter);
}

static struct bytes payload_of(natsMsg *msg)
{
    return bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    struct nats_revocations *r = closure;
    struct letter *letter = calloc(1, sizeof *letter);
    (void)nc, (void)sub;
    if (letter && revocation_parse(payload_of(msg), &letter->revocation) == RC_OK) {
        letter->mail.run = run_letter;
        letter->r = r;
        if (mailbox_post(r->box, &letter->mail) == RC_OK)
            letter = NULL;
    }
    free(letter);
    natsMsg_Destroy(msg);
}

/* ---- looking ---- */

static bool keep(struct nats_revocations *r, const struct revocation *revocation)
{
    if (r->found_count == r->found_cap) {
        size_t cap = r->found_cap ? 2 * r->found_cap : 64;
        struct revocation *grown = cap <= FOUND_MAX ? realloc(r->found, cap * sizeof *grown) : NULL;
        if (!grown)
            return false;
        r->found = grown;
        r->found_cap = cap;
    }
    r->found[r->found_count++] = *revocation;
    return true;
}

static bool take(void *closure, natsMsg *msg)
{
    struct nats_revocations *r = closure;
    struct revocation revocation;
    uint64_t seq = nats_header_u64(msg, "Nats-Sequence");
    if (revocation_parse(payload_of(msg), &revocation) == RC_OK && !keep(r, &revocation)) {
        r->rc = RC_NOMEM;
        return false;
    }
    if (seq >= r->next_seq)
        r->next_seq = seq + 1;
    return true;
}

static enum rc look(struct nats_revocations *r)
{
    char request[96];
    struct nats_batch batch = { .count = 1 };
    r->rc = RC_OK;
    while (r->rc == RC_OK && batch.count > 0) {
        int len = snprintf(request, sizeof request,
                           "{\"seq\":%llu,\"next_by_subj\":\"$KV.REVOKED.>\",\"batch\":%d}",
                           (unsigned long long)r->next_seq, BATCH);
        TRY(nats_direct_batch(r->options.link, "KV_REVOKED", bytes_make(request, (size_t)len), take,
                              r, &batch));
    }
    return r->rc;
}

static void run_look(struct job *job)
{
    struct nats_revocations *r = CONTAINER_OF(job, struct nats_revocations, job);
    uint32_t epoch = nats_link_epoch(r->options.link);
    r->found_count = 0;
    if (epoch != r->epoch)
        r->next_seq = 1;
    r->rc = look(r);
    if (r->rc == RC_OK)
        r->epoch = epoch;
}

static void looked(struct job *job)
{
    struct nats_revocations *r = CONTAINER_OF(job, struct nats_revocations, job);
    const struct revocation_sink *sink = &r->options.sink;
    r->is_looking = false;
    if (!r->is_listening)
        return;
    for (size_t i = 0; i < r->found_count; i++)
        sink->on_revoked(sink->closure, &r->found[i]);
    if (r->rc != RC_OK)
        log_warn_every(10000, "revocations.not_read", LOG_RC(r->rc));
    else if (!r->has_looked && sink->on_current)
        sink->on_current(sink->closure);
    r->has_looked = r->has_looked || r->rc == RC_OK;
    timer_start(loop_timers(r->options.loop), &r->timer, LOOK_MS, 0);
}

static void start_look(struct timer *timer)
{
    struct nats_revocations *r = CONTAINER_OF(timer, struct nats_revocations, timer);
    r->job = (struct job){ .run = run_look, .done = looked };
    r->is_looking = executor_submit(r->options.executor, &r->job) == RC_OK;
    if (!r->is_looking)
        timer_start(loop_timers(r->options.loop), &r->timer, LOOK_MS, 0);
}

/* ---- making and ending ---- */

static bool listen_on(struct nats_revocations *r)
{
    r->box =
        mailbox_create(r->options.loop, &(struct mailbox_options){ .letters_max = LETTERS_MAX });
    if (!r->box || nats_subs_add(&r->subs, nats_link_connection(r->options.feed_link),
                                 "live.revoked.>", on_message, r, &r->sub) != NATS_OK)
        return false;
    r->is_listening = true;
    r->timer.run = start_look;
    timer_start(loop_timers(r->options.loop), &r->timer, 0, 0);
    return true;
}

struct nats_revocations *nats_revocations_create(const struct nats_revocations_options *options)
{
    struct nats_revocations *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->options = *options;
    r->next_seq = 1;
    nats_subs_init(&r->subs);
    if (options->loop && !listen_on(r)) {
        nats_revocations_destroy(r);
        return NULL;
    }
    return r;
}

struct revocations nats_revocations_port(struct nats_revocations *revocations)
{
    return (struct revocations){ .self = revocations, .publish = publish };
}

void nats_revocations_stop(struct nats_revocations *r)
{
    if (!r || !r->options.loop)
        return;
    if (r->is_listening)
        timer_stop(loop_timers(r->options.loop), &r->timer);
    r->is_listening = false;
    nats_link_bury(r->options.feed_link, r->sub);
    r->sub = NULL;
    nats_subs_wait(&r->subs);
    mailbox_destroy(r->box);
    r->box = NULL;
    r->options.loop = NULL;
}

void nats_revocations_destroy(struct nats_revocations *r)
{
    if (!r)
        return;
    nats_revocations_stop(r);
    nats_subs_fini(&r->subs);
    free(r->found);
    free(r);
}
