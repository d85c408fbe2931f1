/* ws_frame.h - frames of RFC 6455, section 5; shared by ws.c and ws_frame.c only. */
#ifndef BENCH_WS_FRAME_H
#define BENCH_WS_FRAME_H

#include "ws.h"

enum frame_op {
    FRAME_CONTINUED = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10,
};

/* What a server has to answer to the key cGFybGV5LWJlbmNoLWtleQ==. */
#define WS_ACCEPT "s62GE7EIJSbR1qmRrdYpNosk+lQ="

/* Appends one final, masked frame. */
void frame_write(struct sbuf *out, enum frame_op op, struct bytes payload);

/* Handles every complete frame in data and keeps the rest. */
void frames_take(struct ws *ws, struct bytes data);

/* Keeps bytes that are no complete frame yet. */
void frame_keep(struct ws *ws, struct bytes rest);

/* In ws.c. */
void ws_flush(struct ws *ws);
void ws_fail(struct ws *ws, unsigned code, struct bytes reason);

#endif
