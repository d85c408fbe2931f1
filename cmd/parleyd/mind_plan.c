#include "mind_plan.h"

#include <limits.h>
#include <stdarg.h>

/* One more entry with room for the given arguments, `more` of its own, and the NULL. */
static enum rc add_entry(struct mind_plan *plan, int arg_count, struct mind_entry **out_entry)
{
    struct mind_entry *entry;

    if (plan->count == MIND_CHILDREN_MAX)
        return RC_FULL;
    entry = &plan->entries[plan->count];
    *entry = (struct mind_entry){ .is_nats = false };
    entry->argv = calloc((size_t)arg_count + MIND_ARGS_MORE + 1, sizeof *entry->argv);
    if (!entry->argv)
        return RC_NOMEM;
    plan->count++;
    *out_entry = entry;
    return RC_OK;
}

static enum rc __attribute__((format(printf, 3, 4)))
add_argument(struct mind_entry *entry, int index, const char *format, ...)
{
    va_list args;
    int at = 0;
    int len;

    while (entry->owned[at])
        at++;
    va_start(args, format);
    len = vasprintf(&entry->owned[at], format, args);
    va_end(args);
    if (len < 0) {
        entry->owned[at] = NULL;
        return RC_NOMEM;
    }
    entry->argv[index] = entry->owned[at];
    return RC_OK;
}

/* The path with the server's number in place of each {n}. */
static enum rc add_path(struct mind_entry *entry, int index, const char *path, int64_t number)
{
    static const char mark[] = "{n}";
    SCOPED_BUF(text, PATH_MAX);

    for (const char *at = strstr(path, mark); at; at = strstr(path, mark)) {
        buf_add(&text, bytes_make(path, (size_t)(at - path)));
        buf_add_format(&text, "%lld", (long long)number);
        path = at + sizeof mark - 1;
    }
    buf_add_text(&text, path);
    if (text.has_failed)
        return RC_FULL;
    return add_argument(entry, index, "%.*s", BYTES_ARG(buf_bytes(&text)));
}

static enum rc add_nats(struct mind_plan *plan, const struct config *config, int64_t number)
{
    struct mind_entry *entry = NULL;

    TRY(add_entry(plan, 3, &entry));
    plan->nats_count++;
    (void)snprintf(entry->name, sizeof entry->name, "nats-server-%lld", (long long)number);
    entry->is_nats = true;
    TRY(add_argument(entry, 0, "%s", config->mind.nats_server));
    if (!*config->mind.nats_config)
        return RC_OK;
    TRY(add_argument(entry, 1, "-c"));
    return add_path(entry, 2, config->mind.nats_config, number);
}

static enum rc add_all_nats(struct mind_plan *plan, const struct config *config)
{
    if (*config->mind.nats_server)
        for (int64_t i = 1; i <= config->mind.nats_servers; i++)
            TRY(add_nats(plan, config, i));
    return RC_OK;
}

static enum rc add_parleyd(struct mind_plan *plan, const char *program, int flag_count,
                           char **flags, struct mind_entry **out_entry)
{
    struct mind_entry *entry = NULL;

    TRY(add_entry(plan, flag_count, &entry));
    TRY(add_argument(entry, 0, "%s", program));
    for (int i = 1; i < flag_count; i++)
        entry->argv[i] = flags[i];
    *out_entry = entry;
    return RC_OK;
}

/* One role in a process of its own. Later flags win, so its own come last. Each has an operations
 * port: the first the configured one, the others those after it. */
static enum rc add_role(struct mind_plan *plan, const struct config *config, const char *program,
                        int flag_count, char **flags, const char *role, int64_t number)
{
    struct mind_entry *entry = NULL;
    size_t before = plan->count - plan->nats_count;
    unsigned port = config->ops.listen.port ? config->ops.listen.port + (unsigned)before : 0;
    bool is_v6 = strchr(config->ops.listen.host, ':') != NULL;

    if (port > UINT16_MAX)
        return RC_FULL;
    TRY(add_parleyd(plan, program, flag_count, flags, &entry));
    (void)snprintf(entry->name, sizeof entry->name, "%s-%lld", role, (long long)number);
    TRY(add_argument(entry, flag_count, "--server.roles=%s", role));
    TRY(add_argument(entry, flag_count + 1, "--server.instance_id=%s", entry->name));
    return add_argument(entry, flag_count + 2, "--ops.listen=%s%s%s:%u", is_v6 ? "[" : "",
                        config->ops.listen.host, is_v6 ? "]" : "", port);
}

static enum rc add_roles(struct mind_plan *plan, const struct config *config, const char *program,
                         int flag_count, char **flags)
{
    struct mind_entry *entry = NULL;
    bool is_separate =
        config->mind.separate || config->mind.gateways > 1 || config->mind.persisters > 1;

    if (!is_separate) {
        TRY(add_parleyd(plan, program, flag_count, flags, &entry));
        (void)snprintf(entry->name, sizeof entry->name, "parleyd");
        return RC_OK;
    }
    if (config->server.roles & CONFIG_ROLE_GATEWAY)
        for (int64_t i = 1; i <= config->mind.gateways; i++)
            TRY(add_role(plan, config, program, flag_count, flags, "gateway", i));
    if (config->server.roles & CONFIG_ROLE_PERSISTER)
        for (int64_t i = 1; i <= config->mind.persisters; i++)
            TRY(add_role(plan, config, program, flag_count, flags, "persister", i));
    return RC_OK;
}

enum rc mind_plan_make(const struct config *config, const char *program, int flag_count,
                       char **flags, struct mind_plan *out_plan)
{
    enum rc rc;

    out_plan->count = out_plan->nats_count = 0;
    rc = add_all_nats(out_plan, config);
    if (rc == RC_OK)
        rc = add_roles(out_plan, config, program, flag_count, flags);
    if (rc != RC_OK)
        mind_plan_fini(out_plan);
    return rc;
}

void mind_plan_fini(struct mind_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        for (size_t j = 0; j < MIND_ARGS_MORE; j++)
            free(plan->entries[i].owned[j]);
        free(plan->entries[i].argv);
    }
    plan->count = plan->nats_count = 0;
}
