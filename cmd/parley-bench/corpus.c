/* corpus.c - reading NDJSON. */
#include "corpus.h"

#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "scan.h"

static char *read_all(const char *path)
{
    size_t len = strlen(path);
    bool is_gzip = len > 3 && strcmp(path + len - 3, ".gz") == 0;
    const char *const unzip[] = { "zcat", path, NULL }, *const copy[] = { "cat", path, NULL };
    return child_read(is_gzip ? unzip : copy);
}

/* The index of a name, made when new. The map holds index + 1. */
static uint32_t intern(struct hmap *map, struct bytes raw, char ***names, size_t *count,
                       size_t *cap)
{
    uint64_t key = scan_hash(HASH_START, raw);
    uintptr_t known = (uintptr_t)hmap_get(map, key);
    if (known)
        return (uint32_t)(known - 1);
    struct sbuf name = { 0 };
    scan_unescape(raw, &name);
    *names = xgrow(*names, cap, *count + 1, sizeof **names);
    (*names)[*count] = xstrndup(name.ptr ? name.ptr : "", name.len);
    sbuf_free(&name);
    hmap_put(map, key, (void *)(uintptr_t)(*count + 1));
    return (uint32_t)(*count)++;
}

static enum corpus_kind kind_of(struct bytes kind, size_t line)
{
    static const char *const names[] = { "message", "action", "joined", "left" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (bytes_is(kind, names[i]))
            return (enum corpus_kind)i;
    die("corpus, line %zu: kind is none of message, action, joined, left", line);
}

static void take_line(struct corpus *corpus, struct bytes line, size_t number, size_t limit,
                      struct hmap maps[2], size_t **seen)
{
    struct bytes conversation = scan_field(line, "conversation"), user = scan_field(line, "sender");
    if (conversation.len == 0 || user.len == 0)
        die("corpus, line %zu: no conversation or no sender", number);
    size_t known = corpus->conversation_count;
    uint32_t c = intern(&maps[0], conversation, &corpus->conversations, &corpus->conversation_count,
                        &corpus->conversation_cap);
    if (corpus->conversation_count > known) {
        *seen = reallocarray(*seen, corpus->conversation_count, sizeof **seen);
        if (!*seen)
            die("out of memory");
        (*seen)[c] = 0;
    }
    if (limit && (*seen)[c]++ >= limit)
        return;
    corpus->events = xgrow(corpus->events, &corpus->cap, corpus->count + 1, sizeof *corpus->events);
    corpus->events[corpus->count++] = (struct corpus_event){
        .conversation = c,
        .user = intern(&maps[1], user, &corpus->users, &corpus->user_count, &corpus->user_cap),
        .kind = kind_of(scan_field(line, "kind"), number),
        .text = scan_field(line, "text"),
    };
}

void corpus_load(struct corpus *corpus, const char *path, size_t limit)
{
    struct hmap maps[2] = { { 0 }, { 0 } };
    size_t *seen = NULL, number = 0;
    *corpus = (struct corpus){ 0 };
    corpus->text = read_all(path);
    for (const char *at = corpus->text; *at;) {
        size_t len = strcspn(at, "\n");
        number++;
        if (len)
            take_line(corpus, bytes_make(at, len), number, limit, maps, &seen);
        at += len + (at[len] == '\n');
    }
    if (corpus->count == 0)
        die("corpus %s holds no events", path);
    hmap_fini(&maps[0]);
    hmap_fini(&maps[1]);
    free(seen);
}

void corpus_fini(struct corpus *corpus)
{
    for (size_t i = 0; i < corpus->conversation_count; i++)
        free(corpus->conversations[i]);
    for (size_t i = 0; i < corpus->user_count; i++)
        free(corpus->users[i]);
    free(corpus->conversations);
    free(corpus->users);
    free(corpus->events);
    free(corpus->text);
    *corpus = (struct corpus){ 0 };
}
