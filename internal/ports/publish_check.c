/* publish_check.c - the bytes that no adapter lets into a subject or a header, in one place. */
#include "ports/event_log.h"

#include <strings.h>

enum { SUBJECT_BYTES_MAX = 256, HEADER_NAME_BYTES_MAX = 64 };

/* A subject to publish to: no blanks, no control characters, no wildcards, no empty token. */
static bool is_subject(const char *text)
{
    char before = '.';
    size_t len = 0;
    for (; text[len]; before = text[len++]) {
        char c = text[len];
        if (c <= ' ' || c >= 0x7f || c == '*' || c == '>' || (c == '.' && before == '.'))
            return false;
    }
    return len > 0 && len < SUBJECT_BYTES_MAX && before != '.';
}

static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return text.len <= PUBLISH_HEADER_BYTES_MAX;
}

/* A header of ours: a token, and none of the server's own names, which it would be mistaken for. */
static bool is_header_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
            return false;
    return len > 0 && len <= HEADER_NAME_BYTES_MAX && strncasecmp(name, "Nats-", 5) != 0;
}

enum rc publish_request_check(const struct publish_request *request)
{
    if (!is_subject(request->subject) || request->payload.len > INT32_MAX)
        return RC_INVALID;
    if (!request->msg_id && strncmp(request->subject, "chat.", 5) == 0)
        return RC_INVALID;
    if (request->msg_id && (!*request->msg_id || !is_printable(bytes_of(request->msg_id))))
        return RC_INVALID;
    for (size_t i = 0; i < request->header_count; i++)
        if (!is_header_name(request->headers[i].name) || !is_printable(request->headers[i].value))
            return RC_INVALID;
    return RC_OK;
}
