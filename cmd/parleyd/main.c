/* main.c - parleyd: reads settings, sets up the log, and hands over to the roles or the minder. */
#include <unistd.h>

#include "adapters/sodium/hash_process.h"
#include "adapters/sys/service.h"
#include "mind.h"
#include "options.h"
#include "wiring.h"

static void start_log(const struct config *config, const char *instance)
{
    log_setup(&(struct log_options){
        .level = (enum log_level)config->server.log_level,
        .format = (enum log_format)config->server.log_format,
        .service = "parleyd",
        .instance = instance,
    });
}

static void log_warnings(const char *warnings)
{
    while (*warnings) {
        size_t len = strcspn(warnings, "\n");
        log_warn("config.ignored", LOG_BYTES("what", bytes_make(warnings, len)));
        warnings += len + (warnings[len] == '\n');
    }
}

static int serve(const struct config *config)
{
    char roles[64];

    start_log(config, config->server.instance_id);
    log_warnings(config->warnings);
    config_roles_write(config->server.roles, roles);
    log_info("server.starting", LOG_STR("version", PARLEY_VERSION), LOG_STR("roles", roles),
             LOG_INT("pid", getpid()), LOG_UINT("open_files", service_raise_open_files()),
             LOG_STR("config", config->file));
    return wiring_run(config);
}

static int mind(const struct options *options)
{
    start_log(options->config, "minder");
    log_warnings(options->config->warnings);
    (void)service_raise_open_files(); /* children inherit it */
    return mind_run(options->config, options->flag_count, options->flags);
}

int main(int argc, char **argv)
{
    struct options options;
    int code = 0;

    if (hash_process_is_meant(argc, argv))
        return hash_process_main(argc, argv);
    service_ignore_sigpipe();
    options = options_read(argc, argv);
    switch (options.action) {
    case OPTIONS_SERVE:
        code = serve(options.config);
        break;
    case OPTIONS_MIND:
        code = mind(&options);
        break;
    case OPTIONS_EXIT:
        code = options.exit_code;
        break;
    }
    options_fini(&options);
    return code;
}
