/* cmd_replay.c - a conversation's log as of a seq or a time: its events, or the messages they make.
 *
 * Read as REST reads it: the store up to its applied seq, the log's tail after it; so it works for
 * the recent past with the store lagging, and for all of the past without the log. Output is one
 * JSON object a line, oldest first, in both forms.
 */
#include <stdlib.h>

#include "adapters/nats/nats_log.h"
#include "app/reading.h"
#include "base/map.h"
#include "base/rc.h"
#include "ctl_nats.h"
#include "store.h"
#include "wire/rest_json.h"

enum { PAGE_EVENTS = 500, LINE_BYTES_MAX = 1 << 20, STATE_BYTES_MAX = 1 << 30 };

/* A message as the events so far make it. */
struct entry {
    struct rest_message message;
    uint64_t edit_seq, pin_seq, delete_seq;
};

struct replay {
    struct reading reading;
    struct id conversation;
    uint64_t until_seq;
    int64_t until_us;
    bool is_state;
    /* the state */
    struct arena arena;
    struct map by_seq;  /* seq as decimal text -> entry */
    struct map aliases; /* seq of a double -> entry of the first */
    struct entry **order;
    size_t count, room;
};

static int print_line(struct buf *line)
{
    buf_add_byte(line, '\n');
    return ctl_print(line);
}

static int print_event(const struct event *event)
{
    SCOPED_BUF(line, LINE_BYTES_MAX);

    rest_event_write(&line, event);
    return print_line(&line);
}

static struct bytes seq_key(uint64_t seq, char text[24])
{
    return bytes_make(text, (size_t)snprintf(text, 24, "%llu", (unsigned long long)seq));
}

/* What an event about a message is about: the message itself, or the first of a double. */
static struct entry *find_entry(const struct replay *r, uint64_t seq)
{
    char text[24];
    struct bytes key = seq_key(seq, text);
    struct entry *entry = map_get(&r->by_seq, key);

    return entry ? entry : map_get(&r->aliases, key);
}

static enum rc add_entry(struct replay *r, const struct event *event)
{
    char text[24];
    struct entry *entry = arena_alloc(&r->arena, sizeof *entry);
    struct bytes payload = arena_copy(&r->arena, event->payload);

    if (!entry || !payload.ptr)
        return RC_NOMEM;
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 1024;
        struct entry **order = realloc(r->order, room * sizeof *order);
        if (!order)
            return RC_NOMEM;
        r->order = order;
        r->room = room;
    }
    entry->message =
        (struct rest_message){ .payload = payload, .seq = event->seq, .at_us = event->at_us };
    r->order[r->count++] = entry;
    return map_put(&r->by_seq, seq_key(event->seq, text), entry);
}

static enum rc change_entry(struct replay *r, struct entry *entry, const struct event *event)
{
    if (event->kind == EVENT_MESSAGE_EDITED && event->seq > entry->edit_seq) {
        entry->edit_seq = event->seq;
        entry->message.edited_at_us = event->at_us;
        entry->message.edit_payload = arena_copy(&r->arena, event->payload);
        return entry->message.edit_payload.ptr ? RC_OK : RC_NOMEM;
    }
    if (event->kind == EVENT_MESSAGE_DELETED && entry->delete_seq == 0) {
        entry->delete_seq = event->seq;
        entry->message.deleted_at_us = event->at_us;
    }
    if (event->kind == EVENT_MESSAGE_PINNED || event->kind == EVENT_MESSAGE_UNPINNED)
        entry->message.is_pinned = event->kind == EVENT_MESSAGE_PINNED;
    return RC_OK;
}

static enum rc fold(struct replay *r, const struct event *event)
{
    char text[24];
    struct entry *entry;

    if (event->kind == EVENT_MESSAGE_NEW)
        return add_entry(r, event);
    if (event->kind == EVENT_VOID && event->of_seq != 0) {
        entry = find_entry(r, event->of_seq);
        return entry ? map_put(&r->aliases, seq_key(event->seq, text), entry) : RC_OK;
    }
    entry = event->target_seq ? find_entry(r, event->target_seq) : NULL;
    return entry ? change_entry(r, entry, event) : RC_OK;
}

