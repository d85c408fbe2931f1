/* A stored message's header block of any bytes: what parleyctl shows of a dead letter, and what
 * becomes of a record that the leader's own read gives. No value reaches over its line, and a
 * record has ids of the alphabet or none. */
#include <stdio.h>
#include <stdlib.h>

#include "adapters/nats/nats_headers.h"
#include "adapters/nats/nats_priv.h"
#include "fuzz/demand.h"
#include "wire/subjects.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void demand_id(const struct id *id)
{
    struct id again;
    demand(id->len == 0 || (id_read(id_bytes(id), &again) && id_equal(id, &again)));
}

static void demand_within(struct bytes block, struct bytes part)
{
    demand(part.ptr >= block.ptr && part.ptr + part.len <= block.ptr + block.len);
    demand(part.len == 0 || memchr(part.ptr, '\r', part.len) == NULL);
}

/* Every line once, in order, and what a name gives is the first of that name. */
static void walk(struct bytes block)
{
    struct bytes rest = block, name, value;
    const uint8_t *last = NULL;
    while (nats_block_next(&rest, &name, &value)) {
        demand_within(block, name);
        demand_within(block, value);
        demand(!last || name.ptr > last);
        demand(name.len == 0 || memchr(name.ptr, ':', name.len) == NULL);
        demand(value.len == 0 || value.ptr[0] != ' ');
        last = name.ptr;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char *const names[] = { HEADER_DLQ_REASON,     HEADER_DLQ_ERROR, HEADER_DLQ_STREAM,
                                         HEADER_DLQ_SUBJECT,    HEADER_DLQ_SEQ,   HEADER_DLQ_TIME,
                                         HEADER_DLQ_DELIVERIES, HEADER_DLQ_MSG_ID };
    struct bytes block = bytes_make(data, size);
    struct log_record record = { .schema = 1 };

    walk(block);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct bytes value = nats_block_header(block, names[i]);
        if (value.ptr)
            demand_within(block, value);
    }
    nats_record_read_block(block, &record);
    demand_id(&record.actor);
    demand_id(&record.client_id);
    return 0;
}
