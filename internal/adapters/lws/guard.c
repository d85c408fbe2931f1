/* guard.c - the checks of guard.h, cheapest and most dangerous first. */
#include "adapters/lws/guard.h"

#include <strings.h>

#define ALLOW "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
#define SUBPROTOCOL "parley.v1"

static const struct guard_refusal
    no_version = { 400, "validation", "The request line has no HTTP version.", NULL },
    bad_version = { 505, "validation", "Only HTTP/1.1 and HTTP/1.0 are spoken here.", NULL },
    bad_method = { 405, "method_not_allowed", "This method is not known here.", ALLOW },
    bad_target = { 400, "validation", "The request target is not a plain path.", NULL },
    too_many_params = { 400, "validation", "The query has too many parameters.", NULL },
    head_too_large = { 431, "payload_too_large", "The request's headers are too large.", NULL },
    bad_host = { 400, "validation", "One Host header is required.", NULL },
    bad_header = { 400, "validation", "A header has a malformed name or value.", NULL },
    two_framings = { 400, "validation", "Transfer-Encoding and Content-Length exclude each other.",
                     NULL },
    no_chunks = { 411, "validation", "Send a Content-Length; Transfer-Encoding is not taken.",
                  NULL },
    bad_length = { 400, "validation", "Content-Length is not one plain number.", NULL },
    no_body_here = { 400, "validation", "This method takes no body.", NULL },
    bad_expect = { 417, "validation", "Only 'Expect: 100-continue' is understood.", NULL },
    bad_upgrade = { 400, "validation", "Only 'Upgrade: websocket' is understood.", NULL },
    bad_handshake = { 400, "validation", "This is not a valid WebSocket handshake.", NULL },
    bad_ws_version = { 426, "validation", "WebSocket version 13 is required.",
                       "upgrade: websocket\r\nsec-websocket-version: 13\r\n" },
    bad_subprotocol = { 400, "validation", "The subprotocol must be parley.v1 or none.", NULL },
    no_http = { 400, "validation", "This is not an HTTP request.", NULL };

const struct guard_refusal
    guard_no_route = { 404, "not_found", "There is nothing here.", NULL },
    guard_too_many = { 429, "rate_limited", "Too many connections from this address.",
                       "retry-after: 5\r\n" },
    guard_too_slow = { 408, "request_timeout", "The request took too long to arrive.", NULL },
    guard_reply_late = { 504, "timeout", "The answer took too long; the outcome is unknown.",
                         NULL },
    guard_body_too_large = { 413, "payload_too_large", "The request's body is too large.", NULL },
    guard_pipelined_body = { 400, "validation",
                             "The body is not a JSON object, or the request was pipelined behind "
                             "another, which a request with a body can't be.",
                             NULL };

/* Copies texts out of the library's header table into the scratch memory. */
struct reader {
    struct lws *wsi;
    char *at, *end;
    bool has_failed;
};

static bool is_present(struct lws *wsi, enum lws_token_indexes token)
{
    char empty[2];
    return lws_hdr_total_length(wsi, token) > 0 ||
           lws_hdr_copy_fragment(wsi, empty, sizeof empty, token, 0) == 0;
}

