/* A client's frame of any bytes. What is taken keeps what the parser promises, its content is
 * canonical (parsing it again changes nothing, or Parley-Body-Hash would tell equal messages
 * apart), and the event made of it can be read by everybody behind the log. */
#include "demand.h"
#include "wire/client_json.h"
#include "wire/event_json.h"

enum { MESSAGE_BYTES_MAX = 1024, ARENA_BYTES_MAX = 1 << 20 };

static void demand_id(const struct id *id)
{
    struct id again;
    demand(id->len == 0 || id_read(id_bytes(id), &again));
}

static void demand_canonical(const struct client_request *request, struct arena *arena)
{
    SCOPED_BUF(object, ARENA_BYTES_MAX);
    bool is_edit = request->type == REQUEST_EDIT;
    struct bytes again;
    uint64_t reply_to = 0;
    uint64_t thread_of = 0;
    struct fault fault;

    buf_add_text(&object, "{");
    buf_add(&object, request->content);
    buf_add_text(&object, "}");
    demand(!object.has_failed);
    demand(message_content_parse(buf_bytes(&object), is_edit, MESSAGE_BYTES_MAX, arena, &again,
                                 &reply_to, &thread_of, &fault) == RC_OK);
    demand(again.len == request->content.len &&
           memcmp(again.ptr, request->content.ptr, again.len) == 0);
    demand(reply_to == request->reply_to && thread_of == request->thread_of);
}

static void demand_readable(const struct client_request *request, struct arena *arena)
{
    SCOPED_BUF(payload, ARENA_BYTES_MAX);
    struct event event = { .kind = request->type == REQUEST_EDIT ? EVENT_MESSAGE_EDITED
                                                                 : EVENT_MESSAGE_NEW,
                           .conversation = request->conversation,
                           .client_id = request->client_id,
                           .target_seq = request->type == REQUEST_EDIT ? request->seq : 0,
                           .thread_of = request->thread_of };
    struct event read = { 0 };
    struct fault fault;

    demand(id_read(bytes_of("ada"), &event.actor));
    if (event.client_id.len == 0)
        event.client_id = event.actor; /* the server makes one where it was left out */
    event_write(&payload, &event, request->content);
    demand(!payload.has_failed);
    demand(event_parse(buf_bytes(&payload), arena, &read, &fault) == RC_OK);
    demand(read.kind == event.kind && id_equal(&read.conversation, &event.conversation) &&
           id_equal(&read.client_id, &event.client_id) && read.thread_of == event.thread_of);
}

static void try_line(struct bytes line)
{
    SCOPED_ARENA(arena, ARENA_BYTES_MAX);
    struct client_request request;
    struct fault fault;

    if (client_request_parse(line, MESSAGE_BYTES_MAX, &arena, &request, &fault) != RC_OK)
        return;
    demand(request.type < REQUEST_TYPE_COUNT);
    demand(request.request_id.len <= REQUEST_ID_BYTES_MAX * 4);
    demand_id(&request.conversation);
    demand_id(&request.client_id);
    demand(request.seq < UINT64_C(1) << 53);
    demand(request.user_count <= PRESENCE_USERS_MAX);
    for (size_t i = 0; i < request.user_count; i++)
        demand_id(&request.users[i]);
    if (request.type == REQUEST_SEND || request.type == REQUEST_EDIT) {
        demand(request.conversation.len > 0);
        demand_canonical(&request, &arena);
        demand_readable(&request, &arena);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct bytes rest = bytes_make(data, size);
    struct bytes line;

    while (frame_next_line(&rest, &line)) {
        demand(line.len > 0 && !memchr(line.ptr, '\n', line.len));
        try_line(line);
    }
    return 0;
}
