/* state_text.h - everything that can be read from a store, as text: two stores that agree give the
 * same. */
#ifndef TESTS_CONTRACT_STORE_STATE_TEXT_H
#define TESTS_CONTRACT_STORE_STATE_TEXT_H

#include "base/buf.h"
#include "ports/message_store.h"

/* What to ask for. */
struct state_names {
    const char *const *conversations;
    size_t conversation_count;
    const char *const *users;
    size_t user_count;
    const char *const *client_ids;
    size_t client_id_count;
    uint32_t generation, partitions;
    uint64_t seq_max; /* single messages are asked for up to here */
};

/* Writes it all; fails the test if a call fails. */
void state_text(struct buf *out, const struct message_store *store,
                const struct state_names *names);

#endif
