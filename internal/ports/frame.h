/* frame.h - one encoded text frame, shared by every connection it goes to.
 *
 * The payload is written once, before the frame is shared, and never after. The adapter that
 * sends it writes the protocol's header into the room in front of the payload: that header is the
 * same for every receiver of a process, which is why one buffer serves all of them.
 *
 * Thread: references may be taken and dropped on any thread; sending is for the loop thread.
 */
#ifndef PORTS_FRAME_H
#define PORTS_FRAME_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { FRAME_HEADROOM = 16 }; /* at least what a WebSocket header and the library need */

struct frame {
    atomic_uint refs;
    uint32_t len;
    uint8_t headroom[FRAME_HEADROOM];
    uint8_t data[];
};

/* Makes a frame of len bytes with one reference, its content not yet set: fill `data`, then share.
 *   returns  NULL if memory is short
 */
static inline struct frame *frame_create(size_t len)
{
    assert(len <= UINT32_MAX);
    struct frame *frame = malloc(sizeof *frame + len);
    if (!frame)
        return NULL;
    atomic_init(&frame->refs, 1);
    frame->len = (uint32_t)len;
    return frame;
}

/* A frame with a copy of text. NULL if memory is short. */
static inline struct frame *frame_copy(struct bytes text)
{
    struct frame *frame = frame_create(text.len);
    if (frame && text.len)
        memcpy(frame->data, text.ptr, text.len);
    return frame;
}

static inline struct bytes frame_text(const struct frame *frame)
{
    return bytes_make(frame->data, frame->len);
}

static inline struct frame *frame_ref(struct frame *frame)
{
    atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
    return frame;
}

/* Drops one reference; the last one frees. NULL is fine. */
static inline void frame_unref(struct frame *frame)
{
    if (frame && atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1)
        free(frame);
}

#endif
