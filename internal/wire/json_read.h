/* json_read.h - foreign JSON text to values, with the limits every door shares.
 *
 * jansson refuses bad UTF-8, \u0000, lone surrogates, trailing text and numbers out of range; here
 * duplicate keys and depth are added. Private to wire: jansson's types do not leave it.
 */
#ifndef WIRE_JSON_READ_H
#define WIRE_JSON_READ_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "domain/id.h"

#include <jansson.h>

enum { JSON_DEPTH_MAX = 32 };

/* Parses one object. The caller owns *out_object (json_decref).
 * errors: RC_INVALID with the reason in fault: not JSON, not an object, too deep, a key twice,
 * U+0000 in a text. No field is named */
MUST_CHECK enum rc json_read_object(struct bytes text, json_t **out_object, struct fault *fault);

/* Each reads one member; a missing one or null leaves *out as it is unless it is required.
 * errors: RC_INVALID with the field's name in fault */
MUST_CHECK enum rc json_read_id(const json_t *object, const char *key, bool is_required,
                                struct id *out, struct fault *fault);
MUST_CHECK enum rc json_read_seq(const json_t *object, const char *key, bool is_required,
                                 uint64_t *out, struct fault *fault); /* 1 … 2^53-1 */
MUST_CHECK enum rc json_read_text(const json_t *object, const char *key, bool is_required,
                                  size_t bytes_max, struct arena *arena, struct bytes *out,
                                  struct fault *fault);
MUST_CHECK enum rc json_read_bool(const json_t *object, const char *key, bool *out,
                                  struct fault *fault);

/* Appends a value in compact form. RC_NOMEM if the buffer has failed. */
MUST_CHECK enum rc json_append(struct buf *out, const json_t *value);

static inline void json_drop(json_t **value)
{
    json_decref(*value);
}
#define SCOPED_JSON __attribute__((cleanup(json_drop)))

#endif
