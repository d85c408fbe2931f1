#include "adapters/nats/nats_publish.h"

#include "adapters/nats/nats_hold.h"
#include "adapters/uv/mailbox.h"
#include "base/log.h"

#include <assert.h>
#include <stdatomic.h>

enum {
    IN_FLIGHT_MAX = 8192,
    AGAIN_MIN_MS = 50,
    AGAIN_SPAN_MS = 150,
    SILENCE_MS =
        2500, /* a leader that died with the message never answers, and the link stays up */
    LINK_AGAIN_MS = 500,
    STATE_FREE = 0,
    STATE_OPEN = 1,
    STATE_ANSWERED = 2,
    STATE_BITS = 2,
};

struct nats_publisher;

/* A message on its way. The loop has a reference, and the sender's queue has one. */
struct outgoing {
    struct nats_op op;
    struct nats_publisher *pub;
    natsMsg *msg;
    uint32_t slot;
    uint64_t open_state; /* what the slot's state is while this one is waited for */
    atomic_int refs;
    atomic_bool is_queued;
    atomic_bool is_touched;      /* the sender has looked at it: from here on it may have left */
    _Atomic uint32_t attempts;   /* that may have left */
    _Atomic uint32_t sent_epoch; /* of the link, at the last one */
    int64_t expires_ms;          /* by pub->clock: nothing of it leaves from then on */
};

enum answer_kind { ANSWER_SERVER, ANSWER_NOT_SENT, ANSWER_OVERSIZE };

struct slot {
    struct nats_publisher *pub;
    _Atomic uint64_t state;
    struct outgoing *out; /* loop thread, as the rest */
    publish_done_fn *done;
    void *closure;
    struct timer deadline, again;
    uint32_t next_free, partition;
    uint32_t handed; /* times it was given to the sender since it was clean */
    bool is_clean;   /* what was sent so far certainly isn't stored */
    /* Written by whoever moved the state to ANSWERED, before the letter is posted. */
    struct mail letter;
    enum answer_kind answer;
    enum nats_answer_kind server_answer;
    struct puback ack;
};

struct nats_publisher {
    struct nats_link *link;
    const struct clock_source *clock;
    struct timers *timers;
    struct mailbox *box;
    struct nats_link_listener listener;
    struct nats_subs subs;
    natsSubscription *sub;
    char inbox[64];
    struct slot *slots;
    uint32_t slot_count, free_slot; /* free_slot == slot_count: none */
    size_t in_flight;
    bool is_closing;
    struct nats_hold hold;
    uint64_t random;
    uint64_t published, resent, outcomes[8];
    _Atomic uint64_t late_answers;
};

static void outgoing_unref(struct outgoing *out)
{
    if (atomic_fetch_sub(&out->refs, 1) != 1)
        return;
    natsMsg_Destroy(out->msg);
    free(out);
}

/* Any thread. Returns false when the slot isn't waiting for this answer (any more). */
static bool answer_slot(struct nats_publisher *pub, uint32_t index, uint64_t open_state,
                        enum answer_kind kind, enum nats_answer_kind server_answer,
                        const struct puback *ack)
{
    struct slot *slot = &pub->slots[index];
    uint64_t expected = open_state;
    if (!atomic_compare_exchange_strong(&slot->state, &expected,
                                        open_state - STATE_OPEN + STATE_ANSWERED))
        return false;
    slot->answer = kind;
    slot->server_answer = server_answer;
    slot->ack = ack ? *ack : (struct puback){ .seq = 0 };
    enum rc rc = mailbox_post(pub->box, &slot->letter);
    assert(rc == RC_OK || rc == RC_UNAVAILABLE); /* a slot has one letter: the box has its room */
    (void)rc;
    return true;
}

/* A process that was stopped for minutes finds timers, a new link and a full queue at once, and
 * its timers may come last. By then the log may have forgotten the message's id: what is sent again
 * would be a double. So everything that sends looks at the clock first. Any thread. */
static bool is_too_late(const struct outgoing *out)
{
    return clock_monotonic_ms(out->pub->clock) >= out->expires_ms;
}

/* ---- the sender thread ---- */

