/* rig_links.c - sockets: what was sent on each, and how much it takes. */
#include "unit/gateway/rig.h"

#include <stdio.h>
#include <stdlib.h>

static struct rig_link *find_link(struct client_links *links, struct link_id id)
{
    struct rig_node *node = CONTAINER_OF(links, struct rig_node, links);
    struct rig *r = node->rig;
    struct rig_link *link = id.index < r->link_count ? r->all_links[id.index] : NULL;
    return link && !link->is_gone ? link : NULL;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void parse_said(struct rig_said *said)
{
    unsigned long long seq, prev;
    const char *conversation = strstr(said->text, "\"conversationId\":\"");
    if (said->text[0] != 0x7b || said->text[strlen(said->text) - 1] != 0x7d)
        print_error("no whole object: %s\n", said->text);
    CHECK(said->text[0] == '{' && said->text[strlen(said->text) - 1] == '}');
    if (!starts(said->text, "{\"seq\":") ||
        sscanf(said->text, "{\"seq\":%llu,\"prev\":%llu", &seq, &prev) != 2)
        return;
    CHECK(conversation != NULL);
    conversation += strlen("\"conversationId\":\"");
    said->is_event = true;
    said->seq = seq;
    said->prev = prev;
    CHECK(id_read(bytes_make(conversation, (size_t)(strchr(conversation, '"') - conversation)),
                  &said->conversation));
}

static void hear(struct rig_link *link, struct bytes line)
{
    alloc_fault_pause();
    if (link->said_count == link->said_cap) {
        link->said_cap = link->said_cap ? link->said_cap * 2 : 8;
        link->said = realloc(link->said, link->said_cap * sizeof *link->said);
        CHECK(link->said != NULL);
    }
    struct rig_said *said = &link->said[link->said_count++];
    *said = (struct rig_said){ .text = malloc(line.len + 1) };
    CHECK(said->text != NULL);
    memcpy(said->text, line.ptr, line.len);
    said->text[line.len] = 0;
    parse_said(said);
    alloc_fault_resume();
}

static enum rc link_take(struct client_links *links, struct link_id id, struct frame *frame)
{
    struct rig_link *link = find_link(links, id);
    struct bytes rest = frame_text(frame), line;
    if (!link || link->is_closing)
        return RC_NOT_FOUND;
    CHECK(link->is_open);
    if (link->room == 0) {
        link->owes_writable = true;
        return RC_FULL;
    }
    if (link->room != SIZE_MAX)
        link->room--;
    link->frames++;
    while (frame_next_line(&rest, &line))
        hear(link, line);
    return RC_OK;
}

static void want_writable(struct client_links *links, struct link_id id)
{
    struct rig_link *link = find_link(links, id);
    if (link)
        link->owes_writable = true;
}

static void close_link(struct client_links *links, struct link_id id, uint16_t code,
                       struct bytes reason)
{
    struct rig_link *link = find_link(links, id);
    if (!link || link->is_closing)
        return;
    link->is_closing = true;
    link->close_code = code;
    (void)snprintf(link->close_reason, sizeof link->close_reason, "%.*s", BYTES_ARG(reason));
}

static void pause_link(struct client_links *links, struct link_id id)
{
    struct rig_link *link = find_link(links, id);
    if (link) {
        link->is_paused = true;
        link->pauses++;
    }
}

static void resume_link(struct client_links *links, struct link_id id)
{
    struct rig_link *link = find_link(links, id);
    if (link)
        link->is_paused = false;
}

static const struct client_links_ops ops = { link_take, want_writable, close_link, pause_link,
                                             resume_link };

void rig_links_init(struct rig_node *node)
{
    node->links.ops = &ops;
}

static void end_link(struct rig_link *link)
{
    struct rig_node *node = &link->rig->nodes[link->node];
    if (link->is_gone)
        return;
    link->is_gone = true;
    if (link->user)
        node->sink.on_close(node->sink.app, link->id, link->user);
    link->user = NULL;
}

bool rig_links_turn(struct rig *r)
{
    bool any = false;
    for (size_t i = 0; i < r->link_count; i++) {
        struct rig_link *link = r->all_links[i];
        struct rig_node *node = &r->nodes[link->node];
        if (link->is_gone)
            continue;
        if (link->is_closing) {
            end_link(link);
            any = true;
        } else if (link->owes_writable && link->room && link->is_open) {
            link->owes_writable = false;
            node->sink.on_writable(node->sink.app, link->id, link->user);
            any = true;
        }
    }
    return any;
}

void rig_links_fini(struct rig *r)
{
    for (size_t i = 0; i < r->link_count; i++) {
        struct rig_link *link = r->all_links[i];
        end_link(link);
        for (size_t j = 0; j < link->said_count; j++)
            free(link->said[j].text);
        free(link->said);
        free(link);
    }
    free(r->all_links);
    r->all_links = NULL;
    r->link_count = 0;
}

/* ---- what a client does ---- */

static struct rig_link *new_link(struct rig *r, int node)
{
    if (r->link_count == r->link_cap) {
        r->link_cap = r->link_cap ? r->link_cap * 2 : 16;
        r->all_links = realloc(r->all_links, r->link_cap * sizeof *r->all_links);
        CHECK(r->all_links != NULL);
    }
    struct rig_link *link = calloc(1, sizeof *link);
    CHECK(link != NULL);
    link->rig = r;
    link->node = node;
    link->id = (struct link_id){ (uint32_t)r->link_count, 1 };
    link->room = SIZE_MAX;
    r->all_links[r->link_count++] = link;
    return link;
}

struct rig_link *rig_upgrade(struct rig *r, int index, const char *token, const char *cursor)
{
    struct rig_node *node = &r->nodes[index];
    alloc_fault_pause();
    struct rig_link *link = new_link(r, index);
    char authorization[256];
    alloc_fault_resume();
    (void)snprintf(authorization, sizeof authorization, "Bearer %s", token);
    const struct http_param params[] = { { bytes_of("cursor"), bytes_of(cursor) } };
    const struct upgrade_request request = {
        .path = bytes_of("/v1/ws"),
        .host = bytes_of("localhost"),
        .authorization = bytes_of(token ? authorization : NULL),
        .origin = bytes_of(r->origin),
        .cookie = bytes_of(r->cookie),
        .params = params,
        .param_count = cursor ? 1 : 0,
    };
    struct upgrade_decision decision = { 0 };
    node->sink.on_upgrade(node->sink.app, link->id, &request, &decision);
    link->user = decision.user;
    link->http_status = decision.http_status;
    link->close_code = decision.close_code;
    (void)snprintf(link->refusal, sizeof link->refusal, "%.*s", BYTES_ARG(decision.body));
    if (decision.http_status || decision.close_code) {
        (void)snprintf(link->close_reason, sizeof link->close_reason, "%.*s",
                       BYTES_ARG(decision.close_reason));
        link->is_closing = true;
    }
    return link;
}

struct rig_link *rig_connect(struct rig *r, int index, const char *user, const char *cursor)
{
    struct rig_node *node = &r->nodes[index];
    struct rig_link *link = rig_upgrade(r, index, user, cursor);
    if (!link->is_closing) {
        link->is_open = true;
        node->sink.on_open(node->sink.app, link->id, link->user);
    }
    return link;
}

struct rig_link *rig_connect_flowing(struct rig *r, int node, const char *user)
{
    struct rig_link *link = rig_connect(r, node, user, NULL);
    rig_sync(link, NULL);
    rig_settle(r);
    rig_mark(link);
    return link;
}

void rig_say(struct rig_link *link, const char *format, ...)
{
    struct rig_node *node = &link->rig->nodes[link->node];
    static char text[1 << 17];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(len >= 0 && (size_t)len < sizeof text);
    if (!link->is_closing && !link->is_gone)
        node->sink.on_message(node->sink.app, link->id, link->user, bytes_make(text, (size_t)len));
}

void rig_leave_with_cursor(struct rig *r, const char *user, char cursor[CURSOR_TEXT_MAX + 1])
{
    struct rig_link *link = rig_connect_flowing(r, 0, user);
    CHECK(rig_cursor(link, cursor));
    rig_cut(link);
    rig_advance(r, 2000);
}

void rig_sync(struct rig_link *link, const char *cursor)
{
    if (cursor)
        rig_say(link, "{\"type\":\"sync\",\"id\":\"sync\",\"cursor\":\"%s\"}", cursor);
    else
        rig_say(link, "{\"type\":\"sync\",\"id\":\"sync\"}");
}

void rig_stall(struct rig_link *link, size_t room)
{
    link->room = room;
}

void rig_drain(struct rig_link *link)
{
    link->room = SIZE_MAX;
}

void rig_cut(struct rig_link *link)
{
    end_link(link);
}

/* ---- what a client heard ---- */

void rig_mark(struct rig_link *link)
{
    link->mark = link->said_count;
}

const char *rig_find(const struct rig_link *link, const char *part)
{
    for (size_t i = link->mark; i < link->said_count; i++)
        if (strstr(link->said[i].text, part))
            return link->said[i].text;
    return NULL;
}

bool rig_heard(const struct rig_link *link, const char *part)
{
    return rig_find(link, part) != NULL;
}

size_t rig_count(const struct rig_link *link, const char *part)
{
    size_t count = 0;
    for (size_t i = link->mark; i < link->said_count; i++)
        count += strstr(link->said[i].text, part) != NULL;
    return count;
}

static bool is_event_of(const struct rig_said *said, const char *conversation)
{
    return said->is_event && bytes_is(id_bytes(&said->conversation), conversation);
}

size_t rig_event_count(const struct rig_link *link, const char *conversation)
{
    size_t count = 0;
    for (size_t i = link->mark; i < link->said_count; i++)
        count += is_event_of(&link->said[i], conversation);
    return count;
}

void rig_check_events(const struct rig_link *link, const char *conversation, const char *file,
                      int line, ...)
{
    va_list args;
    uint64_t base = generation_base(RIG_GENERATION);
    char text[64];
    va_start(args, line);
    for (size_t i = link->mark; i < link->said_count; i++) {
        if (!is_event_of(&link->said[i], conversation))
            continue;
        uint64_t wanted = va_arg(args, uint64_t);
        (void)snprintf(text, sizeof text, "seq (base + …) of an event of %s", conversation);
        check_u64(wanted ? wanted - base : 0, link->said[i].seq - base, text, file, line);
        if (!wanted)
            break;
    }
    uint64_t left = va_arg(args, uint64_t);
    va_end(args);
    check_u64(0, left ? left - base : 0, "an event that never came", file, line);
}

bool rig_cursor(const struct rig_link *link, char out[CURSOR_TEXT_MAX + 1])
{
    for (size_t i = link->said_count; i-- > 0;) {
        const char *at = strstr(link->said[i].text, "\"cursor\":\"");
        if (!at || link->said[i].is_event)
            continue;
        at += strlen("\"cursor\":\"");
        size_t len = (size_t)(strchr(at, '"') - at);
        CHECK(len <= CURSOR_TEXT_MAX);
        memcpy(out, at, len);
        out[len] = 0;
        return true;
    }
    return false;
}

uint64_t rig_cursor_safe(const struct rig_link *link, const char *conversation)
{
    char text[CURSOR_TEXT_MAX + 1];
    struct cursor cursor;
    CHECK(rig_cursor(link, text));
    CHECK_RC(RC_OK, cursor_read(bytes_of(text), &cursor));
    return cursor.safe[rig_partition(conversation)];
}
