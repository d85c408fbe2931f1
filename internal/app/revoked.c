#include "app/revoked.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"

enum { ENTRIES_MAX = 200000, LOOKS_A_TICK = 1024, KEY_CHARS = 2 * ID_CHARS_MAX + 2 };

struct revoked {
    struct token_verifier port; /* first: the port's self is this struct */
    struct token_verifier *inner;
    struct map entries; /* "user/session" and "user/" -> struct revocation */
    size_t walk_at;
};

/* A slash is in no id. */
static struct bytes key_of(const struct id *user, const struct id *session, char out[KEY_CHARS])
{
    int len = snprintf(out, KEY_CHARS, "%s/%s", user->text, session ? session->text : "");
    return bytes_make(out, (size_t)len);
}

static const struct revocation *find(const struct revoked *revoked, const struct id *user,
                                     const struct id *session)
{
    char key[KEY_CHARS];
    return map_get(&revoked->entries, key_of(user, session, key));
}

bool revoked_means(const struct revoked *revoked, const struct identity *who, int64_t now_s)
{
    const struct revocation *all;
    const struct revocation *one;
    if (revoked->entries.count == 0)
        return false;
    one = find(revoked, &who->user, &who->session);
    if (one && one->until_s > now_s)
        return true;
    all = find(revoked, &who->user, NULL);
    return all && all->until_s > now_s &&
           revocation_means(all, &who->user, &who->session, who->issued_s);
}

static enum token_error verify(struct token_verifier *self, struct bytes token, int64_t now_s,
                               struct identity *out_identity)
{
    struct revoked *revoked = (struct revoked *)self;
    struct identity identity;
    enum token_error error = token_verify(revoked->inner, token, now_s, &identity);
    if (error != TOKEN_OK)
        return error;
    if (revoked_means(revoked, &identity, now_s))
        return TOKEN_REVOKED;
    *out_identity = identity;
    return TOKEN_OK;
}

/* The later one says it all, but for the end: what the earlier one means is meant for longer. */
static void merge(struct revocation *old, const struct revocation *next)
{
    int64_t until_s = old->until_s > next->until_s ? old->until_s : next->until_s;
    if (next->before_ms >= old->before_ms)
        *old = *next;
    old->until_s = until_s;
}

bool revoked_take(struct revoked *revoked, const struct revocation *revocation, int64_t now_s)
{
    char text[KEY_CHARS];
    bool is_session = revocation->kind == REVOKED_SESSION;
    struct bytes key = key_of(&revocation->user, is_session ? &revocation->session : NULL, text);
    struct revocation *entry = map_get(&revoked->entries, key);
    if (revocation->until_s <= now_s)
        return true;
    if (entry) {
        merge(entry, revocation);
        return true;
    }
    entry = revoked->entries.count < ENTRIES_MAX ? malloc(sizeof *entry) : NULL;
    if (!entry || map_put(&revoked->entries, key, entry) != RC_OK) {
        free(entry);
        log_error("revocations.not_kept", LOG_UINT("entries", revoked->entries.count));
        return false;
    }
    *entry = *revocation;
    return true;
}

void revoked_tick(struct revoked *revoked, int64_t now_s)
{
    struct revocation *entry, *ended[LOOKS_A_TICK];
    char text[KEY_CHARS];
    size_t count = 0, looks = 0;
    while (looks < LOOKS_A_TICK &&
           (entry = map_next(&revoked->entries, &revoked->walk_at, NULL)) != NULL) {
        looks++;
        if (entry->until_s <= now_s)
            ended[count++] = entry;
    }
    if (looks < LOOKS_A_TICK)
        revoked->walk_at = 0;
    /* The table must not change under the walk. */
    for (size_t i = 0; i < count; i++) {
        bool is_session = ended[i]->kind == REVOKED_SESSION;
        (void)map_remove(&revoked->entries,
                         key_of(&ended[i]->user, is_session ? &ended[i]->session : NULL, text));
        free(ended[i]);
    }
}

size_t revoked_count(const struct revoked *revoked)
{
    return revoked->entries.count;
}

struct revoked *revoked_create(struct token_verifier *inner)
{
    struct revoked *revoked = calloc(1, sizeof *revoked);
    if (!revoked)
        return NULL;
    revoked->port.verify = verify;
    revoked->inner = inner;
    map_init(&revoked->entries);
    return revoked;
}

void revoked_destroy(struct revoked *revoked)
{
    struct revocation *entry;
    size_t at = 0;
    if (!revoked)
        return;
    while ((entry = map_next(&revoked->entries, &at, NULL)) != NULL)
        free(entry);
    map_fini(&revoked->entries);
    free(revoked);
}

struct token_verifier *revoked_verifier(struct revoked *revoked)
{
    return &revoked->port;
}
