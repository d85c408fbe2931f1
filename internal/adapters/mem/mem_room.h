/* mem_room.h - the events of one conversation, and what follows from the whole set of them.
 *
 * Little that is derived is kept, and that is made anew whenever an event comes, so each function
 * below is a definition.
 */
#ifndef ADAPTERS_MEM_ROOM_H
#define ADAPTERS_MEM_ROOM_H

#include "ports/message_store.h"

struct mem_event {
    struct event event; /* as applied */
    uint32_t partition;
    uint64_t group_first; /* of a message: lowest seq with its identity and body; else its own */
};

/* Groups that a withdrawal joins: what is said of one of them is said of all. */
struct mem_link {
    uint64_t group; /* a group_first, or a seq that isn't here */
    uint64_t first; /* the lowest of all that are joined with it */
};

struct mem_room {
    struct id id;
    struct mem_event *events; /* ascending seq */
    size_t count, cap;
    struct mem_link *links; /* two for each withdrawal */
    size_t link_count;
};

void mem_room_fini(struct mem_room *room);

/* The event at that seq, NULL if there is none. */
const struct mem_event *mem_room_find(const struct mem_room *room, uint64_t seq);

/* Puts an event in; its text must live as long as the room. The seq must be free. */
MUST_CHECK enum rc mem_room_add(struct mem_room *room, const struct event *event,
                                uint32_t partition, struct applied_result *out_result);

/* What applying an event again that is there says. */
struct applied_result mem_room_again(const struct mem_room *room, uint64_t seq);

/* The event as it is read: a double or a second creation is a void; prev filled in. */
struct event mem_room_shown(const struct mem_room *room, const struct mem_event *at);

/* Whether it is a message that is no double; then, as it is now. */
bool mem_room_message(const struct mem_room *room, const struct mem_event *at,
                      struct message_row *out);

/* The lowest event with this operation letter, actor and client's id; NULL. */
const struct mem_event *mem_room_by_client_id(const struct mem_room *room, char op,
                                              const struct id *actor, const struct id *client_id);

struct conversation mem_room_conversation(const struct mem_room *room);
struct membership mem_room_membership(const struct mem_room *room, const struct id *user);

#endif
