/* setup.h - users, tokens and conversations of a run. */
#ifndef BENCH_SETUP_H
#define BENCH_SETUP_H

#include "http.h"
#include "options.h"
#include "util.h"

struct person {
    char *id, *token, *name;
};

struct people {
    struct person *list;
    size_t count;
};

/* The token with role service: --service-token, $PARLEY_SERVICE_TOKEN, or made by parleyctl. */
const char *service_token(const struct options *options);

/* Count users called <run>_<infix>_0 …, or the first ones of --tokens. */
void people_make(struct people *people, const struct options *options, const char *infix,
                 size_t count);
/* Tokens for people whose ids are set already.
 *   role  "service" for those who read hundreds of REST pages: it is exempt from rate limits
 */
void people_tokens(struct people *people, const struct options *options, const char *role);
/* Makes them known to the server: POST /v1/users:batch. */
void people_register(const struct people *people, struct http *http, const char *service);
void people_fini(struct people *people);

struct conversation_request {
    const char *id; /* NULL: the server makes it (direct) */
    const char *type, *name;
    const char *const *member_ids;
    size_t member_count;
};

/* Makes a conversation, in as many calls as 1,000 members each take. Ends the program if the
 * server refuses.
 *   out_id  65 bytes at least; the conversation's id
 */
void conversation_make(struct http *http, const char *token,
                       const struct conversation_request *request, char *out_id);

#endif
