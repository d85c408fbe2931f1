/* port_guard.h - is a shared port ours to share?
 *
 * Gateways of one home listen on one port together (SO_REUSEPORT), and then the kernel lets any
 * process of the same user join: a second Parley, started on a taken port by mistake, would get
 * every other connection of the first. So whoever listens holds a shared lock on a file of its
 * home, and where somebody listens already, one of those has to be held. The kernel drops the lock
 * with its holder, however that ends.
 */
#ifndef ADAPTERS_LWS_PORT_GUARD_H
#define ADAPTERS_LWS_PORT_GUARD_H

#include "base/rc.h"

#include <sys/socket.h>

/* Call before the listening socket is bound.
 *   path     the lock's file, the same for all who may share; made if it isn't there
 *   out_fd   the caller's; closing it gives the lock back. -1 if the file can't be made: then
 *            nothing was checked
 *   errors   RC_CONFLICT: somebody else listens there
 *   blocks   only while another one looks, for microseconds. Any thread
 */
MUST_CHECK enum rc port_guard_take(const char *path, const struct sockaddr_storage *address,
                                   socklen_t len, int *out_fd);

#endif
