/* roster_parts.h - what roster.c and roster_load.c share. */
#ifndef APP_ROSTER_PARTS_H
#define APP_ROSTER_PARTS_H

#include "app/gateway_state.h"

struct place *place_make(struct roster *roster, struct room *room); /* finds or makes */
/* Uses a membership once nothing can be missing from it. */
void place_settle(struct place *place);
/* Tells the connections of the user: begins or ends their subs. */
void place_changed(struct place *place);

/* Keeps where the user's feed speaks of a place: its newest record, and the event that it names. */
static inline void place_keep_feed(struct place *place, uint64_t feed_at, uint64_t feed_of)
{
    if (feed_of >= place->feed_of) {
        place->feed_at = feed_at;
        place->feed_of = feed_of;
    }
}
/* Begins the checks that could not begin when they should have. */
void roster_check_due(struct roster *roster);

void roster_load_timer(struct timer *timer);
void roster_load_later(struct roster *roster, uint64_t delay_ms);

#endif
