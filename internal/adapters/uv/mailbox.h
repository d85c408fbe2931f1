/* mailbox.h - the one way from other threads into the loop.
 *
 * Many writers, one reader. Letters are embedded in what they carry, so that posting allocates
 * nothing. A wake-up is sent only when the box was empty, and each wake-up handles letters up to a
 * budget, so that neither the system call nor a flood costs the loop its turn.
 */
#ifndef ADAPTERS_UV_MAILBOX_H
#define ADAPTERS_UV_MAILBOX_H

#include <stddef.h>

#include "adapters/uv/loop.h"
#include "base/rc.h"

struct mail;
typedef void mail_fn(struct mail *mail);

struct mail {
    struct mail *next;
    mail_fn *run; /* on the loop thread, once; may free the letter */
};

struct mailbox;

struct mailbox_options {
    size_t letters_max; /* posted and not yet run; more than zero */
    size_t turn_budget; /* letters run a turn; 0: 256 */
};

/* Makes a mailbox that is emptied by the loop. Loop thread, or before loop_run.
 *   returns  a mailbox the caller owns (mailbox_destroy); NULL if memory or handles are short
 */
struct mailbox *mailbox_create(struct loop *loop, const struct mailbox_options *options);

/* Hands a letter to the loop. Letters of one thread are run in the order they were posted.
 *   mail    run set; borrowed until it is run
 *   errors  RC_FULL the bound is reached, RC_UNAVAILABLE the box is closed; either way run will not
 *           be called
 *   thread  any, also the loop's own
 */
MUST_CHECK enum rc mailbox_post(struct mailbox *box, struct mail *mail);

/* Letters posted and not yet run. Any thread; a moment's view. */
size_t mailbox_count(const struct mailbox *box);

/* Closes the box, runs what is in it, and frees it on a later turn. Loop thread, or after loop_run;
 * other threads must not post any more. NULL is fine. */
void mailbox_destroy(struct mailbox *box);

#endif
