/* What is published while the server is away is refused by the link itself, but for one message,
 * and not kept for the next link: it would leave minutes late, when its sender had been told that
 * nobody knows. */
#include "adapters/nats/nats_priv.h"
#include "support/check.h"
#include "support/nats_server.h"

static struct nats_server server;

static void wait_until(struct nats_link *link, bool is_up)
{
    while (nats_link_is_up(link) != is_up) /* the test's time-out is the limit */
        continue;
}

/* Published while there is no link: how many the client library takes. */
static int publish_ten(natsConnection *nc)
{
    int taken = 0;
    for (int i = 0; i < 10; i++)
        taken += natsConnection_PublishString(nc, "late", "in the meantime") == NATS_OK;
    return taken;
}

/* How many come before the one that was published after it all. */
static int count_late(natsSubscription *sub)
{
    for (int late = 0;; late++) {
        natsMsg *msg = NULL;
        CHECK_INT(NATS_OK, natsSubscription_NextMsg(&msg, sub, 5000));
        bool is_last = strcmp(natsMsg_GetData(msg), "after it") == 0;
        natsMsg_Destroy(msg);
        if (is_last)
            return late;
    }
}

TEST(at_most_one_message_is_kept_for_the_next_link)
{
    struct nats_link *link = NULL;
    natsSubscription *sub = NULL;
    nats_server_start(&server, NULL);
    CHECK_RC(RC_OK,
             nats_link_create(&(struct nats_link_options){ .url = server.url }, &link, NULL));
    CHECK_RC(RC_OK, nats_link_wait(link, 5000));
    natsConnection *nc = nats_link_connection(link);
    CHECK_INT(NATS_OK, natsConnection_SubscribeSync(&sub, nc, "late"));
    nats_server_kill(&server);
    wait_until(link, false);
    int taken = publish_ten(nc);
    CHECK(taken <= 1);
    nats_server_restart(&server);
    wait_until(link, true);
    CHECK_INT(NATS_OK, natsConnection_PublishString(nc, "late", "after it"));
    CHECK(count_late(sub) <= taken);
    natsSubscription_Destroy(sub);
    nats_link_destroy(link);
    nats_server_stop(&server);
}
