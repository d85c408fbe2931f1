/* cmd_keys.c - parleyctl keys list, keys add, keys rotate.
 *
 * A running server finds new keys by itself: within 5 s, or at once when a token names one. It
 * signs with the newest from then on, and takes tokens of every key whose file is there.
 */
#include "adapters/auth/jwt_keys.h"
#include "base/clock.h"
#include "ctl_audit.h"
#include "ctl_keys.h"

int cmd_keys_list(const struct ctl *ctl, int argc, char **argv)
{
    const struct config *config = ctl->config;
    SCOPED_BUF(text, 256 * 1024);
    struct jwt_keys *keys = NULL;
    struct jwt_keys_error error = { "out of memory" };

    (void)argc, (void)argv;
    if (jwt_keys_load(config->auth.keys_dir, config->auth.jwks_file, ctl_algorithm(config), &keys,
                      &error) != RC_OK)
        return ctl_fail("%s", error.text);
    if (ctl->is_json) {
        jwt_keys_write_jwks(keys, &text);
        buf_add_byte(&text, '\n');
    } else {
        jwt_keys_write_list(keys, &text);
    }
    jwt_keys_destroy(keys);
    return ctl_print(&text);
}

/* reason: "made", "rotated"; static. */
static void tell_audit(const struct ctl *ctl, const char *reason)
{
    ctl_audit_tell(
        ctl, &(struct audit_event){ .kind = AUDIT_KEYS, .is_success = true, .reason = reason });
}

int cmd_keys_add(const struct ctl *ctl, int argc, char **argv)
{
    char kid[65];
    enum rc rc = jwt_keys_add(ctl->config->auth.keys_dir, ctl_algorithm(ctl->config), kid);

    (void)argc, (void)argv;
    if (rc != RC_OK)
        return ctl_fail_keys(ctl->config, rc);
    tell_audit(ctl, "made");
    (void)printf(ctl->is_json ? "{\"kid\":\"%s\"}\n" : "%s\n", kid);
    return fflush(stdout) == 0 ? CTL_OK : CTL_FAILED;
}

struct retired {
    struct buf *out;
    bool is_json;
    size_t count;
};

static void add_retired(void *closure, const char *kid)
{
    struct retired *retired = closure;

    buf_add_format(retired->out, retired->is_json ? "%s\"%s\"" : "%sremoved %s\n",
                   retired->is_json && retired->count ? "," : "", kid);
    retired->count++;
}

int cmd_keys_rotate(const struct ctl *ctl, int argc, char **argv)
{
    const struct config *config = ctl->config;
    const char *keep = "24h";
    const struct ctl_option options[] = { { "keep", &keep, NULL } };
    SCOPED_BUF(out, 64 * 1024);
    struct retired retired = { .out = &out, .is_json = ctl->is_json };
    int64_t keep_s, now_s = clock_wall_us(clock_system()) / 1000000;
    char kid[65];

    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc > 1 || !ctl_read_span(keep, &keep_s))
        return ctl_usage("keys rotate: --keep takes a span of time: 90s, 15m, 24h, 30d");
    enum rc rc = jwt_keys_add(config->auth.keys_dir, ctl_algorithm(config), kid);
    if (rc != RC_OK)
        return ctl_fail_keys(config, rc);
    buf_add_format(&out, ctl->is_json ? "{\"kid\":\"%s\",\"removed\":[" : "made %s\n", kid);
    rc = jwt_keys_retire(config->auth.keys_dir, ctl_algorithm(config), now_s - keep_s, add_retired,
                         &retired);
    if (rc != RC_OK)
        return ctl_fail_keys(config, rc);
    tell_audit(ctl, "rotated");
    buf_add_text(&out, ctl->is_json ? "]}\n" : "");
    return ctl_print(&out);
}
