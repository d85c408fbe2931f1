/* hash_child.c - the process that hashes: reads a request, hashes, answers, until its parent is
 * gone. */
#include "adapters/sodium/hash_process.h"
#include "adapters/sodium/hash_wire.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/socket.h>

bool hash_process_is_meant(int argc, char **argv)
{
    return argc == 4 && strcmp(argv[1], HASH_PROCESS_WORD) == 0;
}

static void judge(const struct password_hasher *hasher, const struct hash_request *request,
                  struct hash_reply *reply)
{
    struct bytes password = bytes_make(request->password, request->password_len);
    if (request->ask == HASH_WIRE_HASH)
        reply->rc = hasher->hash(hasher->self, password, reply->hash);
    else
        reply->rc =
            hasher->verify(hasher->self, password, bytes_make(request->hash, request->hash_len),
                           &reply->is_right, &reply->is_old);
}

/* Returns false at the end. */
static bool serve_one(const struct password_hasher *hasher)
{
    struct hash_request request;
    struct hash_reply reply = { .rc = RC_INVALID };
    ssize_t len;
    do
        len = recv(HASH_WIRE_FD, &request, sizeof request, 0);
    while (len < 0 && errno == EINTR);
    if (len != (ssize_t)sizeof request || request.password_len > sizeof request.password ||
        request.hash_len > sizeof request.hash)
        return false;
    judge(hasher, &request, &reply);
    sodium_memzero(&request, sizeof request);
    return send(HASH_WIRE_FD, &reply, sizeof reply, MSG_NOSIGNAL) == (ssize_t)sizeof reply;
}

/* A signal to the whole group is the parent's business: it may have logins to answer before it
 * ends, and then our socket ends. */
int hash_process_main(int argc, char **argv)
{
    struct argon2_options options = { 0 };
    struct argon2_hasher *hasher = NULL;
    uint64_t passes, memory;
    if (!hash_process_is_meant(argc, argv) ||
        !bytes_to_u64(bytes_of(argv[2]), UINT32_MAX, &passes) ||
        !bytes_to_u64(bytes_of(argv[3]), SIZE_MAX, &memory))
        return 2;
    (void)prctl(PR_SET_NAME, "parleyd-hash"); /* for ps and top */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    options = (struct argon2_options){ .passes = passes, .memory_bytes = (size_t)memory };
    if (argon2_hasher_create(&options, &hasher) != RC_OK)
        return 1;
    while (serve_one(argon2_hasher_port(hasher)))
        ;
    argon2_hasher_destroy(hasher);
    return 0;
}
