/* command_body.c - what tells one request from another under the same id. */
#include "app/command_run.h"

#include "base/encode.h"

enum { CANONICAL_BYTES_MAX = 1 << 20 };

static void add_field(struct buf *out, struct bytes field)
{
    buf_add_format(out, ";%zu:", field.len);
    buf_add(out, field);
}

/* Name, history and members, each marked as given or not. */
static void add_settings(struct buf *out, const struct command *c)
{
    buf_add_format(out, ";%d;%d;%d", (int)c->type, c->has_history ? (int)c->history : -1,
                   c->has_name);
    add_field(out, c->name);
    add_field(out, id_bytes(&c->owner));
    for (size_t i = 0; i < c->member_count; i++) {
        const struct command_member *member = &c->members[i];
        add_field(out, id_bytes(&member->user));
        buf_add_format(out, ",%d", member->has_role ? (int)member->role : -1);
    }
}

void command_hash_body(struct command_run *run)
{
    SCOPED_BUF(canonical, CANONICAL_BYTES_MAX);
    const struct command *c = &run->c;
    if (c->kind != COMMAND_SEND)
        buf_add_format(&canonical, "%d:%llu:", (int)c->kind, (unsigned long long)c->target_seq);
    buf_add(&canonical, c->content);
    switch (c->kind) {
    case COMMAND_CREATE:
    case COMMAND_UPDATE:
    case COMMAND_MEMBER_PUT:
    case COMMAND_MEMBER_REMOVE:
        add_settings(&canonical, c);
        break;
    default:
        break;
    }
    body_hash_write(run->body_hash, buf_bytes(&canonical));
}

enum error_code command_other_body(struct command_run *run)
{
    fault_set(&run->result.error.fault,
              run->c.kind == COMMAND_SEND ? "clientMessageId" : "operationId",
              "This id was used for another body in this conversation.");
    return ERROR_CONFLICT;
}

struct id command_member_operation(const struct command_run *run, const struct id *user)
{
    uint8_t hash[BODY_HASH_BYTES];
    char text[2 * ID_CHARS_MAX + 2];
    struct id id = { .len = 0 };
    int len = snprintf(text, sizeof text, "%s:%s", run->c.client_id.text, user->text);
    body_hash_write(hash, bytes_make(text, (size_t)len)); /* ids have no colon: no two collide */
    id.len = (uint8_t)b64url_write(bytes_make(hash, sizeof hash), id.text);
    return id;
}
