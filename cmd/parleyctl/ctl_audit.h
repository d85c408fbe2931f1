/* ctl_audit.h - what an operator did, told to the audit stream. */
#ifndef PARLEYCTL_CTL_AUDIT_H
#define PARLEYCTL_CTL_AUDIT_H

#include "adapters/nats/nats_link.h"
#include "ctl.h"
#include "domain/audit_event.h"

/* Stores one event, with the operator as the actor and the time of now. Returns when the server has
 * it, or after a while without: what was done is done all the same. */
void ctl_audit_write(struct nats_link *link, const struct audit_event *event);

/* The same for a command that needs no NATS: it connects, and says on standard error when the event
 * could not be stored. */
void ctl_audit_tell(const struct ctl *ctl, const struct audit_event *event);

#endif
