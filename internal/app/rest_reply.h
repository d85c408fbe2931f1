/* rest_reply.h - answers to HTTP requests; private to app/rest_*.c. */
#ifndef APP_REST_REPLY_H
#define APP_REST_REPLY_H

#include "app/rest_call.h"

/* Answers a request that never became a call. allow: methods of the path, for 405. */
void rest_refuse(struct rest *rest, struct http_id http, const struct error *error,
                 const struct id *request_id, unsigned allow);

/* 204 with Allow. */
void rest_reply_options(struct rest *rest, struct http_id http, const struct id *request_id,
                        unsigned allow);

/* Answers a call with what it holds: its error, or its status and body. */
void rest_reply(struct rest_call *call);

/* Counts an answer; rest.c. */
void rest_count_answer(struct rest *rest, int status);
const struct rest_options *rest_options_of(const struct rest *rest);

#endif
