/* Sessions on the store in memory, with a clock that the test moves: turning, grace, reuse, expiry.
 */
#include "adapters/mem/mem_store.h"
#include "adapters/utf8proc/utf8_forms.h"
#include "app/sessions.h"
#include "ports/token_verifier.h"
#include "support/check.h"
#include "support/fake_clock.h"

#include <stdio.h>

struct rig {
    struct fake_clock clock;
    struct mem_store *store;
    struct accounts accounts;
    struct token_issuer issuer;
    struct revocations revocations;
    struct revocation revoked[16];
    size_t revoked_count;
    enum rc publishes;
    char name[64]; /* of the last access token */
    struct arena arena;
    struct fault fault;
    struct account_call call;
};

static enum rc issue(void *self, const struct access_claims *claims, struct buf *out)
{
    struct rig *rig = self;
    (void)snprintf(rig->name, sizeof rig->name, "%.*s", BYTES_ARG(claims->name));
    buf_add_format(out, "access.%s.%lld", claims->session.text, (long long)claims->expires_s);
    return RC_OK;
}

static enum rc publish(void *self, const struct revocation *revocation)
{
    struct rig *rig = self;
    if (rig->publishes == RC_OK)
        rig->revoked[rig->revoked_count++ % COUNT_OF(rig->revoked)] = *revocation;
    return rig->publishes;
}

static void rig_fini(struct rig *rig)
{
    mem_store_destroy(rig->store);
    arena_fini(&rig->arena);
}
#define SCOPED_RIG(name)                                                                           \
    struct rig name __attribute__((cleanup(rig_fini))) = { .revoked_count = 0 };                   \
    rig_init(&name)

static void rig_init(struct rig *rig)
{
    enum account_taken taken;
    const struct account ada = { .user = { 3, "ada" },
                                 .username = bytes_of("Ada"),
                                 .username_key = bytes_of("ada"),
                                 .roles = USER_ROLE_USER };
    fake_clock_init(&rig->clock);
    rig->store = mem_store_create();
    arena_init(&rig->arena, 1 << 20);
    rig->issuer = (struct token_issuer){ rig, issue };
    rig->revocations = (struct revocations){ rig, publish };
    rig->accounts = (struct accounts){ .store = mem_store_accounts(rig->store),
                                       .directory = mem_store_directory(rig->store),
                                       .forms = utf8_forms(),
                                       .issuer = &rig->issuer,
                                       .revocations = &rig->revocations,
                                       .clock = &rig->clock.source,
                                       .limits = { .access_s = 900,
                                                   .refresh_s = 1000,
                                                   .session_s = 5000,
                                                   .grace_s = 10,
                                                   .sessions_max = 3 } };
    rig->call = (struct account_call){
        .accounts = &rig->accounts, .arena = &rig->arena, .fault = &rig->fault, .account = ada
    };
    CHECK_RC(RC_OK, rig->accounts.store->add(rig->accounts.store->self, &ada, &taken));
}

static void pass(struct rig *rig, int64_t seconds)
{
    fake_clock_advance(&rig->clock, seconds * 1000);
}

static struct session_tokens open_one(struct rig *rig)
{
    struct session_tokens tokens;
    CHECK_INT(ERROR_NONE, session_open(&rig->call, &tokens));
    return tokens;
}

static enum error_code refresh(struct rig *rig, struct bytes token, struct session_tokens *out)
{
    return session_refresh(&rig->call, token, out);
}

TEST(a_token_turns_into_another_once)
{
    SCOPED_RIG(rig);
    struct session_tokens first = open_one(&rig), second, third;
    CHECK_INT(ERROR_NONE, refresh(&rig, first.refresh, &second));
    CHECK(!bytes_equal(first.refresh, second.refresh));
    CHECK_STR(first.session.text, second.session.text);
    CHECK_INT(ERROR_NONE, refresh(&rig, second.refresh, &third));
    CHECK(!bytes_equal(second.refresh, third.refresh));
    CHECK_SIZE(0, rig.revoked_count);
}

TEST(who_lost_the_answer_gets_it_again_for_ten_seconds)
{
    SCOPED_RIG(rig);
    struct session_tokens first = open_one(&rig), second, again;
    CHECK_INT(ERROR_NONE, refresh(&rig, first.refresh, &second));
    pass(&rig, 10);
    CHECK_INT(ERROR_NONE, refresh(&rig, first.refresh, &again));
    CHECK(bytes_equal(second.refresh, again.refresh));
    pass(&rig, 1);
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, first.refresh, &again));
    CHECK_SIZE(1, rig.revoked_count);
    CHECK_INT(REVOKED_REUSE, rig.revoked[0].reason);
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, second.refresh, &again));
}

TEST(another_device_gets_no_lost_answer_and_ends_the_session)
{
    SCOPED_RIG(rig);
    rig.call.asker.device_id = bytes_of("phone");
    struct session_tokens first = open_one(&rig), second, stolen;
    CHECK_INT(ERROR_NONE, refresh(&rig, first.refresh, &second));
    rig.call.asker.device_id = bytes_of("laptop");
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, first.refresh, &stolen));
    CHECK_SIZE(1, rig.revoked_count);
    CHECK_STR(first.session.text, rig.revoked[0].session.text);
}

