/* ws_frame.c - masking, splitting and control frames. */
#include "ws_frame.h"

#include <string.h>

#define FRAME_BYTES_MAX (64u * 1024 * 1024)

static void mask(uint8_t *to, struct bytes from, uint32_t key)
{
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (; i + 8 <= from.len; i += 8) {
        uint64_t word;
        memcpy(&word, from.ptr + i, 8);
        word ^= wide;
        memcpy(to + i, &word, 8);
    }
    for (; i < from.len; i++)
        to[i] = from.ptr[i] ^ ((const uint8_t *)&key)[i & 3];
}

void frame_write(struct sbuf *out, enum frame_op op, struct bytes payload)
{
    static struct rng keys = { 0x7061726c6579 };
    uint8_t head[14] = { (uint8_t)(0x80 | op) };
    size_t used = 2;
    if (payload.len < 126) {
        head[1] = (uint8_t)(0x80 | payload.len);
    } else if (payload.len < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(payload.len >> 8);
        head[3] = (uint8_t)payload.len;
        used = 4;
    } else {
        head[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)((uint64_t)payload.len >> (56 - 8 * i));
        used = 10;
    }
    uint32_t key = (uint32_t)rng_next(&keys);
    memcpy(head + used, &key, 4);
    sbuf_add(out, head, used + 4);
    out->ptr = xgrow(out->ptr, &out->cap, out->len + payload.len, 1);
    mask((uint8_t *)out->ptr + out->len, payload, key);
    out->len += payload.len;
}

void frame_keep(struct ws *ws, struct bytes rest)
{
    ws->in.len = 0;
    sbuf_add(&ws->in, rest.ptr, rest.len);
}

static void take_close(struct ws *ws, struct bytes payload)
{
    unsigned code = payload.len >= 2 ? (unsigned)payload.ptr[0] << 8 | payload.ptr[1] : 1005;
    struct bytes reason =
        payload.len > 2 ? bytes_make(payload.ptr + 2, payload.len - 2) : bytes_of("");
    frame_write(&ws->out, FRAME_CLOSE,
                payload.len >= 2 ? bytes_make(payload.ptr, 2) : bytes_of(""));
    ws_flush(ws);
    ws_fail(ws, code, reason);
}

static void take_fragment(struct ws *ws, bool is_final, struct bytes payload)
{
    sbuf_add(&ws->fragments, payload.ptr, payload.len);
    ws->is_fragmented = !is_final;
    if (!is_final)
        return;
    struct sbuf whole = ws->fragments;
    ws->fragments = (struct sbuf){ 0 };
    ws->events->on_text(ws->owner, bytes_make(whole.ptr, whole.len));
    sbuf_free(&whole);
}

static void take_frame(struct ws *ws, uint8_t first, struct bytes payload)
{
    bool is_final = first & 0x80;
    switch (first & 0x0f) {
    case FRAME_TEXT:
        if (ws->is_fragmented)
            ws_fail(ws, 0, bytes_of("a text frame within a fragmented one"));
        else if (is_final)
            ws->events->on_text(ws->owner, payload);
        else
            take_fragment(ws, false, payload);
        break;
    case FRAME_CONTINUED:
        if (ws->is_fragmented)
            take_fragment(ws, is_final, payload);
        else
            ws_fail(ws, 0, bytes_of("a continuation of nothing"));
        break;
    case FRAME_CLOSE:
        take_close(ws, payload);
        break;
    case FRAME_PING:
        frame_write(&ws->out, FRAME_PONG, payload);
        ws_flush(ws);
        break;
    case FRAME_PONG:
        break;
    default:
        ws_fail(ws, 0, bytes_of("an unexpected kind of frame"));
    }
}

/* Length of the whole frame, 0 when more bytes are needed; gives where the payload starts. */
static uint64_t frame_size(struct bytes data, size_t *out_head)
{
    if (data.len < 2)
        return 0;
    uint64_t len = data.ptr[1] & 0x7f;
    size_t wide = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (data.len < 2 + wide)
        return 0;
    if (wide)
        len = 0;
    for (size_t i = 0; i < wide; i++)
        len = len << 8 | data.ptr[2 + i];
    *out_head = 2 + wide;
    return *out_head + len;
}

void frames_take(struct ws *ws, struct bytes data)
{
    uint32_t epoch = ws->epoch;
    while (data.len) {
        size_t head = 0;
        uint64_t size = frame_size(data, &head);
        if (size > FRAME_BYTES_MAX || (data.len > 1 && (data.ptr[1] & 0x80))) {
            ws_fail(ws, 0, bytes_of("a masked or monstrous frame"));
            return;
        }
        if (size == 0 || size > data.len)
            break;
        take_frame(ws, data.ptr[0], bytes_make(data.ptr + head, (size_t)size - head));
        if (ws->epoch != epoch)
            return;
        data = bytes_make(data.ptr + size, data.len - (size_t)size);
    }
    if (data.len)
        frame_keep(ws, data);
}
