#include "adapters/nats/nats_tickets.h"

#include "adapters/nats/nats_bucket.h"

/* The bucket forgets a key after two minutes; a ticket is good for half of one. */
static enum rc claim(void *self, const struct id *ticket)
{
    const struct bucket_put put = { .bucket = "TICKETS",
                                    .key = ticket->text,
                                    .value = bytes_of("used"),
                                    .has_revision = true,
                                    .revision = 0 };
    enum rc rc = nats_bucket_put(self, &put);
    return rc == RC_FULL ? RC_UNAVAILABLE : rc;
}

struct ticket_claims nats_tickets_port(struct nats_link *link)
{
    return (struct ticket_claims){ .self = link, .claim = claim };
}
