#include "wire/audit_json.h"

#include "base/rc.h"
#include "domain/user_role.h"

static void add_id(struct buf *out, const char *key, const struct id *id)
{
    if (id->len)
        buf_add_format(out, ",\"%s\":\"%s\"", key, id->text);
}

void audit_event_write(struct buf *out, const struct audit_event *event, const struct id *id)
{
    char at[RFC3339_CHARS];
    rfc3339_write(event->at_us, at);
    buf_add_format(out, "{\"id\":\"%s\",\"at\":\"%s\",\"kind\":\"%s\",\"outcome\":\"%s\"", id->text,
                   at, audit_kind_name(event->kind), event->is_success ? "success" : "failure");
    if (event->reason)
        buf_add_format(out, ",\"reason\":\"%s\"", event->reason);
    buf_add_format(out, ",\"actor\":\"%s\"", event->actor ? event->actor : "user");
    add_id(out, "by", &event->by);
    add_id(out, "subject", &event->subject);
    add_id(out, "session", &event->session);
    if (event->range.text[0])
        buf_add_format(out, ",\"network\":\"%s\"", event->range.text);
    if (event->kind == AUDIT_ROLES) {
        buf_add_text(out, ",\"roles\":");
        user_roles_write(out, event->roles, true);
    }
    buf_add_byte(out, '}');
}
