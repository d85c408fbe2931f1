/* cmd_rebuild.c - makes a store of the log: a new one, or an older backup brought up to date. What
 * the log has let go of can't be made again; that is refused, unless --accept-gap says that the
 * loss is known. */
#include "base/rc.h"
#include "project.h"
#include "rebuild.h"
#include "store.h"

/* A store's URL as it is, "store.url" the one of the settings (which keeps a password out of
 * sight), anything else a file. */
static const char *into_url(const struct ctl *ctl, const char *into, char url[4096])
{
    if (strcmp(into, "store.url") == 0)
        return ctl->config->store.url;
    if (strstr(into, "://") || strncmp(into, "sqlite:", 7) == 0)
        return into;
    (void)snprintf(url, 4096, "sqlite:%s", into);
    return url;
}

int cmd_rebuild(const struct ctl *ctl, int argc, char **argv)
{
    struct projection r = { .ctl = ctl,
                            .generation = (uint32_t)ctl->config->streams.generation,
                            .partitions = (uint32_t)ctl->config->streams.partitions,
                            .parts = json_array() };
    const char *path = NULL;
    bool is_in_place = false;
    const struct ctl_option options[] = { { "into", &path, NULL },
                                          { "in-place", NULL, &is_in_place },
                                          { "accept-gap", NULL, &r.accepts_gap } };
    struct store *store = NULL;
    struct fault fault = { .text = "" };

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc > 1 || !path == !is_in_place)
        return ctl_usage("rebuild --in-place | --into FILE|URL|store.url [--accept-gap]");
    struct nats_link *link = ctl_nats_open(ctl); /* says at once when nobody is there */
    if (!link)
        return CTL_FAILED;
    nats_link_destroy(link);
    if (is_in_place) {
        json_decref(r.parts);
        return rebuild_in_place(ctl, r.accepts_gap);
    }
    char url[4096];
    const struct store_options at = { .url = into_url(ctl, path, url),
                                      .readers_max = 2,
                                      .is_server = true };
    enum rc rc = store_open(&at, &store, &fault);
    if (rc != RC_OK)
        return ctl_fail("--into: %s", fault.text[0] ? fault.text : rc_name(rc));
    r.store = store_messages(store);
    int code = project_all(&r);
    store_close(store);
    if (ctl->is_json && code == CTL_OK)
        return ctl_print_json(json_pack("{s:o}", "partitions", r.parts));
    json_decref(r.parts);
    return code;
}
