/* nats_headers.h - a stored message as JetStream's API gives it in JSON: texts in base64, and its
 * header block, "NATS/1.0\r\nName: value\r\n…\r\n". Foreign programs wrote it: any bytes may come.
 */
#ifndef ADAPTERS_NATS_NATS_HEADERS_H
#define ADAPTERS_NATS_NATS_HEADERS_H

#include "base/arena.h"

/* The next line that has a colon.
 *   rest     moved on, past the line
 *   out_*    views into the block; the value without the spaces before it and without its line end
 *   returns  false at the end
 */
bool nats_block_next(struct bytes *rest, struct bytes *out_name, struct bytes *out_value);

/* The value of the first header of that name (its case counts), a view; ptr NULL: there is none. */
struct bytes nats_block_header(struct bytes block, const char *name);

/* Standard base64 (RFC 4648, section 4), which `hdrs` and `data` are in.
 *   returns  the bytes, in the arena; none for no text; ptr NULL if it isn't base64 or memory is
 * short
 */
struct bytes nats_b64_read(struct bytes text, struct arena *arena);

#endif
