/* heap_trim.c - gives memory back to the system after a storm of connections.
 *
 * While thousands connect at once, each holds the library's header table (5 KB) until it is
 * upgraded. Freed between what stays, they keep a quarter of the process's memory that nobody uses.
 * malloc_trim(3) gives whole pages of them back; it takes milliseconds, so it waits until nobody
 * has connected for a while, and until so many have come or gone that it is worth it.
 */
#include "adapters/lws/server.h"

#include <malloc.h>

enum { TRIM_AFTER_SOCKETS = 1024, QUIET_MS = 1000 };

void heap_trim_tick(struct ws_server *server, uint64_t now_ms)
{
    uint64_t accepted = server->stats.accepted, open = server->stats.connections;
    uint64_t turnover = accepted + (accepted > open ? accepted - open : 0); /* came, and went */
    if (accepted != server->trim.accepted_seen) {
        server->trim.accepted_seen = accepted;
        server->trim.quiet_from_ms = now_ms;
    }
    if (turnover - server->trim.turnover_done < TRIM_AFTER_SOCKETS ||
        now_ms - server->trim.quiet_from_ms < QUIET_MS)
        return;
    server->trim.turnover_done = turnover;
    server->stats.heap_trims++;
    (void)malloc_trim(0); /* whether anything was given back changes nothing */
}
