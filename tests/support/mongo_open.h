/* mongo_open.h - opens a store of a test's server, however long a busy machine takes to answer. */
#ifndef TESTS_SUPPORT_MONGO_OPEN_H
#define TESTS_SUPPORT_MONGO_OPEN_H

#include "adapters/mongo/mongo_store.h"
#include "support/check.h"

enum { MONGO_OPEN_TRIES = 20 }; /* of the server selection's time-out each */

static inline struct mongo_store *mongo_open(const char *url)
{
    struct mongo_store *store = NULL;
    struct fault fault = { .text = "" };
    const struct mongo_store_options options = { .url = url,
                                                 .makes_indexes = true,
                                                 .must_answer = true };
    enum rc rc = RC_UNAVAILABLE;
    for (int i = 0; i < MONGO_OPEN_TRIES && rc == RC_UNAVAILABLE; i++)
        rc = mongo_store_open(&options, &store, &fault);
    if (rc != RC_OK)
        CHECK_STR("", fault.text);
    CHECK_RC(RC_OK, rc);
    return store;
}

#endif
