/* streams_server.c - what only the servers themselves tell: their version, their disk.
 *
 * Each server of a cluster is asked, not just the one that the link is on: any of them may become
 * the leader of a stream, and the next reconnect may go to any. One that is away is a note and no
 * fault, since the others carry on without it; at least one must answer.
 *
 * Whether a server syncs is seen on its monitoring page alone. A page that doesn't answer is no
 * proof, so as many pages must have answered as servers take clients.
 */
#include "adapters/nats/probe.h"
#include "adapters/nats/streams_priv.h"

#include <stdio.h>

enum { PAGE_BYTES_MAX = 1 << 20, CHAT_SHARE_PERCENT = 70, URL_CHARS = 300 };

static const int version_min[3] = { 2, 12, 6 };

/* The next of a list separated by commas; false at its end. *at moves on. */
static bool next_url(const char **at, char out[URL_CHARS])
{
    *at += strspn(*at, ", ");
    size_t len = strcspn(*at, ", ");
    (void)snprintf(out, URL_CHARS, "%.*s", (int)len, *at);
    *at += len;
    return len > 0;
}

static bool has_several(const char *urls)
{
    char url[URL_CHARS];
    return next_url(&urls, url) && next_url(&urls, url);
}

/* "server", and of several: which. */
static void name_server(bool is_one_of_several, const char *url, char out[128])
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    const char *login = strrchr(host, '@'); /* may hold a password */
    host = login ? login + 1 : host;
    if (is_one_of_several)
        (void)snprintf(out, 128, "server %.*s", (int)strcspn(host, "/"), host);
    else
        (void)snprintf(out, 128, "server");
}

/* ---- versions ---- */

static bool is_version_enough(const char *version)
{
    int part[3] = { 0 };
    if (sscanf(version, "%d.%d.%d", &part[0], &part[1], &part[2]) != 3)
        return false;
    for (int i = 0; i < 3; i++)
        if (part[i] != version_min[i])
            return part[i] > version_min[i];
    return true;
}

/* Of several, one whose JetStream is off (it ran out of disk, or hangs on its way out) leads and
 * stores nothing: as good as away. RC_NOT_FOUND then. */
static enum rc check_info(const char *host, const char *port, const char *name, bool has_others,
                          struct stream_report *report)
{
    SCOPED_ARENA(arena, PAGE_BYTES_MAX);
    SCOPED_CONFIG json_t *info = NULL;
    struct bytes text;
    json_error_t error;
    TRY(probe_info(host, port, &arena, &text));
    info = json_loadb((const char *)text.ptr, text.len, 0, &error);
    const char *version = json_string_value(json_object_get(info, "version"));
    if (!version)
        return RC_UNAVAILABLE;
    if (!is_version_enough(version))
        TRY(stream_report_add_named(report, STREAM_SERVER, name, "version", "2.12.6 or newer",
                                    version));
    if (json_is_true(json_object_get(info, "jetstream")) ||
        json_is_true(json_object_get(info, "ldm")))
        return RC_OK;
    if (has_others)
        return RC_NOT_FOUND;
    TRY(stream_report_add_named(report, STREAM_SERVER, name, "jetstream", "enabled", "disabled"));
    return RC_OK;
}

/* *out_alive: how many answer. */
static enum rc check_versions(struct nats_link *link, struct stream_report *report,
                              size_t *out_alive)
{
    char url[URL_CHARS], host[256], port[8], name[128];
    const char *urls = nats_link_urls(link), *at = urls;
    enum rc rc = RC_UNAVAILABLE;
    *out_alive = 0;
    if (!has_several(urls)) {
        TRY(nats_link_address(link, host, port));
        *out_alive = 1;
        return check_info(host, port, "server", false, report);
    }
    while (next_url(&at, url)) {
        name_server(true, url, name);
        rc = nats_url_split(url, host, port) ? check_info(host, port, name, true, report)
                                             : RC_INVALID;
        *out_alive += rc == RC_OK;
        if (rc == RC_NOMEM)
            return rc;
        if (rc != RC_OK)
            TRY(stream_report_add_named(report, STREAM_UNSEEN, name, "version", "2.12.6 or newer",
                                        rc == RC_NOT_FOUND ? "not visible: its JetStream is off"
                                                           : "not visible: it doesn't answer"));
    }
    return *out_alive > 0 ? RC_OK : RC_UNAVAILABLE;
}

