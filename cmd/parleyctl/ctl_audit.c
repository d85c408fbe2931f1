#include "ctl_audit.h"

#include "adapters/nats/nats_audit.h"
#include "base/clock.h"
#include "ctl_nats.h"

void ctl_audit_write(struct nats_link *link, const struct audit_event *event)
{
    struct audit_event whole = *event;
    struct nats_audit *audit = nats_audit_create(link, 0);

    if (!audit)
        return;
    struct audit_log log = nats_audit_port(audit);
    whole.actor = "operator";
    whole.at_us = clock_wall_us(clock_system());
    audit_write(&log, &whole);
    nats_audit_destroy(audit); /* stores what it has been given */
}

void ctl_audit_tell(const struct ctl *ctl, const struct audit_event *event)
{
    struct nats_link *link = ctl_nats_open(ctl);

    if (link)
        ctl_audit_write(link, event);
    else
        (void)fprintf(stderr, "parleyctl: it is done, but the audit stream doesn't tell of it\n");
    nats_link_destroy(link);
}
