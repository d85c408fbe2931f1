/* verify.h - log and store compared, for other commands than `verify`. */
#ifndef PARLEYCTL_VERIFY_H
#define PARLEYCTL_VERIFY_H

#include "ctl_nats.h"
#include "ports/message_store.h"

/* Compares every partition.
 *   wait_s      how long the store may take to get to the log's end
 *   out_report  NULL: the result is printed; else it is given here, the caller's
 *   returns     CTL_OK the same; CTL_FAILED not, or not looked at to the end
 */
int verify_store(const struct ctl *ctl, const struct message_store *store, int64_t wait_s,
                 json_t **out_report);

#endif