/* Whether nats.c certainly didn't write a byte of it. */
static bool never_left(natsStatus s)
{
    return s == NATS_CONNECTION_CLOSED || s == NATS_INSUFFICIENT_BUFFER || s == NATS_MAX_PAYLOAD ||
           s == NATS_INVALID_SUBJECT || s == NATS_INVALID_ARG || s == NATS_NO_MEMORY ||
           s == NATS_DRAINING || s == NATS_NO_SERVER_SUPPORT;
}

static void send_message(struct nats_op *op, natsConnection *nc, natsStatus flushed)
{
    struct outgoing *out = CONTAINER_OF(op, struct outgoing, op);
    struct nats_publisher *pub = out->pub;
    (void)flushed;
    atomic_store(&out->is_queued, false);
    atomic_store(&out->is_touched,
                 true); /* before the state is read; on_deadline goes the other way */
    if (atomic_load(&pub->slots[out->slot].state) == out->open_state) {
        bool may_send = nats_link_is_up(pub->link) && !is_too_late(out);
        natsStatus s = NATS_CONNECTION_DISCONNECTED;
        if (may_send) {
            atomic_store(&out->sent_epoch, nats_link_epoch(pub->link));
            atomic_fetch_add(&out->attempts, 1);
            s = natsConnection_PublishMsg(nc, out->msg);
        }
        if (may_send && never_left(s))
            atomic_fetch_sub(&out->attempts, 1);
        if (!may_send || never_left(s))
            (void)answer_slot(pub, out->slot, out->open_state,
                              s == NATS_MAX_PAYLOAD ? ANSWER_OVERSIZE : ANSWER_NOT_SENT,
                              NATS_ANSWER_GARBAGE, NULL);
    }
    outgoing_unref(out);
}

/* ---- nats.c's delivery thread ---- */

static bool read_reply_subject(struct nats_publisher *pub, const char *subject, uint32_t *out_slot,
                               uint64_t *out_gen)
{
    size_t prefix = strlen(pub->inbox) + 1;
    const char *dash = strchr(subject + prefix, '-');
    uint64_t slot;
    if (!dash || !bytes_to_u64(bytes_make(subject + prefix, (size_t)(dash - subject) - prefix),
                               pub->slot_count - 1, &slot))
        return false;
    *out_slot = (uint32_t)slot;
    return bytes_to_u64(bytes_of(dash + 1), UINT64_MAX >> STATE_BITS, out_gen);
}

static void on_ack(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    struct nats_publisher *pub = closure;
    struct puback ack = { .seq = 0 };
    enum nats_answer_kind kind = NATS_ANSWER_ACK;
    uint32_t slot;
    uint64_t gen;
    (void)nc, (void)sub;
    if (natsMsg_IsNoResponders(msg))
        kind = NATS_ANSWER_NOBODY;
    else if (!puback_read(bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)),
                          &ack))
        kind = NATS_ANSWER_GARBAGE;
    if (!read_reply_subject(pub, natsMsg_GetSubject(msg), &slot, &gen) ||
        !answer_slot(pub, slot, gen << STATE_BITS | STATE_OPEN, ANSWER_SERVER, kind, &ack))
        atomic_fetch_add(&pub->late_answers, 1);
    natsMsg_Destroy(msg);
}

/* ---- the loop thread ---- */

static void free_slot(struct slot *slot)
{
    struct nats_publisher *pub = slot->pub;
    uint64_t gen = atomic_load(&slot->state) >> STATE_BITS;
    timer_stop(pub->timers, &slot->deadline);
    timer_stop(pub->timers, &slot->again);
    outgoing_unref(slot->out);
    slot->out = NULL;
    atomic_store(&slot->state, (gen + 1) << STATE_BITS | STATE_FREE);
    slot->next_free = pub->free_slot;
    pub->free_slot = (uint32_t)(slot - pub->slots);
    pub->in_flight--;
}

static void finish(struct slot *slot, struct publish_result result)
{
    publish_done_fn *done = slot->done;
    void *closure = slot->closure;
    slot->pub->outcomes[result.outcome]++;
    free_slot(slot);
    done(closure, &result);
}

/* One reference: the sender has nothing to do with it now, so what it noted may be set back. */
static bool is_with_us_alone(const struct slot *slot)
{
    return atomic_load(&slot->out->refs) == 1;
}

