/* rest_auth.h - accounts and sessions over REST; private to app/rest_*.c.
 *
 * A call that needs a hash has more steps than others: its `prepare` says which, by
 * rest_auth_pool, and rest.c walks them (rest_auth_steps.c): prepare on a worker, the hash in the
 * pool, the end on a worker. The pool's queue is short: what doesn't fit is answered 503.
 */
#ifndef APP_REST_AUTH_H
#define APP_REST_AUTH_H

#include "app/accounts.h"
#include "app/rest_call.h"
#include "wire/auth_json.h"

/* The call's state between its steps; in its arena. */
struct rest_auth {
    struct account_call account;
    struct auth_body body;
    void (*judge)(struct account_call *account); /* in the pool; NULL: there is no such step */
    rest_handler_fn *end;                        /* on a worker, after it */
    struct rest_errand *errand; /* what is left to do after the answer; NULL: nothing */
};

/* A mail that is made and sent when the answer is on its way, so that the time of the answer says
 * nothing. Freed when it is done. */
struct rest_errand {
    struct job job;
    const struct accounts *accounts;
    struct id user; /* AUTH_EMAIL: whose */
    bool is_reset;
    struct address_range range;
    char email[EMAIL_BYTES_MAX + 1], key[USERNAME_KEY_BYTES_MAX + 1];
};

extern const struct rest_routes rest_auth_routes;

/* Goes on after prepare, where the call has such steps; true: rest.c has nothing more to do. */
bool rest_auth_go_on(struct rest_call *call);
/* Wipes what is secret. For every call. */
void rest_auth_wipe(struct rest_call *call);
/* rest.c: the call's end. */
void rest_finish_call(struct rest_call *call);

#endif
