#include "wire/problem_json.h"
#include "wire/json_write.h"

void problem_write(struct buf *out, const struct error *error, struct bytes request_id)
{
    const struct error_info *info = error_info(error->code);
    struct bytes detail = bytes_of(error->fault.text[0] ? error->fault.text : info->title);
    buf_add_format(out, "{\"type\":\"urn:parley:problem:%s\"", info->code);
    json_add_text(out, "title", bytes_of(info->title));
    buf_add_format(out, ",\"status\":%d", info->status);
    json_add_text(out, "detail", detail);
    if (request_id.len)
        buf_add_format(out, ",\"instance\":\"urn:uuid:%.*s\"", BYTES_ARG(request_id));
    buf_add_format(out, ",\"code\":\"%s\"", info->code);
    json_add_text(out, "message", detail);
    buf_add_format(out, ",\"retryable\":%s", info->is_retryable ? "true" : "false");
    if (error->retry_after_ms > 0)
        buf_add_format(out, ",\"retryAfterMs\":%lld", (long long)error->retry_after_ms);
    else
        buf_add_text(out, ",\"retryAfterMs\":null");
    json_add_text(out, "field", bytes_of(error->fault.field));
    json_add_text(out, "requestId", request_id);
    buf_add_byte(out, '}');
}
