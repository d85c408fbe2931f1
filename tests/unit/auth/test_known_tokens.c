/* What a storm of reconnects costs: 10,000 tokens that were seen before, each verified again, in
 * CPU time of this process, so that a busy machine doesn't matter. The bound is the promise (100
 * us); the figure is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "adapters/auth/jwt_issuer.h"
#include "adapters/auth/jwt_verifier.h"
#include "support/check.h"
#include "support/scratch.h"

#define NOW INT64_C(1800000000)

enum { TOKENS = 10000, LIMIT_NS = 100000 };

static int64_t cpu_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void issue_all(struct token_issuer *port, struct buf *tokens)
{
    struct access_claims claims = { .issued_s = NOW, .expires_s = NOW + 900 };
    char text[32];
    for (int i = 0; i < TOKENS; i++) {
        (void)snprintf(text, sizeof text, "user-%d", i);
        CHECK(id_read(bytes_of(text), &claims.user) && id_read(bytes_of(text), &claims.session));
        buf_init(&tokens[i], ACCESS_TOKEN_BYTES_MAX);
        CHECK_RC(RC_OK, port->issue(port->self, &claims, &tokens[i]));
    }
}

static int64_t verify_all(struct jwt_verifier *verifier, const struct buf *tokens)
{
    struct identity who;
    int64_t start = cpu_ns();
    for (int i = 0; i < TOKENS; i++)
        CHECK_INT(TOKEN_OK,
                  token_verify(jwt_verifier_port(verifier), buf_bytes(&tokens[i]), NOW + 1, &who));
    return (cpu_ns() - start) / TOKENS;
}

TEST(a_token_that_is_known_costs_less_than_100_us_of_cpu)
{
    struct scratch dir;
    struct jwt_issuer *issuer = NULL;
    struct jwt_verifier *verifier = NULL;
    struct jwt_keys_error error = { "" };
    struct buf *tokens = calloc(TOKENS, sizeof *tokens);
    CHECK(tokens != NULL);
    scratch_init(&dir);
    CHECK_RC(RC_OK, jwt_keys_ensure(dir.path, JWS_ES256, NULL));
    CHECK_RC(RC_OK, jwt_issuer_create(dir.path, JWS_ES256, "us", "us", &issuer));
    const struct jwt_verifier_options options = { .keys_dir = dir.path,
                                                  .jwks_file = "",
                                                  .issuer = "us",
                                                  .audience = "us",
                                                  .algorithm = JWS_ES256 };
    CHECK_RC(RC_OK, jwt_verifier_create(&options, &verifier, &error));
    struct token_issuer port = jwt_issuer_port(issuer);
    issue_all(&port, tokens);
    int64_t first_ns = verify_all(verifier, tokens);
    int64_t again_ns = verify_all(verifier, tokens);
    print_message("     first seen %.1f us, known %.2f us of CPU each\n", (double)first_ns / 1000,
                  (double)again_ns / 1000);
    CHECK_U64(TOKENS, jwt_verifier_stats(verifier).cache_hits);
    CHECK(again_ns < LIMIT_NS);
    for (int i = 0; i < TOKENS; i++)
        buf_fini(&tokens[i]);
    free(tokens);
    jwt_issuer_destroy(issuer);
    jwt_verifier_destroy(verifier);
    scratch_fini(&dir);
}
