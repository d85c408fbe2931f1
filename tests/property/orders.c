#include "property/orders.h"

#include "contract/store/state_text.h"
#include "ports/log_consumer.h"

#include <stdio.h>
#include <stdlib.h>

enum { STATE_BYTES_MAX = 32 << 20 };

static const char *const rooms[] = { "room-a", "room-b", "room-c" };
static const char *const users[] = { "ann", "bob", "cyd", "dan" };
static const char *const client_ids[] = { "c1", "c2", "c3" };
static const char *const texts[] = { "{\"text\":\"x\"}", "{\"text\":\"y\"}" };

unsigned orders_seen[APPLIED_DISPLACED + 1];

/* xorshift64*: the same steps on every machine. */
uint32_t orders_below(struct generator *g, uint32_t bound)
{
    g->state ^= g->state >> 12;
    g->state ^= g->state << 25;
    g->state ^= g->state >> 27;
    return (uint32_t)((g->state * 0x2545f4914f6cdd1dULL) >> 33) % bound;
}

#define PICK(g, array) (array)[orders_below((g), COUNT_OF(array))]

/* A double's withdrawal as a persister writes it: of a message, naming a lower one of its group; or
 * one whose first is no longer in the log. */
static struct event some_withdrawal(struct generator *g, uint64_t seq, size_t made)
{
    for (int tries = 0; tries < 20 && made; tries++) {
        const struct event *late = &g->steps[orders_below(g, (uint32_t)made)].event;
        const struct event *first = &g->steps[orders_below(g, (uint32_t)made)].event;
        bool is_group = late->seq && first->seq && /* not a feed's place */
                        late->kind == EVENT_MESSAGE_NEW && first->kind == EVENT_MESSAGE_NEW &&
                        id_equal(&late->conversation, &first->conversation) &&
                        id_equal(&late->actor, &first->actor) &&
                        id_equal(&late->client_id, &first->client_id) &&
                        memcmp(late->body_hash, first->body_hash, BODY_HASH_BYTES) == 0;
        if (is_group && first->seq < late->seq)
            return in(late->conversation.text, a_withdrawal(seq, late->seq, first->seq));
        if (late->seq > 1 && late->kind == EVENT_MESSAGE_NEW && orders_below(g, 30) == 0)
            return in(late->conversation.text, a_withdrawal(seq, late->seq, 1));
    }
    return a_void(seq, "refused");
}

static struct event a_reaction(struct generator *g, uint64_t seq, uint64_t target)
{
    struct event e = a_message(seq, PICK(g, users), PICK(g, client_ids), "{}");
    e.kind = orders_below(g, 3) ? EVENT_REACTION_ADDED : EVENT_REACTION_REMOVED;
    e.emoji = bytes_of("\xf0\x9f\x91\x8d");
    e.target_seq = target;
    return e;
}

static struct event some_event(struct generator *g, uint64_t seq, size_t made)
{
    uint64_t target =
        orders_below(g, 8) ? 2 + orders_below(g, (uint32_t)seq) : seq + orders_below(g, 5);
    struct event e;
    switch (orders_below(g, 24)) {
    case 0:
        return a_creation(seq, (enum conversation_type)orders_below(g, 3), HISTORY_ALL,
                          PICK(g, users));
    case 1:
        return an_update(seq, (enum history_rule)orders_below(g, 2), PICK(g, users));
    case 2:
        return orders_below(g, 4) ? a_void(seq, "unparseable") : an_end(seq);
    case 3:
    case 4:
        return a_joining(seq, PICK(g, users), (enum member_role)orders_below(g, 4));
    case 5:
        return a_leaving(seq, PICK(g, users));
    case 6:
        return a_role(seq, PICK(g, users), (enum member_role)orders_below(g, 4));
    case 7:
    case 8:
        e = an_edit(seq, target, PICK(g, texts));
        e.client_id = id_of(PICK(g, client_ids));
        return e;
    case 9:
        return a_deletion(seq, target);
    case 10:
    case 11:
        return a_pin(seq, target, orders_below(g, 2));
    case 12:
        return some_withdrawal(g, seq, made);
    case 14:
        return a_reaction(g, seq, target);
    case 13: /* a dead letter that keeps its ids */
        e = a_message(seq, PICK(g, users), PICK(g, client_ids), PICK(g, texts));
        e.kind = EVENT_VOID;
        e.reason = bytes_of("schema");
        return e;
    default:
        e = a_message(seq, PICK(g, users), PICK(g, client_ids), PICK(g, texts));
        e.thread_of = orders_below(g, 5) ? 0 : target;
        return e;
    }
}

/* The seq before it in its conversation, as the log would say, or 0 as if that had aged out. */
static uint64_t prev_of(struct generator *g, const struct event *e, size_t made)
{
    if (orders_below(g, 2))
        return 0;
    for (size_t i = made; i-- > 0;)
        if (!g->steps[i].is_feed && id_equal(&g->steps[i].event.conversation, &e->conversation))
            return g->steps[i].event.seq;
    return 0;
}

/* A conversation stays in its partition, as the hash of its id has it. */
static uint32_t partition_of(const struct id *conversation)
{
    return conversation->text[5] == 'a' ? 0 : 1;
}

