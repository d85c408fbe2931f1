/* nats_record.c - stored messages as log records.
 *
 * Three forms of one thing: a message with headers of the server's (Direct Get, republish), one
 * whose place is in its reply subject (consumers), and a header block in base64 (the leader's get).
 */
#include "adapters/nats/nats_headers.h"
#include "adapters/nats/nats_priv.h"
#include "base/encode.h"
#include "wire/subjects.h"

struct bytes nats_header(natsMsg *msg, const char *name)
{
    const char *value = NULL;
    if (natsMsgHeader_Get(msg, name, &value) != NATS_OK)
        return bytes_make(NULL, 0);
    return bytes_of(value);
}

uint64_t nats_header_u64(natsMsg *msg, const char *name)
{
    uint64_t value = 0;
    return bytes_to_u64(nats_header(msg, name), UINT64_MAX, &value) ? value : 0;
}

static void set_body_hash(struct log_record *record, struct bytes text)
{
    size_t len = 0;
    if (text.len != B64URL_CHARS(BODY_HASH_BYTES))
        return;
    record->has_body_hash = b64url_read(text, record->body_hash, &len) && len == BODY_HASH_BYTES;
}

static void set_id(struct id *id, struct bytes text)
{
    if (text.len == 0 || !id_read(text, id))
        id->len = 0;
}

/* One Parley-* header; what is not well formed counts as missing. */
static void set_parley(struct log_record *record, struct bytes name, struct bytes value)
{
    uint64_t number;
    if (bytes_is(name, HEADER_OP))
        record->op = value.len == 1 ? (char)value.ptr[0] : 0;
    else if (bytes_is(name, HEADER_SCHEMA))
        record->schema = bytes_to_u64(value, UINT32_MAX, &number) ? (uint32_t)number : 0;
    else if (bytes_is(name, HEADER_SENDER))
        set_id(&record->actor, value);
    else if (bytes_is(name, HEADER_CLIENT_ID))
        set_id(&record->client_id, value);
    else if (bytes_is(name, HEADER_BODY_HASH))
        set_body_hash(record, value);
}

void nats_record_read_parley(natsMsg *msg, struct log_record *record)
{
    static const char *const names[] = { HEADER_OP, HEADER_SCHEMA, HEADER_SENDER, HEADER_CLIENT_ID,
                                         HEADER_BODY_HASH };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        set_parley(record, bytes_of(names[i]), nats_header(msg, names[i]));
    record->payload = bytes_make(natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg));
}

void nats_record_read_block(struct bytes block, struct log_record *record)
{
    struct bytes name, value;
    while (nats_block_next(&block, &name, &value))
        set_parley(record, name, value);
}

/* The stream must be the one that this partition's records live in: a signal or a receipt that
 * carries sequence headers of another stream is no record. */
static bool is_of_stream(struct bytes stream, uint32_t partition)
{
    char name[SUBJECT_CHARS_MAX];
    (void)subject_stream(name, partition);
    return bytes_is(stream, name);
}

bool nats_record_read(natsMsg *msg, struct log_record *out_record)
{
    struct log_record record = { .seq = nats_header_u64(msg, "Nats-Sequence") };
    enum subject_kind kind;
    if (record.seq == 0 ||
        !subject_split(nats_header(msg, "Nats-Subject"), &record.partition, &kind, &record.owner))
        return false;
    if (kind != SUBJECT_CONVERSATION && kind != SUBJECT_USER)
        return false;
    if (!is_of_stream(nats_header(msg, "Nats-Stream"), record.partition))
        return false;
    record.kind = (char)kind;
    if (!rfc3339_read(nats_header(msg, "Nats-Time-Stamp"), &record.at_us))
        return false;
    nats_record_read_parley(msg, &record);
    *out_record = record;
    return true;
}
