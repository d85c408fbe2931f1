/* What servers tell each other, from any bytes: heads, applied, feeds, receipts, presence, typing.
 * What was read is written and read again as the same. */
#include "demand.h"
#include "wire/client_json.h"
#include "wire/event_json.h"

enum { BYTES_MAX = 1 << 20 };

static void try_heads(struct bytes json)
{
    SCOPED_ARENA(arena, BYTES_MAX);
    SCOPED_BUF(out, BYTES_MAX);
    struct heads heads;
    struct heads again;
    struct id id;

    if (heads_parse(json, &arena, &heads) != RC_OK)
        return;
    for (size_t i = 0; i < heads.count; i++) {
        demand(id_read(id_bytes(&heads.entries[i].owner), &id));
        demand(heads.entries[i].kind == 'c' || heads.entries[i].kind == 'u');
    }
    heads_write(&out, &heads);
    demand(heads_parse(buf_bytes(&out), &arena, &again) == RC_OK);
    demand(again.generation == heads.generation && again.from == heads.from &&
           again.to == heads.to && again.count == heads.count);
}

static void try_small(struct bytes json)
{
    SCOPED_ARENA(arena, BYTES_MAX);
    SCOPED_BUF(out, BYTES_MAX);
    struct applied applied;
    struct applied applied_again;
    struct user_feed_record record;
    struct id user;
    enum presence_status status;
    struct bytes text;
    int64_t at_us;
    uint64_t seq;
    bool is_start;

    if (applied_parse(json, &applied) == RC_OK) {
        applied_write(&out, &applied);
        demand(applied_parse(buf_bytes(&out), &applied_again) == RC_OK);
        demand(applied_again.seq == applied.seq && applied_again.generation == applied.generation);
    }
    if (user_feed_parse(json, &record) == RC_OK)
        demand(id_read(id_bytes(&record.conversation), &user));
    if (presence_value_parse(json, &arena, &status, &text, &at_us) == RC_OK)
        demand(status <= PRESENCE_UNKNOWN);
    if (typing_parse(json, &user, &is_start) == RC_OK)
        demand(user.len > 0);
    if (receipt_parse(json, &seq) == RC_OK)
        demand(seq > 0 && seq < UINT64_C(1) << 53);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    try_heads(bytes_make(data, size));
    try_small(bytes_make(data, size));
    return 0;
}
