#include "adapters/sodium/hash_process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/sodium/hash_wire.h"
#include "base/log.h"

/* Hashing gives way to all else: on a machine that is full it can take this long and be well. */
enum { SILENCE_MAX_MS = 60000, TRIES = 2 };

struct hash_process {
    pid_t pid; /* 0: not there */
    int fd;    /* our end, while there is a process */
    bool is_busy;
};

struct hash_process_pool {
    struct password_hasher port;
    pthread_mutex_t lock;
    pthread_cond_t has_free;
    char *program;
    char passes[24], memory[24];
    size_t count;
    struct hash_process processes[];
};

/* ---- one process ---- */

/* Nothing of ours goes along but its socket and the standard streams: above all no listener, whose
 * connections would come to a process that doesn't take them. */
static int spawn(const struct hash_process_pool *pool, int fd, pid_t *out_pid)
{
    char *argv[] = { (char *)"parleyd", (char *)HASH_PROCESS_WORD, (char *)pool->passes,
                     (char *)pool->memory, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    int failed;

    (void)sigemptyset(&none);
    if ((failed = posix_spawn_file_actions_init(&files)) != 0)
        return failed;
    if ((failed = posix_spawnattr_init(&attributes)) == 0) {
        failed = posix_spawn_file_actions_adddup2(&files, fd, HASH_WIRE_FD);
        if (!failed)
            failed = posix_spawn_file_actions_addclosefrom_np(&files, HASH_WIRE_FD + 1);
        if (!failed)
            failed = posix_spawnattr_setsigmask(&attributes, &none);
        if (!failed)
            failed = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (!failed)
            failed = posix_spawn(out_pid, pool->program, &files, &attributes, argv, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return failed;
}

static enum rc start(const struct hash_process_pool *pool, struct hash_process *process)
{
    int ends[2];
    int failed;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return RC_UNAVAILABLE;
    failed = spawn(pool, ends[1], &process->pid);
    (void)close(ends[1]);
    if (failed) {
        (void)close(ends[0]);
        process->pid = 0;
        log_error("accounts.hashing_not_started", LOG_STR("why", strerror(failed)));
        return RC_UNAVAILABLE;
    }
    process->fd = ends[0];
    return RC_OK;
}

static void end(struct hash_process *process)
{
    if (!process->pid)
        return;
    (void)close(process->fd);
    (void)kill(process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    process->pid = 0;
}

static bool wait_readable(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    int ready;
    do
        ready = poll(&poll_fd, 1, SILENCE_MAX_MS);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static bool ask_once(const struct hash_process *process, const struct hash_request *request,
                     struct hash_reply *reply)
{
    return send(process->fd, request, sizeof *request, MSG_NOSIGNAL) == (ssize_t)sizeof *request &&
           wait_readable(process->fd) &&
           recv(process->fd, reply, sizeof *reply, 0) == (ssize_t)sizeof *reply;
}

/* ---- the pool ---- */

static struct hash_process *take(struct hash_process_pool *pool)
{
    struct hash_process *found = NULL;
    pthread_mutex_lock(&pool->lock);
    while (!found) {
        for (size_t i = 0; i < pool->count && !found; i++)
            if (!pool->processes[i].is_busy)
                found = &pool->processes[i];
        if (!found)
            pthread_cond_wait(&pool->has_free, &pool->lock);
    }
    found->is_busy = true;
    pthread_mutex_unlock(&pool->lock);
    return found;
}

static void give_back(struct hash_process_pool *pool, struct hash_process *process)
{
    pthread_mutex_lock(&pool->lock);
    process->is_busy = false;
    pthread_cond_signal(&pool->has_free);
    pthread_mutex_unlock(&pool->lock);
}

static enum rc ask(struct hash_process_pool *pool, const struct hash_request *request,
                   struct hash_reply *reply)
{
    struct hash_process *process = take(pool);
    enum rc rc = RC_UNAVAILABLE;
    for (int i = 0; i < TRIES && rc != RC_OK; i++) {
        if (!process->pid && start(pool, process) != RC_OK)
            break;
        if (ask_once(process, request, reply)) {
            rc = RC_OK;
        } else {
            log_warn("accounts.hashing_died", LOG_INT("pid", process->pid));
            end(process);
        }
    }
    give_back(pool, process);
    return rc == RC_OK ? (enum rc)reply->rc : rc;
}

static void put_password(struct hash_request *request, struct bytes password)
{
    request->password_len = (uint32_t)password.len;
    if (password.len)
        memcpy(request->password, password.ptr, password.len);
}

static enum rc hash(void *self, struct bytes password, char out[PASSWORD_HASH_CHARS + 1])
{
    struct hash_request request = { .ask = HASH_WIRE_HASH };
    struct hash_reply reply = { .rc = RC_INVALID };
    if (password.len > sizeof request.password)
        return RC_INVALID;
    put_password(&request, password);
    enum rc rc = ask(self, &request, &reply);
    memcpy(out, reply.hash, sizeof reply.hash);
    sodium_memzero(&request, sizeof request);
    return rc;
}

/* What is too long is asked as nobody's, so that it takes as long as another. */
static enum rc verify(void *self, struct bytes password, struct bytes text, bool *out_is_right,
                      bool *out_is_old)
{
    struct hash_request request = { .ask = HASH_WIRE_VERIFY };
    struct hash_reply reply = { .rc = RC_INVALID };
    if (password.len <= sizeof request.password && text.len < sizeof request.hash) {
        put_password(&request, password);
        request.hash_len = (uint32_t)text.len;
        if (text.len)
            memcpy(request.hash, text.ptr, text.len);
    }
    enum rc rc = ask(self, &request, &reply);
    *out_is_right = rc == RC_OK && reply.is_right;
    *out_is_old = rc == RC_OK && reply.is_old;
    sodium_memzero(&request, sizeof request);
    return rc;
}

/* Whether there is the memory for one: a setting that asks too much stops the start. */
static enum rc try_out(struct hash_process_pool *pool)
{
    bool is_right, is_old;
    return verify(pool, bytes_of(NULL), bytes_of(NULL), &is_right, &is_old);
}

enum rc hash_process_pool_create(const struct hash_process_options *options,
                                 struct hash_process_pool **out_pool)
{
    struct hash_process_pool *pool =
        calloc(1, sizeof *pool + options->count * sizeof pool->processes[0]);
    enum rc rc = RC_OK;
    if (!pool || !(pool->program = strdup(options->program))) {
        free(pool);
        return RC_NOMEM;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->has_free, NULL);
    pool->port = (struct password_hasher){ .self = pool, .hash = hash, .verify = verify };
    pool->count = options->count;
    (void)snprintf(pool->passes, sizeof pool->passes, "%llu", options->argon2.passes);
    (void)snprintf(pool->memory, sizeof pool->memory, "%zu", options->argon2.memory_bytes);
    for (size_t i = 0; i < pool->count && rc == RC_OK; i++)
        rc = start(pool, &pool->processes[i]);
    if (rc == RC_OK)
        rc = try_out(pool);
    if (rc != RC_OK) {
        hash_process_pool_destroy(pool);
        return rc;
    }
    *out_pool = pool;
    return RC_OK;
}

const struct password_hasher *hash_process_pool_port(const struct hash_process_pool *pool)
{
    return &pool->port;
}

void hash_process_pool_pids(struct hash_process_pool *pool, pid_t *out)
{
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++)
        out[i] = pool->processes[i].pid;
    pthread_mutex_unlock(&pool->lock);
}

void hash_process_pool_destroy(struct hash_process_pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < pool->count; i++)
        end(&pool->processes[i]);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->has_free);
    free(pool->program);
    free(pool);
}
