/* scan.h - finds the fields of a JSON object without building a tree.
 *
 * The bench reads hundreds of thousands of events a second on half a machine, so it looks at each
 * byte once and copies nothing but what it keeps. It trusts the server to send JSON; whatever
 * is not an object is reported as such and counted by the caller.
 */
#ifndef BENCH_SCAN_H
#define BENCH_SCAN_H

#include <stdbool.h>

#include "base/bytes.h"
#include "util.h"

/* One object of the socket or of a REST page. Strings are raw: borrowed, still escaped. */
struct event {
    struct bytes type, id, conversation, sender, client_message_id, text, user_id, cursor;
    struct bytes error; /* the error object */
    struct bytes code, kind, metadata, message, items, next_cursor;
    uint64_t seq, prev, target_seq, last_seq, events, resets, retry_after_ms;
    bool has_seq, has_prev, duplicate, recovered;
};

/* Reads the top-level fields of one object.
 *   line     borrowed; what ev points to lives as long as it
 *   returns  false when it is no complete JSON object
 */
bool scan_event(struct bytes line, struct event *ev);

/* Appends a raw JSON string's value, with escapes undone (surrogate pairs included). */
void scan_unescape(struct bytes raw, struct sbuf *out);

/* Hash of a raw JSON string's value. */
uint64_t scan_hash(uint64_t seed, struct bytes raw);

/* Steps through the elements of a raw JSON array: *at starts at 0.
 *   returns  false at the end
 */
bool scan_next(struct bytes array, size_t *at, struct bytes *out_element);

/* A top-level field of an object by name, raw (strings without quotes); empty when missing. */
struct bytes scan_field(struct bytes object, const char *name);

#endif