/* One page. *after moves on; *is_end: nothing more is to come. */
static int take_page(struct replay *r, uint64_t *after, bool *is_end)
{
    SCOPED_ARENA(arena, VIEW_ARENA_BYTES);
    struct conversation_view view;
    struct event *events;
    size_t count;
    enum rc rc = view_open(&r->reading, &r->conversation, &arena, &view);

    if (rc == RC_OK)
        rc = view_events(&view, *after, PAGE_EVENTS, &events, &count);
    if (rc == RC_NOT_FOUND)
        return ctl_fail("%s: no such conversation", r->conversation.text);
    if (rc != RC_OK)
        return ctl_fail("%s: %s", r->conversation.text, rc_name(rc));
    for (size_t i = 0; i < count && !*is_end; i++) {
        *is_end = events[i].seq > r->until_seq || events[i].at_us > r->until_us;
        if (*is_end)
            break;
        *after = events[i].seq;
        if (r->is_state ? fold(r, &events[i]) != RC_OK : print_event(&events[i]) != CTL_OK)
            return r->is_state ? ctl_fail("out of memory") : CTL_FAILED;
    }
    *is_end = *is_end || count == 0;
    return CTL_OK;
}

static int print_state(struct replay *r)
{
    int code = CTL_OK;

    for (size_t i = 0; i < r->count && code == CTL_OK; i++) {
        SCOPED_BUF(line, LINE_BYTES_MAX);
        if (rest_message_write(&line, &r->order[i]->message, false) != RC_OK)
            code =
                ctl_fail("seq %llu can't be written", (unsigned long long)r->order[i]->message.seq);
        else
            code = print_line(&line);
    }
    return code;
}

static int replay_all(struct replay *r)
{
    uint64_t after = 0;
    bool is_end = false;
    int code = CTL_OK;

    arena_init(&r->arena, STATE_BYTES_MAX);
    map_init(&r->by_seq);
    map_init(&r->aliases);
    while (code == CTL_OK && !is_end)
        code = take_page(r, &after, &is_end);
    if (code == CTL_OK && r->is_state)
        code = print_state(r);
    map_fini(&r->aliases);
    map_fini(&r->by_seq);
    arena_fini(&r->arena);
    free(r->order);
    return code;
}

static int replay_from(const struct ctl *ctl, struct replay *r)
{
    const struct message_store *messages;
    struct store *store = NULL;
    struct nats_link *link = ctl_nats_open(ctl);
    const struct nats_log_options options = { .link = link };
    struct nats_log *log = link ? nats_log_create(&options) : NULL;
    int code = CTL_FAILED;

    if (log && ctl_store_open(ctl, &store, &messages)) {
        struct event_log port = nats_log_port(log);
        r->reading = (struct reading){ .log = &port,
                                       .store = messages,
                                       .partitions = (uint32_t)ctl->config->streams.partitions,
                                       .generation = (uint32_t)ctl->config->streams.generation };
        code = replay_all(r);
    }
    store_close(store);
    nats_log_destroy(log);
    nats_link_destroy(link);
    return code;
}

int cmd_replay(const struct ctl *ctl, int argc, char **argv)
{
    const char *conversation = NULL, *until = NULL, *at = NULL;
    struct replay r = { .until_seq = UINT64_MAX, .until_us = INT64_MAX };
    const struct ctl_option options[] = { { "conversation", &conversation, NULL },
                                          { "until", &until, NULL },
                                          { "at", &at, NULL },
                                          { "state", NULL, &r.is_state } };

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc > 1 || !conversation || (until && at))
        return ctl_usage("replay --conversation ID [--until SEQ | --at TIME] [--state]");
    if (!id_read(bytes_of(conversation), &r.conversation))
        return ctl_usage("--conversation: \"%.80s\" is no id", conversation);
    if (until && !bytes_to_u64(bytes_of(until), UINT64_MAX, &r.until_seq))
        return ctl_usage("--until: \"%s\" is no seq", until);
    if (at && !rfc3339_read(bytes_of(at), &r.until_us))
        return ctl_usage("--at: \"%s\" is no time such as 2026-01-02T03:04:05Z", at);
    return replay_from(ctl, &r);
}