TEST(the_predecessor_of_the_predecessor_has_no_grace)
{
    SCOPED_RIG(rig);
    struct session_tokens first = open_one(&rig), second, third, stolen;
    CHECK_INT(ERROR_NONE, refresh(&rig, first.refresh, &second));
    CHECK_INT(ERROR_NONE, refresh(&rig, second.refresh, &third));
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, first.refresh, &stolen));
    CHECK_SIZE(1, rig.revoked_count);
}

TEST(a_token_that_was_never_made_ends_nothing)
{
    SCOPED_RIG(rig);
    struct session_tokens first = open_one(&rig), second;
    char forged[256];
    (void)snprintf(forged, sizeof forged, "%.*s", BYTES_ARG(first.refresh));
    forged[first.session.len + 5] = forged[first.session.len + 5] == 'A' ? 'B' : 'A';
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, bytes_of(forged), &second));
    CHECK_SIZE(0, rig.revoked_count);
    CHECK_INT(ERROR_NONE, refresh(&rig, first.refresh, &second));
}

TEST(a_session_expires_unused_and_ends_however_used)
{
    SCOPED_RIG(rig);
    struct session_tokens tokens = open_one(&rig), next;
    for (int i = 0; i < 5; i++) {
        pass(&rig, 990);
        CHECK_INT(ERROR_NONE, refresh(&rig, tokens.refresh, &next));
        tokens = next;
    }
    pass(&rig, 51); /* 5001 s after the beginning */
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, tokens.refresh, &next));
    tokens = open_one(&rig);
    pass(&rig, 1000);
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, tokens.refresh, &next));
}

TEST(who_is_banned_turns_nothing)
{
    SCOPED_RIG(rig);
    const struct account_store *store = rig.accounts.store;
    struct session_tokens tokens = open_one(&rig), next;
    CHECK_RC(RC_OK, store->set_banned(store->self, &tokens.user, true));
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, tokens.refresh, &next));
}

TEST(one_session_too_many_ends_the_one_seen_longest_ago)
{
    SCOPED_RIG(rig);
    struct session_tokens first = open_one(&rig), next;
    for (int i = 0; i < 3; i++) {
        pass(&rig, 1);
        (void)open_one(&rig);
    }
    CHECK_SIZE(1, rig.revoked_count);
    CHECK_STR(first.session.text, rig.revoked[0].session.text);
    CHECK_INT(ERROR_UNAUTHENTICATED, refresh(&rig, first.refresh, &next));
}

TEST(an_end_that_gateways_arent_told_can_be_asked_for_again)
{
    SCOPED_RIG(rig);
    struct session_tokens tokens = open_one(&rig);
    rig.publishes = RC_UNAVAILABLE;
    CHECK_INT(ERROR_UNAVAILABLE,
              session_end_owned(&rig.call, &tokens.user, &tokens.session, REVOKED_BY_OWNER));
    rig.publishes = RC_OK;
    CHECK_INT(ERROR_NONE,
              session_end_owned(&rig.call, &tokens.user, &tokens.session, REVOKED_BY_OWNER));
    CHECK_SIZE(1, rig.revoked_count);
    CHECK(rig.revoked[0].until_s >= clock_wall_us(&rig.clock.source) / 1000000 + 900);
    CHECK_INT(ERROR_NOT_FOUND,
              session_end_owned(&rig.call, &tokens.user, &tokens.session, REVOKED_BY_OWNER));
}

/* The signer refuses such a name, and with it the login. */
TEST(a_name_that_no_token_carries_locks_nobody_out)
{
    SCOPED_RIG(rig);
    static const struct {
        const char *name, *in_token;
    } cases[] = { { "Ada Lovelace", "Ada Lovelace" },
                  { "\xc2\x85 forged", "Ada" },
                  { "\xc2\x9b"
                    "31m",
                    "Ada" },
                  { "\xc2\xa0", "\xc2\xa0" },
                  { "\x7f", "Ada" } };
    const struct directory_store *directory = rig.accounts.directory;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct user user = { .id = { 3, "ada" }, .name = bytes_of(cases[i].name) };
        CHECK_RC(RC_OK, directory->put_users(directory->self, &user, 1, false, 1, NULL));
        (void)open_one(&rig);
        CHECK_STR(cases[i].in_token, rig.name);
    }
}

TEST(a_store_that_is_away_loses_no_session)
{
    SCOPED_RIG(rig);
    struct session_tokens tokens = open_one(&rig), next;
    for (uint64_t nth = 1; nth <= 4; nth++) {
        mem_store_fail_call(rig.store, nth, RC_UNAVAILABLE);
        enum error_code code = refresh(&rig, tokens.refresh, &next);
        mem_store_fail_call(rig.store, 0, RC_OK);
        CHECK(code == ERROR_UNAVAILABLE || code == ERROR_NONE); /* the name may be missing */
        CHECK_INT(ERROR_NONE, refresh(&rig, tokens.refresh, &next));
        tokens = next;
    }
    CHECK_SIZE(0, rig.revoked_count);
}
