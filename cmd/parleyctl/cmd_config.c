/* cmd_config.c - parleyctl config check|show|default|env|doc|man. */
#include "ctl.h"

enum { TEXT_BYTES_MAX = 1024 * 1024 };

/* Being here means that the settings were read and are right. */
int cmd_config_check(const struct ctl *ctl, int argc, char **argv)
{
    SCOPED_BUF(text, TEXT_BYTES_MAX);
    const char *file = *ctl->config->file ? ctl->config->file : "no file";

    (void)argv;
    if (argc > 1)
        return ctl_usage("config check takes no arguments");
    if (ctl->is_json) {
        buf_add_text(&text, "{\"ok\":true,\"file\":");
        buf_add_json_string(&text, bytes_of(ctl->config->file));
        buf_add_text(&text, ",\"warnings\":");
        buf_add_json_string(&text, bytes_of(ctl->config->warnings));
        buf_add_text(&text, "}\n");
    } else {
        if (*ctl->config->warnings)
            (void)fprintf(stderr, "%s\n", ctl->config->warnings);
        buf_add_format(&text, "settings are right (%s)\n", file);
    }
    return ctl_print(&text);
}

int cmd_config_show(const struct ctl *ctl, int argc, char **argv)
{
    SCOPED_BUF(text, TEXT_BYTES_MAX);

    (void)argc, (void)argv;
    config_write_values(ctl->config, ctl->is_json, &text);
    return ctl_print(&text);
}

/* A text for people; as JSON it is one member. */
static int print_text(const struct ctl *ctl, const struct buf *text)
{
    SCOPED_BUF(json, TEXT_BYTES_MAX);

    if (!ctl->is_json)
        return ctl_print(text);
    buf_add_text(&json, "{\"text\":");
    buf_add_json_string(&json, buf_bytes(text));
    buf_add_text(&json, "}\n");
    return ctl_print(&json);
}

int cmd_config_default(const struct ctl *ctl, int argc, char **argv)
{
    SCOPED_BUF(text, TEXT_BYTES_MAX);

    (void)argc, (void)argv;
    config_write_sample(&text);
    return print_text(ctl, &text);
}

int cmd_config_env(const struct ctl *ctl, int argc, char **argv)
{
    SCOPED_BUF(text, TEXT_BYTES_MAX);

    (void)argc, (void)argv;
    config_write_environment(&text, ctl->is_json);
    return ctl_print(&text);
}

int cmd_config_doc(const struct ctl *ctl, int argc, char **argv)
{
    SCOPED_BUF(text, TEXT_BYTES_MAX);

    (void)argc, (void)argv;
    config_write_markdown(&text);
    return print_text(ctl, &text);
}

int cmd_config_man(const struct ctl *ctl, int argc, char **argv)
{
    SCOPED_BUF(text, TEXT_BYTES_MAX);

    (void)argc, (void)argv;
    config_write_man(&text);
    return print_text(ctl, &text);
}