/* ---- the disk ---- */

static enum rc read_jsz(const char *monitor_url, json_t **out_page)
{
    SCOPED_ARENA(arena, PAGE_BYTES_MAX);
    struct bytes body;
    json_error_t error;
    TRY(probe_http(monitor_url, "/jsz", &arena, &body));
    json_t *page = json_loadb((const char *)body.ptr, body.len, 0, &error);
    if (!json_is_object(page)) {
        json_decref(page);
        return RC_UNAVAILABLE;
    }
    *out_page = page;
    return RC_OK;
}

struct syncs {
    struct stream_report *report;
    bool is_required, has_others;
    size_t seen;
};

/* One of several that is on its way out (lame duck) has shut JetStream down and still answers here;
 * it leads nothing and stores nothing. */
static enum rc check_sync(struct syncs *s, const char *url, const char *name)
{
    struct stream_report *report = s->report;
    SCOPED_CONFIG json_t *page = NULL;
    enum rc rc = read_jsz(url, &page);
    if (rc == RC_NOMEM)
        return rc;
    if (rc != RC_OK) /* a page that is down says nothing of the disk; the port may be closed */
        return stream_report_add_named(report, STREAM_UNSEEN, name, "sync_interval", "always",
                                       "not visible: the monitoring page doesn't answer");
    s->seen++;
    const json_t *config = json_object_get(page, "config");
    if (json_is_true(json_object_get(config, "sync_always")))
        return RC_OK;
    if (s->has_others && json_is_true(json_object_get(page, "disabled")))
        return stream_report_add_named(report, STREAM_UNSEEN, name, "sync_interval", "always",
                                       "not visible: its JetStream is off");
    return stream_report_add_named(report, s->is_required ? STREAM_SERVER : STREAM_UNSEEN, name,
                                   "sync_interval", "always",
                                   "the server answers before the disk has it");
}

static enum rc check_syncs(const char *urls, bool is_required, size_t alive,
                           struct stream_report *report)
{
    char url[URL_CHARS], name[128], found[96];
    const char *at = urls ? urls : "";
    struct syncs s = { .report = report, .is_required = is_required };
    if (!*at)
        return stream_report_add_named(report, is_required ? STREAM_UNPROVEN : STREAM_UNSEEN,
                                       "server", "sync_interval", "always",
                                       "not visible: nats.monitor_url is not set");
    s.has_others = has_several(urls);
    while (next_url(&at, url)) {
        name_server(s.has_others, url, name);
        TRY(check_sync(&s, url, name));
    }
    if (s.seen >= alive || !is_required)
        return RC_OK;
    (void)snprintf(found, sizeof found,
                   "not visible: %zu of %zu servers show nats.monitor_url's page", s.seen, alive);
    return stream_report_add_named(report, STREAM_UNPROVEN, "server", "sync_interval", "always",
                                   found);
}

enum rc stream_servers_check(struct nats_link *link, const char *monitor_urls, bool requires_sync,
                             struct stream_report *report)
{
    size_t alive;
    TRY(check_versions(link, report, &alive));
    return check_syncs(monitor_urls, requires_sync, alive, report);
}

enum rc streams_fill_limits(const char *monitor_urls, struct stream_vars *vars)
{
    char url[URL_CHARS];
    const char *at = monitor_urls ? monitor_urls : "";
    json_int_t least = 0;
    enum rc rc = RC_INVALID;
    if (vars->chat_max_bytes > 0)
        return RC_OK;
    if (vars->partitions == 0)
        return RC_INVALID;
    while (next_url(&at, url)) {
        SCOPED_CONFIG json_t *page = NULL;
        rc = read_jsz(url, &page);
        json_int_t store =
            json_integer_value(json_object_get(json_object_get(page, "config"), "max_storage"));
        if (rc == RC_OK && store > 0 && (least == 0 || store < least))
            least = store;
    }
    if (least == 0)
        return rc == RC_OK ? RC_UNAVAILABLE : rc;
    vars->chat_max_bytes = (uint64_t)least / 100 * CHAT_SHARE_PERCENT / vars->partitions;
    return RC_OK;
}
