/* nats_feed_messages.c - messages from nats.c's delivery thread to the loop: read, checked, posted.
 * A letter owns its message until the loop has handled it: bytes are not copied. */
#include "adapters/nats/nats_feed_priv.h"

#include "base/log.h"
#include "wire/subjects.h"

enum { DROPS_LOG_EVERY_MS = 5000 };

enum letter_kind {
    LETTER_RECORD,
    LETTER_SIGNAL,
    LETTER_PRESENCE,
    LETTER_HEADS,
    LETTER_APPLIED,
    LETTER_CONTROL
};

struct letter {
    struct mail mail;
    struct nats_feed *feed;
    natsMsg *msg;
    enum letter_kind kind;
    union {
        struct log_record record;
        struct live_signal signal;
        struct presence_record presence;
        uint32_t partition;
        struct bytes name;
    };
};

static struct bytes payload_of(natsMsg *msg)
{
    return bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
}

static void run_letter(struct mail *mail)
{
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    struct nats_feed *feed = letter->feed;
    const struct live_feed_events *on = &feed->events;
    if (!feed->is_closing) {
        switch (letter->kind) {
        case LETTER_RECORD:
            feed->records++;
            if (on->on_record)
                on->on_record(on->closure, &letter->record);
            break;
        case LETTER_SIGNAL:
            feed->signals++;
            if (on->on_signal)
                on->on_signal(on->closure, &letter->signal);
            break;
        case LETTER_PRESENCE:
            feed->presence++;
            if (on->on_presence)
                on->on_presence(on->closure, &letter->presence);
            break;
        case LETTER_HEADS:
            if (on->on_heads)
                on->on_heads(on->closure, letter->partition, payload_of(letter->msg));
            break;
        case LETTER_APPLIED:
            if (on->on_applied)
                on->on_applied(on->closure, letter->partition, payload_of(letter->msg));
            break;
        case LETTER_CONTROL:
            if (on->on_control)
                on->on_control(on->closure, letter->name, payload_of(letter->msg));
            break;
        }
    }
    natsMsg_Destroy(letter->msg);
    free(letter);
}

/* receipt.<p>.<conversation>.<user>.<session>, the subject that a watermark was stored under. */
static bool read_receipt(struct bytes subject, struct live_signal *signal)
{
    const uint8_t *at = subject.ptr, *end = at + subject.len;
    struct bytes tokens[5];
    size_t count = 0;
    while (count < 5 && at <= end && subject.len > 0) {
        const uint8_t *dot = memchr(at, '.', (size_t)(end - at));
        const uint8_t *stop = dot ? dot : end;
        tokens[count++] = bytes_make(at, (size_t)(stop - at));
        if (!dot)
            break;
        at = dot + 1;
    }
    return count == 5 && bytes_is(tokens[0], "receipt") && id_read(tokens[3], &signal->user) &&
           id_read(tokens[4], &signal->session);
}

static bool read_signal(natsMsg *msg, uint32_t partition, enum subject_kind kind,
                        const struct id *owner, struct letter *letter)
{
    letter->kind = LETTER_SIGNAL;
    letter->signal = (struct live_signal){
        .partition = partition, .kind = (char)kind, .owner = *owner, .payload = payload_of(msg)
    };
    return kind == SUBJECT_SIGNAL ||
           read_receipt(nats_header(msg, "Nats-Subject"), &letter->signal);
}

/* live.<p>.<kind>.<id>. A record must be a copy of what its stream stored under that name: anyone
 * who may publish signals could write the headers, but not on this subject (NATS permissions). */
static bool read_live(natsMsg *msg, struct bytes subject, struct letter *letter)
{
    uint32_t partition;
    enum subject_kind kind;
    struct id owner;
    if (nats_presence_split(subject, "live.presence.", &letter->presence)) {
        letter->kind = LETTER_PRESENCE;
        nats_presence_read(msg, &letter->presence);
        return true;
    }
    if (!subject_split(subject, &partition, &kind, &owner))
        return false;
    if (kind == SUBJECT_SIGNAL || kind == SUBJECT_RECEIPT)
        return read_signal(msg, partition, kind, &owner, letter);
    letter->kind = LETTER_RECORD;
    if (!nats_record_read(msg, &letter->record))
        return false;
    letter->record.prev = nats_header_u64(msg, "Nats-Last-Sequence");
    return letter->record.partition == partition && letter->record.kind == (char)kind &&
           id_equal(&letter->record.owner, &owner);
}

static bool read_announcement(struct bytes subject, struct letter *letter)
{
    static const struct {
        const char *prefix;
        enum letter_kind kind;
    } rows[] = { { "heads.", LETTER_HEADS },
                 { "applied.", LETTER_APPLIED },
                 { "ctl.", LETTER_CONTROL } };
    uint64_t partition;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!bytes_starts(subject, rows[i].prefix))
            continue;
        size_t skip = strlen(rows[i].prefix);
        letter->kind = rows[i].kind;
        letter->name = bytes_make(subject.ptr + skip, subject.len - skip);
        if (letter->kind == LETTER_CONTROL)
            return true;
        if (!bytes_to_u64(letter->name, UINT32_MAX, &partition))
            return false;
        letter->partition = (uint32_t)partition;
        return true;
    }
    return false;
}

static void drop(struct nats_feed *feed)
{
    uint64_t dropped = atomic_fetch_add(&feed->dropped, 1) + 1;
    log_warn_every(DROPS_LOG_EVERY_MS, "nats.feed_dropped", LOG_UINT("dropped", dropped));
    nats_link_raise_boundary(feed->link);
}

void nats_feed_on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    struct nats_feed *feed = closure;
    struct bytes subject = bytes_of(natsMsg_GetSubject(msg));
    struct letter *letter = malloc(sizeof *letter);
    (void)nc, (void)sub;
    if (!letter) {
        natsMsg_Destroy(msg);
        drop(feed);
        return;
    }
    letter->mail.run = run_letter;
    letter->feed = feed;
    letter->msg = msg;
    bool is_good = bytes_starts(subject, "live.") ? read_live(msg, subject, letter)
                                                  : read_announcement(subject, letter);
    enum rc rc = is_good ? mailbox_post(feed->box, &letter->mail) : RC_INVALID;
    if (rc == RC_OK)
        return;
    natsMsg_Destroy(msg);
    free(letter);
    if (is_good)
        drop(feed);
    else
        atomic_fetch_add(&feed->refused, 1);
}