static void forget_attempts(struct slot *slot)
{
    struct outgoing *out = slot->out;
    if (!is_with_us_alone(slot) || !(slot->is_clean || atomic_load(&out->attempts) == 0))
        return;
    atomic_store(&out->attempts, 0);
    atomic_store(&out->is_touched, false);
    slot->handed = 0;
}

static enum rc send_slot(struct slot *slot)
{
    struct outgoing *out = slot->out;
    forget_attempts(slot);
    if (atomic_exchange(&out->is_queued, true))
        return RC_OK; /* it waits for the sender already */
    slot->is_clean = false;
    slot->handed++;
    atomic_fetch_add(&out->refs, 1);
    enum rc rc = nats_link_send(slot->pub->link, &out->op);
    if (rc != RC_OK) {
        atomic_store(&out->is_queued, false);
        outgoing_unref(out);
    }
    return rc;
}

static void resend(struct slot *slot)
{
    slot->pub->resent++;
    (void)send_slot(slot); /* RC_FULL: the deadline ends it as unknown */
    timer_start(slot->pub->timers, &slot->again, SILENCE_MS, 0);
}

/* ---- holding: a leader is being elected, a link goes to another server ---- */

static int64_t now_of(const struct nats_publisher *pub)
{
    return (int64_t)timers_now_ms(pub->timers);
}

/* Whether an answer that would be final, "it isn't stored", is better waited over. */
static bool is_held(struct slot *slot, uint32_t attempts)
{
    bool is_nobody = slot->answer == ANSWER_SERVER && slot->server_answer == NATS_ANSWER_NOBODY;
    if (!slot->deadline.is_active || is_too_late(slot->out))
        return false;
    if (slot->answer == ANSWER_NOT_SENT && attempts == 0)
        return nats_hold_link_may_come(&slot->pub->hold, now_of(slot->pub));
    return is_nobody && attempts == 1 &&
           nats_hold_leader_may_come(&slot->pub->hold, slot->partition, now_of(slot->pub));
}

/* The outcome is open: wait for what may still come, and ask again with the same id. */
static void ask_again(struct slot *slot)
{
    struct nats_publisher *pub = slot->pub;
    pub->random = pub->random * 6364136223846793005u + 1442695040888963407u;
    atomic_store(&slot->state, slot->out->open_state);
    timer_start(pub->timers, &slot->again, AGAIN_MIN_MS + (pub->random >> 33) % AGAIN_SPAN_MS, 0);
}

static void on_deadline(struct timer *timer);

static void on_again(struct timer *timer)
{
    struct slot *slot = CONTAINER_OF(timer, struct slot, again);
    struct nats_publisher *pub = slot->pub;
    if (atomic_load(&slot->state) & STATE_ANSWERED)
        return; /* the answer is on its way */
    if (is_too_late(slot->out))
        on_deadline(&slot->deadline);
    else if (slot->is_clean && !is_with_us_alone(slot))
        timer_start(pub->timers, &slot->again, AGAIN_MIN_MS, 0); /* the sender isn't done yet */
    else if (nats_link_is_up(pub->link))
        resend(slot);
    else if (nats_hold_link_may_come(&pub->hold, now_of(pub)) ||
             atomic_load(&slot->out->attempts) > 0)
        timer_start(pub->timers, &slot->again, LINK_AGAIN_MS, 0); /* the reconnect sends it */
    else
        (void)answer_slot(pub, slot->out->slot, slot->out->open_state, ANSWER_NOT_SENT,
                          NATS_ANSWER_GARBAGE, NULL);
}

static void on_answer(struct mail *mail)
{
    struct slot *slot = CONTAINER_OF(mail, struct slot, letter);
    uint32_t attempts = atomic_load(&slot->out->attempts);
    struct publish_result result = { .outcome = PUBLISH_UNAVAILABLE };
    bool is_final = attempts == 0;
    if (is_held(slot, attempts)) {
        /* Given away once and sent once: nothing more of it can leave by itself. */
        slot->is_clean = slot->handed <= 1 || is_with_us_alone(slot);
        ask_again(slot);
        return;
    }
    if (slot->answer == ANSWER_SERVER)
        is_final = nats_publish_is_final(slot->server_answer, &slot->ack, attempts, &result);
    else if (slot->answer == ANSWER_OVERSIZE)
        result.outcome = PUBLISH_TOO_LARGE;
    if (slot->answer == ANSWER_SERVER && slot->server_answer == NATS_ANSWER_ACK)
        nats_hold_answered(&slot->pub->hold, slot->partition);
    if (is_final)
        finish(slot, result);
    else if (!slot->deadline.is_active || is_too_late(slot->out)) /* while the letter was coming */
        finish(slot, (struct publish_result){ .outcome = PUBLISH_UNKNOWN });
    else
        ask_again(slot);
}

