/* pages.c - reading REST pages into trails. */
#include "pages.h"

#include <inttypes.h>
#include <stdio.h>

#include "client.h"

#define PAGE 100

static bool get_page(struct http *http, const char *path, const char *token,
                     struct bytes *out_items)
{
    struct bytes body;
    unsigned status = http_call(http, "GET", path, token, bytes_of(""), &body);
    *out_items = scan_field(body, "items");
    if (status == 200 && out_items->len)
        return true;
    fprintf(stderr, "GET %s answered %u: %.*s\n", path, status,
            (int)(body.len < 300 ? body.len : 300), (const char *)body.ptr);
    return false;
}

bool pages_events(struct http *http, const char *conversation, const char *token, uint64_t after,
                  struct trail *out, struct tally *tally)
{
    char path[256];
    uint64_t last = after;
    for (;;) {
        struct bytes items, item;
        size_t at = 0, count = 0;
        snprintf(path, sizeof path, "/v1/conversations/%s/events?after=%" PRIu64 "&limit=%d",
                 conversation, last, PAGE);
        if (!get_page(http, path, token, &items))
            return false;
        while (scan_next(items, &at, &item)) {
            struct event ev;
            tally->malformed += !scan_event(item, &ev) || !ev.has_seq;
            struct row row = row_of(&ev);
            (void)trail_see(out, tally, ev.prev, &row); /* doubles are in the tally */
            last = ev.seq > last ? ev.seq : last;
            count++;
        }
        if (count == 0)
            return true;
    }
}

/* A message of a page: no type, no prev. */
static struct row message_row(const struct event *ev)
{
    return (struct row){ .seq = ev->seq,
                         .who = who_of(ev->sender, ev->client_message_id),
                         .what = what_of(ev->text, ev->kind, ev->metadata) };
}

/* Takes one page; *edge moves to the seq that the next page starts from. */
static size_t take_page(struct bytes items, bool is_backward, uint64_t *edge, struct trail *out,
                        struct tally *tally)
{
    struct bytes item;
    size_t at = 0, count = 0;
    while (scan_next(items, &at, &item)) {
        struct event ev;
        tally->malformed += !scan_event(item, &ev) || !ev.has_seq;
        bool is_ahead = is_backward ? ev.seq < *edge : ev.seq > *edge;
        if (!is_ahead) {
            bool seen = trail_find(out, ev.seq) != NULL;
            tally->doubled += seen;
            tally->out_of_order += !seen;
            if (seen)
                continue;
        }
        struct row row = message_row(&ev);
        trail_fill(out, &row);
        *edge = ev.seq;
        count++;
    }
    return count;
}

bool pages_messages(struct http *http, const char *conversation, const char *token,
                    bool is_backward, struct trail *out, struct tally *tally)
{
    char path[256];
    uint64_t edge = is_backward ? (1ull << 53) - 1 : 0;
    for (;;) {
        struct bytes items;
        snprintf(path, sizeof path, "/v1/conversations/%s/messages?%s=%" PRIu64 "&limit=%d",
                 conversation, is_backward ? "before" : "after", edge, PAGE);
        if (!get_page(http, path, token, &items))
            return false;
        if (take_page(items, is_backward, &edge, out, tally) == 0)
            return true;
    }
}
