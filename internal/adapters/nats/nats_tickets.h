/* nats_tickets.h - the port ticket_claims on the bucket TICKETS: a key that can be made once. */
#ifndef ADAPTERS_NATS_NATS_TICKETS_H
#define ADAPTERS_NATS_NATS_TICKETS_H

#include "adapters/nats/nats_link.h"
#include "ports/tickets.h"

/* The port; its self is the link, which must outlive it. */
struct ticket_claims nats_tickets_port(struct nats_link *link);

#endif