static void on_deadline(struct timer *timer)
{
    struct slot *slot = CONTAINER_OF(timer, struct slot, deadline);
    uint64_t open_state = slot->out->open_state, expected = open_state;
    if (!atomic_compare_exchange_strong(&slot->state, &expected,
                                        open_state - STATE_OPEN + STATE_FREE))
        return; /* an answer's letter is on its way */
    forget_attempts(slot);
    finish(slot, (struct publish_result){ .outcome = atomic_load(&slot->out->is_touched)
                                                         ? PUBLISH_UNKNOWN
                                                         : PUBLISH_UNAVAILABLE });
}

static void on_link(void *closure, bool is_up)
{
    struct nats_publisher *pub = closure;
    uint32_t epoch = nats_link_epoch(pub->link);
    size_t count = 0;
    nats_hold_link(&pub->hold, is_up, now_of(pub));
    for (uint32_t i = 0; is_up && pub->in_flight > 0 && i < pub->slot_count; i++) {
        struct slot *slot = &pub->slots[i];
        if (!slot->out || atomic_load(&slot->out->is_queued) ||
            atomic_load(&slot->out->sent_epoch) == epoch)
            continue;
        if (is_too_late(slot->out)) {
            on_deadline(&slot->deadline);
            continue;
        }
        resend(slot);
        count++;
    }
    if (count > 0)
        log_info("nats.publishes_resent", LOG_UINT("count", count));
}

static struct outgoing *outgoing_create(struct nats_publisher *pub, struct slot *slot, natsMsg *msg)
{
    struct outgoing *out = calloc(1, sizeof *out);
    if (!out)
        return NULL;
    out->op.run = send_message;
    out->pub = pub;
    out->msg = msg;
    out->slot = (uint32_t)(slot - pub->slots);
    out->open_state = (atomic_load(&slot->state) >> STATE_BITS) << STATE_BITS | STATE_OPEN;
    atomic_init(&out->refs, 1);
    return out;
}

static enum rc build(struct nats_publisher *pub, struct slot *slot,
                     const struct publish_request *request)
{
    char reply[NATS_SUBJECT_MAX];
    natsMsg *msg = NULL;
    (void)snprintf(reply, sizeof reply, "%s.%u-%llu", pub->inbox, (unsigned)(slot - pub->slots),
                   (unsigned long long)(atomic_load(&slot->state) >> STATE_BITS));
    TRY(nats_publish_message(request, reply, &msg));
    slot->out = outgoing_create(pub, slot, msg);
    if (!slot->out) {
        natsMsg_Destroy(msg);
        return RC_NOMEM;
    }
    return RC_OK;
}

enum rc nats_publisher_publish(struct nats_publisher *pub, const struct publish_request *request,
                               publish_done_fn *done, void *closure)
{
    if (pub->is_closing)
        return RC_UNAVAILABLE;
    if (pub->free_slot == pub->slot_count)
        return RC_FULL;
    struct slot *slot = &pub->slots[pub->free_slot];
    TRY(build(pub, slot, request));
    pub->free_slot = slot->next_free;
    pub->in_flight++;
    slot->done = done;
    slot->closure = closure;
    slot->out->expires_ms = clock_monotonic_ms(pub->clock) + request->timeout_ms;
    slot->partition = request->partition;
    slot->is_clean = false;
    slot->handed = 0;
    atomic_store(&slot->state, slot->out->open_state);
    timer_start(pub->timers, &slot->deadline,
                request->timeout_ms > 0 ? (uint64_t)request->timeout_ms : 1, 0);
    timer_start(pub->timers, &slot->again, SILENCE_MS, 0);
    if (!nats_link_is_up(pub->link) && nats_hold_link_may_come(&pub->hold, now_of(pub))) {
        timer_start(pub->timers, &slot->again, LINK_AGAIN_MS, 0);
    } else if (!nats_link_is_up(pub->link)) {
        (void)answer_slot(pub, slot->out->slot, slot->out->open_state, ANSWER_NOT_SENT,
                          NATS_ANSWER_GARBAGE, NULL);
    } else {
        enum rc rc = send_slot(slot);
        if (rc != RC_OK) {
            free_slot(slot);
            return rc;
        }
    }
    pub->published++;
    return RC_OK;
}

