/* renew.h - the parts of `streams renew`: what there is, what is meant, and the record of how far
 * it got, which lies in the metadata of CHAT_DLQ, beside the streams, so that any host can go on.
 */
#ifndef PARLEYCTL_RENEW_H
#define PARLEYCTL_RENEW_H

#include "adapters/nats/streams.h"
#include "ctl_nats.h"

/*   RENEW_NONE ──> RENEW_DRAINING ──> RENEW_MAKING ──> (the record is gone)
 *
 *   DRAINING  the old streams are sealed, one by one; then they are projected into the store, and
 *             copied to the folder that is kept. Nothing was taken away yet.
 *   MAKING    the store has what they had (or the loss was accepted): old streams are deleted, new
 *             ones made, the settings written. A CHAT stream that is missing now was never made.
 */
enum renew_stage { RENEW_NONE, RENEW_DRAINING, RENEW_MAKING };

struct renew_plan {
    enum renew_stage stage;
    uint32_t from, to; /* generations */
    uint32_t old_partitions, partitions;
};

/* The record; RENEW_NONE when there is none. false after having said why it can't be read. */
bool renew_read(struct nats_link *link, struct renew_plan *out);
/* Writes it, or with RENEW_NONE takes it away. */
bool renew_write(struct nats_link *link, const struct renew_plan *plan);

struct old_stream {
    char name[32];
    uint32_t number, generation, partitions;
    uint64_t first_seq, last_seq;
    bool is_sealed;
};
enum { OLD_STREAMS_MAX = 1024 };

/* All CHAT_<number> streams of the server, by number. Returns their number, -1 after a word. */
int renew_list(struct nats_link *link, struct old_stream *out);

bool renew_seal(struct nats_link *link, const struct old_stream *stream);
bool renew_delete(struct nats_link *link, const struct old_stream *stream);

#endif
