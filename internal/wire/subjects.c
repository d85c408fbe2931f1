#include "wire/subjects.h"

#include "base/encode.h"

#include <sodium.h>
#include <stdio.h>

uint32_t subject_partition(const struct id *id, uint32_t partitions)
{
    return fnv1a32(id_bytes(id)) % partitions;
}

static size_t write_subject(char out[SUBJECT_CHARS_MAX], const char *root, uint32_t p, char kind,
                            const struct id *id)
{
    return (size_t)snprintf(out, SUBJECT_CHARS_MAX, "%s.%u.%c.%s", root, p, kind, id->text);
}

size_t subject_chat(char out[SUBJECT_CHARS_MAX], uint32_t p, enum subject_kind kind,
                    const struct id *id)
{
    return write_subject(out, "chat", p, (char)kind, id);
}

size_t subject_live(char out[SUBJECT_CHARS_MAX], uint32_t p, enum subject_kind kind,
                    const struct id *id)
{
    return write_subject(out, "live", p, (char)kind, id);
}

size_t subject_live_any(char out[SUBJECT_CHARS_MAX], uint32_t p, const struct id *id)
{
    return write_subject(out, "live", p, '*', id);
}

size_t subject_stream(char out[SUBJECT_CHARS_MAX], uint32_t p)
{
    return (size_t)snprintf(out, SUBJECT_CHARS_MAX, "CHAT_%u", p);
}

/* Takes the text up to the next dot (or the end) off the front of *rest. */
static struct bytes take_token(struct bytes *rest)
{
    const uint8_t *dot = rest->len ? memchr(rest->ptr, '.', rest->len) : NULL;
    size_t len = dot ? (size_t)(dot - rest->ptr) : rest->len;
    struct bytes token = bytes_make(rest->ptr, len);
    size_t used = dot ? len + 1 : len;
    *rest = bytes_make(rest->ptr + used, rest->len - used);
    return token;
}

bool subject_split(struct bytes subject, uint32_t *out_p, enum subject_kind *out_kind,
                   struct id *out_id)
{
    struct bytes root = take_token(&subject);
    struct bytes partition = take_token(&subject);
    struct bytes kind = take_token(&subject);
    uint64_t p;
    if (!bytes_is(root, "chat") && !bytes_is(root, "live"))
        return false;
    if (!bytes_to_u64(partition, UINT32_MAX, &p) || kind.len != 1 || !strchr("cusr", kind.ptr[0]))
        return false;
    if (!id_read(subject, out_id))
        return false;
    *out_p = (uint32_t)p;
    *out_kind = (enum subject_kind)kind.ptr[0];
    return true;
}

static void hash_field(crypto_generichash_state *state, struct bytes field)
{
    uint8_t len[4] = { (uint8_t)(field.len >> 24), (uint8_t)(field.len >> 16),
                       (uint8_t)(field.len >> 8), (uint8_t)field.len };
    (void)crypto_generichash_update(state, len, sizeof len);
    (void)crypto_generichash_update(state, field.ptr, field.len);
}

static void hash_fields(const struct bytes fields[], size_t count, uint8_t out[16])
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, 16);
    for (size_t i = 0; i < count; i++)
        hash_field(&state, fields[i]);
    (void)crypto_generichash_final(&state, out, 16);
}

void msg_id_write(char out[MSG_ID_CHARS + 1], char op, const struct id *conversation,
                  const struct id *actor, const struct id *client_id)
{
    const struct bytes fields[] = { bytes_make(&op, 1), id_bytes(conversation), id_bytes(actor),
                                    id_bytes(client_id) };
    uint8_t hash[16];
    hash_fields(fields, 4, hash);
    (void)b64url_write(bytes_make(hash, sizeof hash), out);
}

struct id direct_conversation_id(const struct id *a, const struct id *b)
{
    bool is_sorted = strcmp(a->text, b->text) <= 0;
    const struct bytes fields[] = { id_bytes(is_sorted ? a : b), id_bytes(is_sorted ? b : a) };
    uint8_t hash[16];
    struct id id = { .len = 24, .text = "d_" };
    hash_fields(fields, 2, hash);
    (void)b64url_write(bytes_make(hash, sizeof hash), id.text + 2);
    return id;
}

void body_hash_write(uint8_t out[BODY_HASH_BYTES], struct bytes canonical)
{
    (void)crypto_generichash(out, BODY_HASH_BYTES, canonical.ptr, canonical.len, NULL, 0);
}