static enum rc subscribe_inbox(struct nats_publisher *pub)
{
    char subject[NATS_SUBJECT_MAX];
    natsInbox *inbox = NULL;
    natsStatus s = natsInbox_Create(&inbox);
    if (s != NATS_OK)
        return nats_status_rc(s);
    (void)snprintf(pub->inbox, sizeof pub->inbox, "%s", inbox);
    natsInbox_Destroy(inbox);
    (void)snprintf(subject, sizeof subject, "%s.*", pub->inbox);
    s = nats_subs_add(&pub->subs, nats_link_connection(pub->link), subject, on_ack, pub, &pub->sub);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(pub->sub, -1, -1); /* bounded by the slots */
    return nats_status_rc(s);
}

struct nats_publisher *nats_publisher_create(struct nats_link *link, struct loop *loop,
                                             const struct nats_publisher_options *options)
{
    struct nats_publisher *pub = calloc(1, sizeof *pub);
    if (!pub)
        return NULL;
    pub->link = link;
    pub->timers = loop_timers(loop);
    pub->clock = options->clock ? options->clock : clock_system();
    pub->hold.hold_ms = options->hold_ms;
    nats_hold_link(&pub->hold, nats_link_is_up(link), now_of(pub));
    pub->slot_count = (uint32_t)(options->in_flight_max ? options->in_flight_max : IN_FLIGHT_MAX);
    pub->random = (uint64_t)(uintptr_t)pub ^ timers_now_ms(pub->timers);
    nats_subs_init(&pub->subs);
    pub->box = mailbox_create(
        loop, &(struct mailbox_options){ .letters_max = pub->slot_count + 1, .turn_budget = 1024 });
    pub->slots = calloc(pub->slot_count, sizeof *pub->slots);
    for (uint32_t i = 0; pub->slots && i < pub->slot_count; i++) {
        struct slot *slot = &pub->slots[i];
        slot->pub = pub;
        slot->next_free = i + 1;
        slot->letter.run = on_answer;
        slot->deadline.run = on_deadline;
        slot->again.run = on_again;
    }
    pub->listener = (struct nats_link_listener){ .closure = pub, .on_link = on_link };
    nats_link_listen(link, &pub->listener);
    if (!pub->box || !pub->slots || subscribe_inbox(pub) != RC_OK) {
        nats_publisher_destroy(pub);
        return NULL;
    }
    return pub;
}

void nats_publisher_hold_no_more(struct nats_publisher *pub)
{
    pub->hold.hold_ms = 0;
}

void nats_publisher_count(const struct nats_publisher *pub, struct nats_log_counts *out)
{
    out->published = pub->published;
    out->resent = pub->resent;
    out->in_flight = pub->in_flight;
    out->late_answers = atomic_load(&pub->late_answers);
    for (size_t i = 0; i < COUNT_OF(pub->outcomes); i++)
        out->outcomes[i] = pub->outcomes[i];
}

/* Answers what is open. No answer can come any more: the inbox is gone, the sender has run dry. */
static void finish_all(struct nats_publisher *pub)
{
    for (uint32_t i = 0; pub->slots && i < pub->slot_count; i++) {
        struct slot *slot = &pub->slots[i];
        if (!slot->out)
            continue;
        finish(slot, (struct publish_result){ .outcome = atomic_load(&slot->out->attempts) > 0
                                                             ? PUBLISH_UNKNOWN
                                                             : PUBLISH_UNAVAILABLE });
    }
}

void nats_publisher_destroy(struct nats_publisher *pub)
{
    if (!pub)
        return;
    pub->is_closing = true; /* who is answered below may want to publish again */
    nats_link_unlisten(&pub->listener);
    nats_link_drain_ops(pub->link);
    nats_link_bury(pub->link, pub->sub);
    nats_subs_wait(&pub->subs);
    mailbox_destroy(pub->box); /* runs the letters that are left */
    finish_all(pub);
    nats_subs_fini(&pub->subs);
    free(pub->slots);
    free(pub);
}
