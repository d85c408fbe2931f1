#include "wire/json_write.h"

#include "base/clock.h"

void json_add_text(struct buf *out, const char *key, struct bytes text)
{
    buf_add_format(out, ",\"%s\":", key);
    if (text.len)
        buf_add_json_string(out, text);
    else
        buf_add_text(out, "null");
}

void json_add_time(struct buf *out, const char *key, int64_t at_us)
{
    char text[RFC3339_CHARS];
    buf_add_format(out, ",\"%s\":", key);
    if (at_us == 0) {
        buf_add_text(out, "null");
        return;
    }
    rfc3339_write(at_us, text);
    buf_add_format(out, "\"%s\"", text);
}
