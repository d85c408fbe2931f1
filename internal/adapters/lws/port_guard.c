#include "adapters/lws/port_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <unistd.h>

/* Whether somebody listens there: without SO_REUSEPORT the kernel says so. Nobody is disturbed,
 * since this socket never listens. */
static bool is_taken(const struct sockaddr_storage *address, socklen_t len)
{
    int on = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false; /* the real bind will say what is wrong */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    bool is_taken = bind(fd, (const struct sockaddr *)address, len) != 0 && errno == EADDRINUSE;
    close(fd);
    return is_taken;
}

enum guarded { LOOKING = 0, LISTENING = 1 }; /* the file's bytes that are locked */

/* Locks of the open file, not of the process. Returns whether it was had. */
static bool lock(int fd, enum guarded what, short type, bool waits)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = what, .l_len = 1 };
    int rc;
    do {
        rc = fcntl(fd, waits ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

enum rc port_guard_take(const char *path, const struct sockaddr_storage *address, socklen_t len,
                        int *out_fd)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    *out_fd = -1;
    if (fd < 0)
        return RC_OK;
    /* One looks at a time, so whoever holds LISTENING has looked before, or has asked one who had:
     * if somebody does, the port is ours. */
    if (!lock(fd, LOOKING, F_WRLCK, true)) {
        close(fd);
        return RC_OK;
    }
    bool is_first = lock(fd, LISTENING, F_WRLCK, false);
    if (is_first && is_taken(address, len)) {
        close(fd);
        return RC_CONFLICT;
    }
    (void)lock(fd, LISTENING, F_RDLCK, true); /* nobody has it for writing but who looks */
    (void)lock(fd, LOOKING, F_UNLCK, false);
    *out_fd = fd;
    return RC_OK;
}
