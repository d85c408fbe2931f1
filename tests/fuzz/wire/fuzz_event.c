/* A payload of any bytes, as somebody with a NATS login could publish it. What is taken can be
 * delivered: with seq, prev and at in front it is still one object with each key once. */
#include <jansson.h>

#include "demand.h"
#include "wire/event_json.h"

enum { BYTES_MAX = 1 << 20 };

/* An object, each key once; in it {seq, prev, at} as they were put there. */
static bool is_delivered_once(struct bytes text)
{
    json_t *object = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool is_so = json_integer_value(json_object_get(object, "seq")) == 7 &&
                 json_integer_value(json_object_get(object, "prev")) == 5 &&
                 json_is_string(json_object_get(object, "at"));

    json_decref(object);
    return is_so;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    SCOPED_ARENA(arena, BYTES_MAX);
    SCOPED_BUF(out, BYTES_MAX);
    struct event event = { 0 };
    struct id id;
    struct fault fault;

    if (event_parse(bytes_make(data, size), &arena, &event, &fault) != RC_OK)
        return 0;
    demand(event.kind < EVENT_KIND_COUNT);
    demand(id_read(id_bytes(&event.conversation), &id));
    demand(event.actor.len == 0 || id_read(id_bytes(&event.actor), &id));
    demand(event.target_seq < UINT64_C(1) << 53 && event.of_seq < UINT64_C(1) << 53);
    event_write_delivered(&out, 7, 5, 1700000000000000, event.payload);
    demand(!out.has_failed);
    demand(!memchr(out.ptr, '\n', out.len)); /* it would be two lines of a client's frame */
    demand(is_delivered_once(buf_bytes(&out)));
    return 0;
}
