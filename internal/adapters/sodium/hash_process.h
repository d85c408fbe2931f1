/* hash_process.h - the port password_hasher by processes of their own.
 *
 * Argon2id takes its memory from the kernel at every hash: 64 MiB, filled page by page under the
 * lock of the process's memory map. A thread that hashes at a low priority holds that lock while it
 * waits for a processor, and everybody in the process who needs a page waits with it, the loop too:
 * for hundreds of milliseconds on a busy machine. Between processes there is no such lock
 * (docs/decisions/0006).
 *
 * Each process takes one hash at a time, over a socket pair. It ends when the socket does, so with
 * us, however that comes. One that died, or is silent for long, is replaced, and what it was asked
 * is asked once more.
 *
 * Thread: any; a call takes as long as a hash, plus the wait for a process that is free.
 */
#ifndef ADAPTERS_SODIUM_HASH_PROCESS_H
#define ADAPTERS_SODIUM_HASH_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "adapters/sodium/argon2_hasher.h"

/* The word that begins the arguments of such a process. */
#define HASH_PROCESS_WORD "hash-process"

struct hash_process_pool; /* opaque */

struct hash_process_options {
    const char *program; /* runs hash_process_main; "/proc/self/exe" */
    size_t count;        /* processes, 1 to HASH_PROCESSES_MAX */
    struct argon2_options argon2;
};

enum { HASH_PROCESSES_MAX = 64 };

/* Starts them, and has one make a hash.
 *   errors  RC_NOMEM; RC_UNAVAILABLE the program can't be started, or it has no memory for a hash
 */
MUST_CHECK enum rc hash_process_pool_create(const struct hash_process_options *options,
                                            struct hash_process_pool **out_pool);

/* Its calls have one more error: RC_UNAVAILABLE, no process could be had. A password of more than
 * PASSWORD_BYTES_MAX bytes is nobody's, and can't be hashed (RC_INVALID). */
const struct password_hasher *hash_process_pool_port(const struct hash_process_pool *pool);

/* The processes of now, 0 for one that is not there; out has room for options.count. No call may be
 * under way. */
void hash_process_pool_pids(struct hash_process_pool *pool, pid_t *out);

/* Ends them. No call may be under way. NULL is fine. */
void hash_process_pool_destroy(struct hash_process_pool *pool);

/* Whether these are the arguments of such a process; then main has only to return what this gives.
 */
bool hash_process_is_meant(int argc, char **argv);
int hash_process_main(int argc, char **argv);

#endif