static bool has_control(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((text.ptr[i] < 0x20 && text.ptr[i] != '\t') || text.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

static struct bytes take(struct reader *reader, int len, int expected)
{
    if (len < 0 || len != expected) {
        reader->has_failed = true;
        return (struct bytes){ 0 };
    }
    struct bytes text = bytes_make(reader->at, (size_t)len);
    reader->at += len + 1;
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    if (has_control(text))
        reader->has_failed = true;
    return text;
}

static struct bytes read_known(struct reader *reader, enum lws_token_indexes token)
{
    int len = lws_hdr_total_length(reader->wsi, token);
    if (!len)
        return (struct bytes){ 0 };
    if (len >= reader->end - reader->at)
        return take(reader, -1, 0);
    return take(reader,
                lws_hdr_copy(reader->wsi, reader->at, (int)(reader->end - reader->at), token), len);
}

/* name with its colon, in lower case */
static struct bytes read_custom(struct reader *reader, const char *name)
{
    int name_len = (int)strlen(name);
    int len = lws_hdr_custom_length(reader->wsi, name, name_len);
    if (len <= 0)
        return (struct bytes){ 0 };
    if (len >= reader->end - reader->at)
        return take(reader, -1, 0);
    return take(reader,
                lws_hdr_custom_copy(reader->wsi, reader->at, (int)(reader->end - reader->at), name,
                                    name_len),
                len);
}

static bool text_is(struct bytes text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

/* Whether a comma-separated list holds the word, whatever its case. */
static bool list_has(struct bytes list, const char *word)
{
    size_t at = 0;
    while (at < list.len) {
        size_t stop = at;
        while (stop < list.len && list.ptr[stop] != ',')
            stop++;
        struct bytes item = bytes_make(list.ptr + at, stop - at);
        while (item.len && item.ptr[0] == ' ')
            item.ptr++, item.len--;
        while (item.len && item.ptr[item.len - 1] == ' ')
            item.len--;
        if (text_is(item, word))
            return true;
        at = stop + 1;
    }
    return false;
}

static const struct {
    enum lws_token_indexes token;
    enum http_method method;
} methods[] = {
    { WSI_TOKEN_GET_URI, HTTP_GET },         { WSI_TOKEN_POST_URI, HTTP_POST },
    { WSI_TOKEN_PUT_URI, HTTP_PUT },         { WSI_TOKEN_PATCH_URI, HTTP_PATCH },
    { WSI_TOKEN_DELETE_URI, HTTP_DELETE },   { WSI_TOKEN_HEAD_URI, HTTP_HEAD },
    { WSI_TOKEN_OPTIONS_URI, HTTP_OPTIONS },
};

static const struct guard_refusal *check_version(struct reader *reader, struct guard_head *head)
{
    struct bytes version = read_known(reader, WSI_TOKEN_HTTP);
    if (version.len == 0)
        return &no_version;
    if (bytes_is(version, "HTTP/1.0"))
        head->is_http10 = true;
    else if (!bytes_is(version, "HTTP/1.1"))
        return bytes_starts(version, "HTTP/") ? &bad_version : &no_version;
    return NULL;
}

static const struct guard_refusal *check_target(struct reader *reader, struct guard_head *head)
{
    enum lws_token_indexes token = WSI_TOKEN_COUNT;
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (is_present(reader->wsi, methods[i].token)) {
            token = methods[i].token;
            head->request.method = methods[i].method;
        }
    }
    if (token == WSI_TOKEN_COUNT)
        return &bad_method;
    /* ";" and "&" cut the path into fragments: no path of ours has them. */
    if (lws_hdr_fragment_length(reader->wsi, token, 1) > 0)
        return &bad_target;
    int len = lws_hdr_total_length(reader->wsi, token);
    struct bytes path = read_known(reader, token);
    /* A decoded NUL shows inside the text, because the library stores it without counting it; the
     * library itself refuses it anywhere but after a slash. */
    if (reader->has_failed || path.len == 0 || (int)path.len != len || path.ptr[0] != '/' ||
        has_control(path) || !bytes_is_utf8(path))
        return &bad_target;
    head->request.path = path;
    return NULL;
}

static const struct guard_refusal *check_params(struct reader *reader, struct guard_head *head)
{
    size_t count = 0;
    if (!is_present(reader->wsi, WSI_TOKEN_HTTP_URI_ARGS))
        return NULL;
    for (int i = 0;; i++) {
        int len = lws_hdr_copy_fragment(reader->wsi, reader->at, (int)(reader->end - reader->at),
                                        WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len < 0)
            break;
        if (len == 0)
            continue;
        if (count == GUARD_PARAMS_MAX)
            return &too_many_params;
        struct bytes text = bytes_make(reader->at, (size_t)len);
        if (has_control(text) || !bytes_is_utf8(text))
            return &bad_target;
        const uint8_t *equal = memchr(text.ptr, '=', text.len);
        size_t name_len = equal ? (size_t)(equal - text.ptr) : text.len;
        head->params[count++] = (struct http_param){
            .name = bytes_make(text.ptr, name_len),
            .value = equal ? bytes_make(equal + 1, text.len - name_len - 1) : (struct bytes){ 0 },
        };
        reader->at += len + 1;
    }
    head->request.params = head->params;
    head->request.param_count = count;
    return NULL;
}

/* The library keeps names that it doesn't know as they came: one with a blank before the colon is
 * a smuggling try (RFC 9112, section 5.1). */
static bool has_spaced_name(struct lws *wsi)
{
    static const char *const names[] = { "content-length :",
                                         "content-length\t:",
                                         "transfer-encoding :",
                                         "transfer-encoding\t:",
                                         " content-length:",
                                         " transfer-encoding:",
                                         "\tcontent-length:",
                                         "\ttransfer-encoding:",
                                         "host :",
                                         "upgrade :" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (lws_hdr_custom_length(wsi, names[i], (int)strlen(names[i])) >= 0)
            return true;
    }
    return false;
}

static const struct guard_refusal *
check_framing(struct reader *reader, const struct guard_limits *limits, struct guard_head *head)
{
    bool has_chunks = is_present(reader->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING);
    head->has_length = is_present(reader->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (has_spaced_name(reader->wsi))
        return &bad_header;
    if (has_chunks)
        return head->has_length ? &two_framings : &no_chunks;
    if (!head->has_length)
        return NULL;

    struct bytes length = read_known(reader, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (length.len == 0 || length.len > 12 ||
        !bytes_to_u64(length, UINT64_C(999999999999), &head->body_bytes))
        return &bad_length;
    enum http_method method = head->request.method;
    if (head->body_bytes > 0 && (method == HTTP_GET || method == HTTP_HEAD ||
                                 method == HTTP_DELETE || method == HTTP_OPTIONS))
        return &no_body_here;
    if (head->body_bytes > limits->body_bytes_max)
        return &guard_body_too_large;
    return NULL;
}

static const struct guard_refusal *check_host(struct reader *reader, struct guard_head *head)
{
    struct bytes host = read_known(reader, WSI_TOKEN_HOST);
    if (reader->has_failed || host.len > 255 ||
        memchr(host.len ? host.ptr : (void *)"", ',', host.len) ||
        memchr(host.len ? host.ptr : (void *)"", ' ', host.len))
        return &bad_host;
    if (host.len == 0 && !head->is_http10)
        return &bad_host;
    head->request.host = host;
    return NULL;
}

static const struct guard_refusal *check_expect(struct reader *reader, struct guard_head *head)
{
    struct bytes expect = read_known(reader, WSI_TOKEN_HTTP_EXPECT);
    if (expect.len == 0)
        return NULL;
    if (!text_is(expect, "100-continue"))
        return &bad_expect;
    head->expects_continue = !head->is_http10;
    return NULL;
}

static bool is_too_large(struct lws *wsi, uint32_t bytes_max)
{
    size_t sum = 0;
    for (int token = 0; token < WSI_TOKEN_COUNT; token++)
        sum += (size_t)lws_hdr_total_length(wsi, (enum lws_token_indexes)token);
    return sum > bytes_max;
}

static const struct guard_refusal *read_headers(struct reader *reader, struct guard_head *head)
{
    struct http_request *request = &head->request;
    struct bytes connection = read_known(reader, WSI_TOKEN_CONNECTION);
    head->wants_close = head->is_http10 || list_has(connection, "close");
    request->authorization = read_known(reader, WSI_TOKEN_HTTP_AUTHORIZATION);
    request->cookie = read_known(reader, WSI_TOKEN_HTTP_COOKIE);
    request->origin = read_known(reader, WSI_TOKEN_ORIGIN);
    request->content_type = read_known(reader, WSI_TOKEN_HTTP_CONTENT_TYPE);
    request->accept = read_known(reader, WSI_TOKEN_HTTP_ACCEPT);
    request->if_match = read_known(reader, WSI_TOKEN_HTTP_IF_MATCH);
    request->if_none_match = read_known(reader, WSI_TOKEN_HTTP_IF_NONE_MATCH);
    request->user_agent = read_known(reader, WSI_TOKEN_HTTP_USER_AGENT);
    request->forwarded_for = read_known(reader, WSI_TOKEN_X_FORWARDED_FOR);
    request->idempotency_key = read_custom(reader, "idempotency-key:");
    request->csrf_token = read_custom(reader, "x-csrf-token:");
    request->last_event_id = read_custom(reader, "last-event-id:");
    return reader->has_failed ? &bad_header : NULL;
}

const struct guard_refusal *guard_check(struct lws *wsi, const struct guard_limits *limits,
                                        char *scratch, size_t scratch_bytes,
                                        struct guard_head *out_head)
{
    struct reader reader = { .wsi = wsi, .at = scratch, .end = scratch + scratch_bytes };
    struct guard_head *head = out_head;
    const struct guard_refusal *refusal;

    memset(&head->request, 0, sizeof head->request);
    head->body_bytes = 0;
    head->has_length = head->expects_continue = head->is_http10 = false;
    if ((refusal = check_version(&reader, head)) || (refusal = check_target(&reader, head)) ||
        (refusal = check_framing(&reader, limits, head)))
        return refusal;
    if (is_too_large(wsi, limits->header_bytes_max))
        return &head_too_large;
    if ((refusal = check_host(&reader, head)) || (refusal = check_params(&reader, head)) ||
        (refusal = check_expect(&reader, head)))
        return refusal;
    return read_headers(&reader, head);
}

/* 16 bytes in base64: 22 characters and "==" (RFC 6455, section 4.1). */
static bool is_ws_key(struct bytes key)
{
    if (key.len != 24 || key.ptr[22] != '=' || key.ptr[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        uint8_t c = key.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return true;
}

const struct guard_refusal *guard_check_upgrade(struct lws *wsi, const struct guard_head *head)
{
    char scratch[1024];
    struct reader reader = { .wsi = wsi, .at = scratch, .end = scratch + sizeof scratch };
    struct bytes upgrade = read_known(&reader, WSI_TOKEN_UPGRADE);
    struct bytes connection = read_known(&reader, WSI_TOKEN_CONNECTION);
    struct bytes version = read_known(&reader, WSI_TOKEN_VERSION);
    struct bytes key = read_known(&reader, WSI_TOKEN_KEY);
    struct bytes offered = read_known(&reader, WSI_TOKEN_PROTOCOL);

    if (reader.has_failed)
        return &bad_handshake;
    if (!text_is(upgrade, "websocket"))
        return &bad_upgrade;
    /* The library reads Connection into 128 bytes of its own and hangs up on more. */
    if (head->request.method != HTTP_GET || head->is_http10 || head->body_bytes > 0 ||
        connection.len > 120 || offered.len > 120 || !list_has(connection, "upgrade"))
        return &bad_handshake;
    if (!bytes_is(version, "13"))
        return &bad_ws_version;
    if (!is_ws_key(key))
        return &bad_handshake;
    if (is_present(wsi, WSI_TOKEN_PROTOCOL) &&
        !(list_has(offered, SUBPROTOCOL) &&
          memmem(offered.ptr, offered.len, SUBPROTOCOL, sizeof SUBPROTOCOL - 1)))
        return &bad_subprotocol;
    return NULL;
}

const struct guard_refusal *guard_check_garbage(const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && at < 32 &&
           ((bytes[at] >= 'A' && bytes[at] <= 'Z') || bytes[at] == '-' || bytes[at] == '_'))
        at++;
    if (at == 0 || at == len || bytes[at] != ' ')
        return &no_http;
    return len >= 5 && memcmp(bytes, "PRI *", 5) == 0 ? &bad_version : &bad_method;
}
