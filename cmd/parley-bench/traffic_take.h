/* traffic_take.h - one message's way out and back; shared by traffic.c and traffic_take.c only. */
#ifndef BENCH_TRAFFIC_TAKE_H
#define BENCH_TRAFFIC_TAKE_H

#include "traffic.h"

extern const struct client_hooks traffic_hooks;

/* Sends message n, the first time or again. */
void traffic_send(struct traffic *t, size_t n);
/* Timer: sends again what had no answer for too long. */
void traffic_sweep(void *owner);

#endif
