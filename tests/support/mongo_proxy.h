/* mongo_proxy.h - stands between the MongoDB store and its server, and lets the n-th command go
 * wrong.
 *
 * Only commands that read or write data are counted: insert, update, delete, find, getMore. What
 * the driver does for itself (hello, endSessions) passes. After one went wrong all others pass,
 * until mongo_proxy_break is called again.
 */
#ifndef TESTS_SUPPORT_MONGO_PROXY_H
#define TESTS_SUPPORT_MONGO_PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum proxy_harm {
    HARM_REFUSE,     /* answered with an error (OperationFailed); the server never saw it */
    HARM_CUT_BEFORE, /* the connection ends; the server never saw it */
    HARM_CUT_AFTER,  /* the server did it and answered; the connection ends before the answer */
    HARM_CONCERN,    /* the server did it; the answer says that no majority has it. find: REFUSE */
    HARM_COUNT,
};

enum { PROXY_LINKS_MAX = 64 };

struct mongo_proxy {
    int port, server_port, listen_fd;
    pthread_t thread;
    _Atomic int64_t left; /* commands until the one that goes wrong; 0 or less: none will */
    _Atomic int harm;
    _Atomic uint64_t commands; /* counted ones so far */
    _Atomic uint64_t done;     /* that went wrong */
    _Atomic int is_over;
    pthread_t links[PROXY_LINKS_MAX];
    size_t link_count;
};

void mongo_proxy_start(struct mongo_proxy *proxy, int server_port);
/* The nth command from now on goes wrong in that way. */
void mongo_proxy_break(struct mongo_proxy *proxy, int64_t nth, enum proxy_harm harm);
/* No call of the store may be under way. */
void mongo_proxy_stop(struct mongo_proxy *proxy);

#endif
