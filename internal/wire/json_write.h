/* json_write.h - members of an object that stand behind another one. Private to wire. */
#ifndef WIRE_JSON_WRITE_H
#define WIRE_JSON_WRITE_H

#include "base/buf.h"

/* Appends `,"key":"text"`; null for an empty text. */
void json_add_text(struct buf *out, const char *key, struct bytes text);

/* Appends `,"key":"…Z"` (RFC 3339); null for 0. */
void json_add_time(struct buf *out, const char *key, int64_t at_us);

#endif
