/* pages.h - a conversation as REST gives it: the raw log, and the pages of messages. */
#ifndef BENCH_PAGES_H
#define BENCH_PAGES_H

#include "checker.h"
#include "http.h"

/* GET …/events?after=: every event, its prev chain checked.
 *   returns  false when a page could not be had (said on stderr)
 */
bool pages_events(struct http *http, const char *conversation, const char *token, uint64_t after,
                  struct trail *out, struct tally *tally);

/* GET …/messages, forward from the start (after=) or backward from the newest (before=). */
bool pages_messages(struct http *http, const char *conversation, const char *token,
                    bool is_backward, struct trail *out, struct tally *tally);

#endif
