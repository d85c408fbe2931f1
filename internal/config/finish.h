/* finish.h - what can only be done once all sources are read; private to internal/config. */
#ifndef CONFIG_FINISH_H
#define CONFIG_FINISH_H

#include "config/config.h"

/* Makes paths absolute, reads secrets from their files, fills in what is derived, and checks
 * settings against each other.
 *   errors  RC_INVALID, RC_NOT_FOUND (a secret's file), RC_NOMEM; error holds the text
 */
MUST_CHECK enum rc config_finish(struct config *config, struct config_error *error);

#endif
