/* mg_people.h - accounts, sessions and mailed secrets: what mg_accounts.c and mg_sessions.c share.
 */
#ifndef ADAPTERS_MONGO_MG_PEOPLE_H
#define ADAPTERS_MONGO_MG_PEOPLE_H

#include "adapters/mongo/mg_store.h"
#include "base/encode.h"

enum { MG_HASH_CHARS = B64URL_CHARS(SECRET_HASH_BYTES) };

/* A hash as text, so that every server compares it alike. */
void mg_put_hash(bson_t *doc, const char *name, const uint8_t *hash, size_t len);
void mg_get_hash(const bson_t *doc, const char *name, uint8_t *out, size_t len);

/* Text of a document in the arena; ptr NULL: the arena is full. */
struct bytes mg_get_text(const bson_t *doc, const char *name, struct arena *arena);

/* Removes every document that matches. */
MUST_CHECK enum rc mg_remove(struct mg_call *call, enum mg_collection collection,
                             const bson_t *filter);
/* {name: {"$lte": value}} and the like. */
void mg_put_bound(bson_t *filter, const char *name, const char *op, int64_t value);

/* Within a call: sessions and mailed secrets of a user go. spared may be NULL. */
MUST_CHECK enum rc mg_end_sessions(struct mg_call *call, const struct id *user,
                                   const struct id *spared);
MUST_CHECK enum rc mg_drop_mailed(struct mg_call *call, const struct id *user);

#endif
