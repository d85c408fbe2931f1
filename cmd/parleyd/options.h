/* options.h - what parleyd was asked to do. */
#ifndef PARLEYD_OPTIONS_H
#define PARLEYD_OPTIONS_H

#include "config/config.h"

enum options_action {
    OPTIONS_SERVE,
    OPTIONS_MIND, /* `parleyd mind` */
    OPTIONS_EXIT, /* --help, --version, or wrong arguments: said so already */
};

struct options {
    enum options_action action;
    int exit_code;         /* with OPTIONS_EXIT */
    struct config *config; /* with the others; config_destroy */
    /* argv as it was given, without the word "mind", for the minder's children. Borrowed texts. */
    char **flags;
    int flag_count;
};

/* Reads settings and arguments. argv is rearranged. */
struct options options_read(int argc, char **argv);

void options_fini(struct options *options);

#endif
