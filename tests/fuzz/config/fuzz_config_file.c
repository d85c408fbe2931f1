/* Any bytes as parley.ini: settings, or a complaint that says where. Secrets' files are left out:
 * the fuzzer must not read what it makes up. */
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char flag[64];
    char program[] = "fuzz";
    char *argv[] = { program, flag, NULL };
    char *variables[] = { NULL };
    int argc = 2;
    struct config *config = NULL;
    struct config_error error = { "" };

    if (memmem(data, size, "_file", 5))
        return 0;
    if (fd < 0) {
        fd = memfd_create("ini", MFD_CLOEXEC);
        (void)snprintf(flag, sizeof flag, "--config=/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    if (config_load(CONFIG_PARLEYD, &argc, argv, variables, &config, &error) == RC_OK) {
        SCOPED_BUF(text, 1 << 20);
        config_write_values(config, true, &text);
        if (text.has_failed || !config->server.home[0] || argc != 1)
            abort();
    } else if (!error.text[0]) {
        abort();
    }
    config_destroy(config);
    return 0;
}
