/* main.c - picks the mode. */
#include <signal.h>
#include <string.h>

#include "mode.h"
#include "util.h"

static const struct {
    const char *name;
    int (*run)(struct options *options);
} modes[] = {
    { "connect", mode_connect }, { "fanout", mode_fanout }, { "pairs", mode_pairs },
    { "resume", mode_resume },   { "storm", mode_storm },   { "slow", mode_slow },
    { "replay", mode_replay },   { "talk", mode_talk },
};

int main(int argc, char **argv)
{
    struct options options;
    signal(SIGPIPE, SIG_IGN);
    options_parse(&options, argc, argv);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(options.mode, modes[i].name) == 0)
            return modes[i].run(&options);
    die("unknown mode %s (see --help)", options.mode);
}
