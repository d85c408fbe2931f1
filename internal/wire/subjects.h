/* subjects.h - every subject and header name there is, in one place. docs/SUBJECTS.md explains
 * them.
 *
 *   chat.<p>.c.<conversation>   CHAT_<p>   durable events          live.<p>.c.<conversation>
 * republish chat.<p>.u.<user>           CHAT_<p>   user feed (wake-ups)    live.<p>.u.<user>
 * republish live.<p>.s.<conversation>   -          signals receipt.<p>.<conv>.<user>.<session>
 * RECEIPTS                  live.<p>.r.<conv>          republish heads.<p>, applied.<p>      -
 * announcements of the persister dlq.<consumer>.<reason>     CHAT_DLQ $KV.PRESENCE.<user>.<session>
 * KV_PRESENCE                     live.presence.<user>.<session>
 */
#ifndef WIRE_SUBJECTS_H
#define WIRE_SUBJECTS_H

#include "domain/event.h"

enum { SUBJECT_CHARS_MAX = 256 };

#define HEADER_MSG_ID "Nats-Msg-Id"
#define HEADER_EXPECT_LAST_SUBJECT_SEQ "Nats-Expected-Last-Subject-Sequence"
#define HEADER_CLIENT_ID "Parley-Client-Message-Id"
#define HEADER_SENDER "Parley-Sender"
#define HEADER_OP "Parley-Op"
#define HEADER_SCHEMA "Parley-Schema"
#define HEADER_BODY_HASH "Parley-Body-Hash" /* base64url of 16 bytes */
#ifndef PARLEY_SCHEMA_VERSION               /* tests/skew builds a parleyd of the next one */
#define PARLEY_SCHEMA_VERSION 1
#endif
#define SCHEMA_DIGITS_OF(number) #number
#define SCHEMA_DIGITS(number) SCHEMA_DIGITS_OF(number)
#define PARLEY_SCHEMA_TEXT SCHEMA_DIGITS(PARLEY_SCHEMA_VERSION)

/* A dead letter (dlq.<consumer>.<reason>) has the original's body and Parley-* headers, these, and
 * a Nats-Msg-Id of its own: "<consumer>.<stream>.<seq>.<reason>". */
#define HEADER_DLQ_REASON "Parley-Dlq-Reason"
#define HEADER_DLQ_ERROR "Parley-Dlq-Error"
#define HEADER_DLQ_STREAM "Parley-Dlq-Stream"
#define HEADER_DLQ_SUBJECT "Parley-Dlq-Subject"
#define HEADER_DLQ_SEQ "Parley-Dlq-Seq"
#define HEADER_DLQ_DELIVERIES "Parley-Dlq-Deliveries"
#define HEADER_DLQ_TIME "Parley-Dlq-Time"     /* of the original, RFC 3339 */
#define HEADER_DLQ_MSG_ID "Parley-Dlq-Msg-Id" /* the original's Nats-Msg-Id */

/* What a subject of a CHAT stream (or of its republish) is about. */
enum subject_kind {
    SUBJECT_CONVERSATION = 'c',
    SUBJECT_USER = 'u',
    SUBJECT_SIGNAL = 's',
    SUBJECT_RECEIPT = 'r'
};

/* The partition of a conversation or user id: FNV-1a 32 mod partitions, as {{partition}} does. */
uint32_t subject_partition(const struct id *id, uint32_t partitions);

/* Each writes a NUL-terminated subject and returns its length. */
size_t subject_chat(char out[SUBJECT_CHARS_MAX], uint32_t p, enum subject_kind kind,
                    const struct id *id);
size_t subject_live(char out[SUBJECT_CHARS_MAX], uint32_t p, enum subject_kind kind,
                    const struct id *id);
size_t subject_live_any(char out[SUBJECT_CHARS_MAX], uint32_t p,
                        const struct id *id);                   /* live.p.*.id */
size_t subject_stream(char out[SUBJECT_CHARS_MAX], uint32_t p); /* the stream's name: CHAT_<p> */

/* Splits "chat.<p>.<k>.<id>" or "live.<p>.<k>.<id>". Returns false for any other subject. */
bool subject_split(struct bytes subject, uint32_t *out_p, enum subject_kind *out_kind,
                   struct id *out_id);

enum { MSG_ID_CHARS = 22 };

/* Nats-Msg-Id: base64url of 128 bits of BLAKE2b over the length-prefixed operation, conversation,
 * actor and client's id. NUL-terminated. */
void msg_id_write(char out[MSG_ID_CHARS + 1], char op, const struct id *conversation,
                  const struct id *actor, const struct id *client_id);

/* The id of the direct conversation of two users: "d_" and 22 characters, the same for both orders.
 */
struct id direct_conversation_id(const struct id *a, const struct id *b);

/* BLAKE2b, 128 bits: Parley-Body-Hash. */
void body_hash_write(uint8_t out[BODY_HASH_BYTES], struct bytes canonical);

#endif