void orders_generate(struct generator *g, uint64_t seed)
{
    *g = (struct generator){ .state = seed * 0x9e3779b97f4a7c15ULL + 1 };
    g->last_seq[0] = g->last_seq[1] = 1;
    for (size_t i = 0; i < ORDERS_EVENTS; i++) {
        struct step *step = &g->steps[i];
        struct id room = id_of(PICK(g, rooms));
        step->partition = partition_of(&room);
        uint64_t seq = ++g->last_seq[step->partition];
        step->is_feed = orders_below(g, 12) == 0;
        if (step->is_feed) {
            struct id user =
                id_of(users[step->partition * 2 + orders_below(g, 2)]); /* has one, too */
            step->feed = (struct user_feed_entry){ user, seq, room, seq / 2 };
            continue;
        }
        struct event e = some_event(g, seq, i);
        if (e.kind != EVENT_MESSAGE_WITHDRAWN || !id_equal(&e.conversation, &room))
            e.conversation = e.kind == EVENT_MESSAGE_WITHDRAWN ? e.conversation : room;
        if (partition_of(&e.conversation) != step->partition) /* a withdrawal from elsewhere */
            e = in(room.text, a_void(seq, "refused"));
        e.at_us += (int64_t)orders_below(g, 3) * 1500000; /* clocks step */
        e.prev = prev_of(g, &e, i);
        step->event = e;
    }
}

/* Applies the named steps, all of one partition, in the order given. */
enum rc orders_apply(const struct message_store *store, const struct generator *g,
                     const size_t *order, size_t count, struct applied_result *results)
{
    struct event events[ORDERS_EVENTS * 2];
    struct user_feed_entry feed[ORDERS_EVENTS * 2];
    struct store_batch batch = { .generation = ORDERS_GENERATION,
                                 .partition = g->steps[order[0]].partition,
                                 .events = events,
                                 .feed = feed };
    for (size_t i = 0; i < count; i++) {
        const struct step *step = &g->steps[order[i]];
        if (step->is_feed)
            feed[batch.feed_count++] = step->feed;
        else
            events[batch.event_count++] = step->event;
    }
    return store->apply(store->self, &batch, results);
}

/* Every step once or twice, shuffled, cut into batches of one partition each. */
size_t orders_shuffled(struct generator *g, size_t *order)
{
    size_t count = 0;
    for (size_t i = 0; i < ORDERS_EVENTS; i++)
        for (uint32_t times = 1 + (orders_below(g, 4) == 0); times; times--)
            order[count++] = i;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = orders_below(g, (uint32_t)i + 1);
        size_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    return count;
}

size_t orders_in_order(size_t *order)
{
    for (size_t i = 0; i < ORDERS_EVENTS; i++)
        order[i] = i;
    return ORDERS_EVENTS;
}

static void must_apply(const struct message_store *store, const struct generator *g,
                       const size_t *order, size_t count, struct applied_result *results)
{
    CHECK_RC(RC_OK, orders_apply(store, g, order, count, results));
}

/* Cuts off one batch of one partition. */
size_t orders_cut(struct generator *g, const size_t *order, size_t count)
{
    size_t n = 1, most = 1 + orders_below(g, 25);
    while (n < most && n < count && g->steps[order[n]].partition == g->steps[order[0]].partition)
        n++;
    return n;
}

/* Applies to one store, or to two and compares what they answer. */
void orders_apply_all(struct generator *g, const size_t *order, size_t count,
                      const struct message_store *a, const struct message_store *b)
{
    struct applied_result from_a[ORDERS_EVENTS * 2], from_b[ORDERS_EVENTS * 2];
    for (size_t at = 0; at < count;) {
        size_t n = 1, most = 1 + orders_below(g, 25);
        while (n < most && at + n < count &&
               g->steps[order[at + n]].partition == g->steps[order[at]].partition)
            n++;
        memset(from_a, 0, sizeof from_a);
        memset(from_b, 0, sizeof from_b);
        must_apply(a, g, order + at, n, from_a);
        must_apply(b, g, order + at, n, from_b);
        for (size_t i = 0; i < n; i++) {
            orders_seen[from_a[i].as]++;
            CHECK_INT(from_a[i].as, from_b[i].as);
            CHECK_U64(from_a[i].of_seq, from_b[i].of_seq);
        }
        at += n;
    }
}

/* Prints the first line that differs, which says more than two long texts. */
void orders_check_same(struct bytes wanted, struct bytes got, const char *what, uint64_t seed)
{
    size_t line = 0;
    if (bytes_equal(wanted, got))
        return;
    for (size_t i = 0; i < wanted.len && i < got.len && wanted.ptr[i] == got.ptr[i]; i++)
        if (wanted.ptr[i] == '\n')
            line = i + 1;
    (void)fprintf(stderr, "seed %llu, %s\nwanted: %.300s\ngot:    %.300s\n",
                  (unsigned long long)seed, what, (const char *)wanted.ptr + line,
                  (const char *)got.ptr + line);
    CHECK(!"the states are the same");
}

void orders_read_state(struct buf *out, const struct message_store *store)
{
    const struct state_names names = { rooms,
                                       COUNT_OF(rooms),
                                       users,
                                       COUNT_OF(users),
                                       client_ids,
                                       COUNT_OF(client_ids),
                                       ORDERS_GENERATION,
                                       ORDERS_PARTITIONS,
                                       ORDERS_EVENTS + 5 };
    buf_init(out, STATE_BYTES_MAX);
    state_text(out, store, &names);
    buf_add_byte(out, 0);
}

struct seeds orders_seeds(uint64_t count)
{
    const char *chosen = getenv("PARLEY_SEED");
    uint64_t seed = chosen ? strtoull(chosen, NULL, 10) : 0;
    return chosen ? (struct seeds){ seed, seed } : (struct seeds){ 1, count };
}
