/* A stream of 60 MB out of a real nats-server and back. Small ones are in scenario 34; a large one
 * is sent past the server's window, and its end has a status. */
#include "adapters/nats/nats_priv.h"
#include "adapters/nats/stream_snapshot.h"
#include "support/check.h"
#include "support/nats_server.h"

#include <stdlib.h>

enum { MESSAGES = 1200, MESSAGE_BYTES = 50000 };

static struct nats_server server;

struct copy {
    uint8_t *bytes;
    size_t len, max, at;
};

static enum rc take(void *closure, struct bytes part)
{
    struct copy *copy = closure;
    if (copy->len + part.len > copy->max)
        return RC_FULL;
    memcpy(copy->bytes + copy->len, part.ptr, part.len);
    copy->len += part.len;
    return RC_OK;
}

static enum rc give(void *closure, uint8_t *into, size_t room, size_t *out_len)
{
    struct copy *copy = closure;
    *out_len = copy->len - copy->at < room ? copy->len - copy->at : room;
    memcpy(into, copy->bytes + copy->at, *out_len);
    copy->at += *out_len;
    return RC_OK;
}

static bool ask(struct nats_link *link, const char *subject, const char *body, const char *has)
{
    SCOPED_ARENA(arena, 1 << 20);
    struct bytes reply;
    CHECK_RC(RC_OK, nats_link_request(link, subject, bytes_of(body), 10000, &arena, &reply));
    return memmem(reply.ptr, reply.len, has, strlen(has)) != NULL;
}

/* Chance, so that the server's compression leaves it as large as it is. */
static void fill(struct nats_link *link)
{
    uint8_t *body = malloc(MESSAGE_BYTES);
    uint64_t x = 88172645463325252ull;
    for (int m = 0; m < MESSAGES; m++) {
        for (size_t i = 0; i < MESSAGE_BYTES; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64 */
            body[i] = (uint8_t)x;
        }
        CHECK_INT(NATS_OK,
                  natsConnection_Publish(nats_link_connection(link), "big", body, MESSAGE_BYTES));
    }
    CHECK_INT(NATS_OK, natsConnection_FlushTimeout(nats_link_connection(link), 20000));
    free(body);
}

/* What was published without waiting for answers is stored in a moment. */
static bool has_all(struct nats_link *link)
{
    for (int i = 0; i < 20000; i++)
        if (ask(link, "$JS.API.STREAM.INFO.BIG", "", "\"messages\":1200,"))
            return true;
    return false;
}

TEST(a_large_stream_is_copied_and_comes_back_whole)
{
    struct nats_link *link = NULL;
    struct copy copy = { .bytes = malloc(100 << 20), .max = 100 << 20 };
    SCOPED_ARENA(arena, 1 << 20);
    struct bytes meta;
    struct fault fault = { .text = "" };
    nats_server_start(&server, NULL);
    CHECK_RC(RC_OK,
             nats_link_create(&(struct nats_link_options){ .url = server.url }, &link, NULL));
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    CHECK(ask(link, "$JS.API.STREAM.CREATE.BIG", "{\"name\":\"BIG\",\"subjects\":[\"big\"]}",
              "\"config\""));
    fill(link);
    CHECK(has_all(link));
    enum rc rc = stream_snapshot_save(link, "BIG", take, &copy, &arena, &meta, &fault);
    if (rc != RC_OK)
        print_message("%s\n", fault.text);
    CHECK_RC(RC_OK, rc);
    CHECK(copy.len > (size_t)MESSAGES * MESSAGE_BYTES);
    CHECK(ask(link, "$JS.API.STREAM.DELETE.BIG", "", "\"success\":true"));
    meta = bytes_of("{\"config\":{\"name\":\"BIG\",\"subjects\":[\"big\"]},\"state\":{}}");
    rc = stream_snapshot_restore(link, "BIG", meta, give, &copy, &fault);
    if (rc != RC_OK)
        print_message("%s\n", fault.text);
    CHECK_RC(RC_OK, rc);
    CHECK(has_all(link));
    nats_link_destroy(link);
    nats_server_stop(&server);
    free(copy.bytes);
}
