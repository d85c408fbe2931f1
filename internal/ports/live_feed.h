/* live_feed.h - what a gateway hears as it happens: republished events, signals, announcements.
 *
 * At most once, by nature: whoever listens proves continuity by seq and prev, and by the heads.
 * All calls and callbacks: loop thread. Callbacks borrow what they are given for the call.
 */
#ifndef PORTS_LIVE_FEED_H
#define PORTS_LIVE_FEED_H

#include "ports/event_log.h"

struct live_signal {
    uint32_t partition;
    char kind;               /* 's' signal, 'r' receipt */
    struct id owner;         /* the conversation */
    struct bytes payload;    /* JSON; of a receipt: with subject tokens user and session below */
    struct id user, session; /* kind 'r' only, from Nats-Subject */
};

struct presence_record {
    struct id user, session;
    bool is_gone;         /* purged or expired */
    struct bytes payload; /* JSON {status, text?, at} unless gone */
    uint64_t revision;
};

struct live_feed_events {
    void *closure;
    void (*on_record)(void *closure, const struct log_record *record); /* kinds 'c' and 'u' */
    void (*on_signal)(void *closure, const struct live_signal *signal);
    void (*on_heads)(void *closure, uint32_t partition, struct bytes json);
    void (*on_applied)(void *closure, uint32_t partition, struct bytes json);
    void (*on_presence)(void *closure, const struct presence_record *record);
    /* Continuity was lost for some time (reconnect, slow consumer): every partition is in doubt. */
    void (*on_boundary)(void *closure);
    void (*on_link)(void *closure, bool is_up);
    /* A control message for gateways (subject ctl.<name>): session revoked, cache to be dropped. */
    void (*on_control)(void *closure, struct bytes name, struct bytes json);
};

struct live_feed {
    void *self;
    /* SUB to live.<p>.*.<owner>: a conversation's events and signals, or a user's feed and what
     * gateways say to each other about the user. Who has the same id in the other role comes too.
     * The answer is a handle for unsubscribe, 0 when memory is short. Takes effect at the server
     * after flush. */
    uint64_t (*subscribe)(void *self, uint32_t partition, const struct id *owner);
    void (*unsubscribe)(void *self, uint64_t handle);
    /* done(closure, RC_OK) once the server has taken every SUB before it (PING/PONG). */
    enum rc (*flush)(void *self, void (*done)(void *closure, enum rc rc), void *closure);
    /* Fire and forget: live.<p>.s.<owner>, a conversation or a user. errors: RC_UNAVAILABLE the
     * link is down */
    enum rc (*signal)(void *self, uint32_t partition, const struct id *owner, struct bytes json);
    /* Presence of one user: live.presence.<user>.*; subscribed and unsubscribed as above. */
    uint64_t (*watch_presence)(void *self, const struct id *user);
    /* Puts or ends this session's presence. errors: RC_UNAVAILABLE */
    enum rc (*put_presence)(void *self, const struct id *user, const struct id *session,
                            struct bytes json);
    enum rc (*end_presence)(void *self, const struct id *user, const struct id *session);
    /* Worker threads, blocking: all sessions of these users now.
     * errors: RC_UNAVAILABLE the bucket is away: the answer is "unknown", never "offline" */
    enum rc (*list_presence)(void *self, const struct id *users, size_t count,
                             void (*each)(void *closure, const struct presence_record *record),
                             void *closure);
    bool (*is_up)(void *self);
};

#endif
