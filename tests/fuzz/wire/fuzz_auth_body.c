/* Bodies of /v1/auth of any bytes: what is taken is UTF-8 within its limits, without control
 * characters but in passwords; what is needed is there. */
#include "demand.h"
#include "wire/auth_json.h"

static const unsigned all = AUTH_USERNAME | AUTH_PASSWORD | AUTH_NEW_PASSWORD | AUTH_EMAIL |
                            AUTH_NAME | AUTH_TOKEN | AUTH_REFRESH_TOKEN | AUTH_DEVICE |
                            AUTH_DEVICE_ID | AUTH_COOKIES;

static void demand_text(struct bytes text, size_t bytes_max)
{
    demand(text.len <= bytes_max);
    demand(bytes_is_utf8(text));
    for (size_t i = 0; i < text.len; i++)
        demand(text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct fault fault = { .text = "" };
    struct auth_body body;
    unsigned needed = AUTH_USERNAME | AUTH_PASSWORD;

    if (auth_body_parse(bytes_make(data, size), 0, all, &arena, &body, &fault) != RC_OK) {
        demand(fault.text[0] != 0);
        return 0;
    }
    demand_text(body.username, 512);
    demand_text(body.email, 512);
    demand_text(body.name, 128);
    demand_text(body.token, 256);
    demand_text(body.refresh_token, 256);
    demand_text(body.device, 128);
    demand_text(body.device_id, 128);
    demand(body.password.len <= 1024 && bytes_is_utf8(body.password));
    unsigned given = body.given;
    bool is_whole =
        auth_body_parse(bytes_make(data, size), needed, 0, &arena, &body, &fault) == RC_OK;
    demand(is_whole == ((given & needed) == needed));
    return 0;
}
