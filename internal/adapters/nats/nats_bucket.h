/* nats_bucket.h - one key of a KV bucket, by the subjects that a bucket is made of; blocking.
 *
 * nats.c's own KV calls report an expiry as a put and know no time to live of one key, so buckets
 * are spoken to directly: $KV.<bucket>.<key>, with JetStream's own headers.
 *
 * Thread: any but the loop's. Private to this folder.
 */
#ifndef ADAPTERS_NATS_NATS_BUCKET_H
#define ADAPTERS_NATS_NATS_BUCKET_H

#include "adapters/nats/nats_priv.h"

struct bucket_put {
    const char *bucket;
    const char *key; /* of the alphabet of ids, and dots */
    struct bytes value;
    bool has_revision;
    uint64_t revision; /* the key must still have this one; 0: it must not be there */
    int64_t ttl_s;     /* 0: the bucket's */
};

/* Stores a value; answered after it is as durable as the bucket is.
 *   errors  RC_CONFLICT the key has another revision; RC_FULL the bucket takes no more;
 *           RC_UNAVAILABLE it was not stored; RC_TIMEOUT it may be stored; RC_NOMEM */
MUST_CHECK enum rc nats_bucket_put(struct nats_link *link, const struct bucket_put *put);

/* Reads a key's value, from any replica: it may be an older one, which a put with its revision then
 * finds out.
 *   errors  RC_NOT_FOUND, RC_UNAVAILABLE, RC_TIMEOUT, RC_NOMEM */
MUST_CHECK enum rc nats_bucket_get(struct nats_link *link, const char *bucket, const char *key,
                                   struct arena *arena, struct bytes *out_value,
                                   uint64_t *out_revision);

#endif
