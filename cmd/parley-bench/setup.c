/* setup.c - the state a run starts from. */
#include "setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "scan.h"

#define BATCH_MAX 1000

const char *service_token(const struct options *options)
{
    static char *made;
    if (options->service_token)
        return options->service_token;
    if (getenv("PARLEY_SERVICE_TOKEN"))
        return getenv("PARLEY_SERVICE_TOKEN");
    if (made)
        return made;
    const char *const argv[] = { options->parleyctl,
                                 "token",
                                 "--user",
                                 "parley-bench",
                                 "--role",
                                 "service",
                                 "--ttl",
                                 "12h",
                                 NULL };
    made = child_read(argv);
    made[strcspn(made, "\r\n")] = 0;
    return made;
}

/* Puts the tokens of "id TAB token" lines where they belong; without ids, in order. */
static void take_tokens(struct people *people, char *text)
{
    struct hmap by_id = { 0 };
    for (size_t i = 0; i < people->count; i++)
        if (people->list[i].id)
            hmap_put(&by_id, hash_bytes(HASH_START, bytes_of(people->list[i].id)),
                     &people->list[i]);
    size_t next = 0;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *tab = strchr(line, '\t');
        if (!tab)
            continue;
        *tab = 0;
        struct person *person = hmap_get(&by_id, hash_bytes(HASH_START, bytes_of(line)));
        if (!person && next < people->count && !people->list[next].id) {
            person = &people->list[next++];
            person->id = xstrdup(line);
        }
        if (person && !person->token)
            person->token = xstrdup(tab + 1);
    }
    hmap_fini(&by_id);
}

static char *read_file(const char *path)
{
    struct sbuf out = { 0 };
    char block[65536];
    size_t len;
    FILE *file = fopen(path, "r");
    if (!file)
        die("cannot read %s", path);
    while ((len = fread(block, 1, sizeof block, file)) > 0)
        sbuf_add(&out, block, len);
    fclose(file);
    sbuf_text(&out);
    return out.ptr;
}

static char *make_tokens(const struct people *people, const struct options *options,
                         const char *role)
{
    char path[] = "/tmp/parley-bench-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file)
        die("no temporary file");
    for (size_t i = 0; i < people->count; i++)
        fprintf(file, "%s\n", people->list[i].id);
    fclose(file);
    const char *const argv[] = {
        options->parleyctl, "token", "--from-file", path, "--role", role, "--ttl", "12h", NULL
    };
    char *text = child_read(argv);
    unlink(path);
    return text;
}

void people_tokens(struct people *people, const struct options *options, const char *role)
{
    char *text = options->tokens ? read_file(options->tokens) : make_tokens(people, options, role);
    take_tokens(people, text);
    free(text);
    for (size_t i = 0; i < people->count; i++)
        if (!people->list[i].token)
            die("no token for %s (user %zu of %zu)",
                people->list[i].id ? people->list[i].id : "anybody more", i + 1, people->count);
}

void people_make(struct people *people, const struct options *options, const char *infix,
                 size_t count)
{
    people->list = xcalloc(count, sizeof *people->list);
    people->count = count;
    for (size_t i = 0; i < count && !options->tokens; i++) {
        char id[65];
        snprintf(id, sizeof id, "%s_%s_%zu", options->run, infix, i);
        people->list[i].id = xstrdup(id);
    }
    people_tokens(people, options, "user");
}

void people_fini(struct people *people)
{
    for (size_t i = 0; i < people->count; i++) {
        free(people->list[i].id);
        free(people->list[i].token);
        free(people->list[i].name);
    }
    free(people->list);
    *people = (struct people){ 0 };
}

static void must_work(struct http *http, const char *path, const char *token, struct sbuf *body,
                      char *out_id)
{
    struct bytes answer;
    unsigned status =
        http_call(http, "POST", path, token, bytes_make(body->ptr, body->len), &answer);
    if (status < 200 || status > 299)
        die("POST %s answered %u: %.*s", path, status, (int)(answer.len < 300 ? answer.len : 300),
            (const char *)answer.ptr);
    struct bytes id = scan_field(answer, "id");
    if (id.len == 0)
        id = scan_field(answer, "conversationId");
    if (out_id && id.len && id.len < 65) {
        memcpy(out_id, id.ptr, id.len);
        out_id[id.len] = 0;
    }
}

void people_register(const struct people *people, struct http *http, const char *service)
{
    for (size_t from = 0; from < people->count; from += BATCH_MAX) {
        struct sbuf body = { 0 };
        sbuf_puts(&body, "{\"users\":[");
        for (size_t i = from; i < people->count && i < from + BATCH_MAX; i++) {
            const struct person *p = &people->list[i];
            sbuf_printf(&body, "%s{\"id\":\"%s\",\"name\":\"", i > from ? "," : "", p->id);
            sbuf_json(&body, bytes_of(p->name ? p->name : p->id));
            sbuf_puts(&body, "\"}");
        }
        sbuf_puts(&body, "]}");
        must_work(http, "/v1/users:batch", service, &body, NULL);
        sbuf_free(&body);
    }
}

static void add_more(struct http *http, const char *token, const char *id,
                     const struct conversation_request *request)
{
    for (size_t from = BATCH_MAX; from < request->member_count; from += BATCH_MAX) {
        struct sbuf body = { 0 }, path = { 0 };
        sbuf_printf(&path, "/v1/conversations/%s/members:batch", id);
        sbuf_puts(&body, "{\"members\":[");
        for (size_t i = from; i < request->member_count && i < from + BATCH_MAX; i++)
            sbuf_printf(&body, "%s{\"userId\":\"%s\",\"role\":\"member\"}", i > from ? "," : "",
                        request->member_ids[i]);
        sbuf_puts(&body, "]}");
        must_work(http, sbuf_text(&path), token, &body, NULL);
        sbuf_free(&body);
        sbuf_free(&path);
    }
}

void conversation_make(struct http *http, const char *token,
                       const struct conversation_request *request, char *out_id)
{
    struct sbuf body = { 0 };
    sbuf_printf(&body, "{\"type\":\"%s\"", request->type);
    if (request->id)
        sbuf_printf(&body, ",\"id\":\"%s\"", request->id);
    if (request->name) {
        sbuf_puts(&body, ",\"name\":\"");
        sbuf_json(&body, bytes_of(request->name));
        sbuf_puts(&body, "\"");
    }
    sbuf_puts(&body, ",\"memberIds\":[");
    for (size_t i = 0; i < request->member_count && i < BATCH_MAX; i++)
        sbuf_printf(&body, "%s\"%s\"", i ? "," : "", request->member_ids[i]);
    sbuf_puts(&body, "]}");
    if (request->id)
        snprintf(out_id, 65, "%s", request->id);
    must_work(http, "/v1/conversations", token, &body, out_id);
    add_more(http, token, out_id, request);
    sbuf_free(&body);
}
