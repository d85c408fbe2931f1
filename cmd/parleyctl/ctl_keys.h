/* ctl_keys.h - what the commands that use the keys of access tokens share. */
#ifndef PARLEYCTL_CTL_KEYS_H
#define PARLEYCTL_CTL_KEYS_H

#include "adapters/auth/jws.h"
#include "base/rc.h"
#include "ctl.h"

/* The one algorithm that auth.algorithm names. */
enum jws_algorithm ctl_algorithm(const struct config *config);

/* Says why auth.keys_dir can't be used, by errno. Returns CTL_FAILED. */
int ctl_fail_keys(const struct config *config, enum rc rc);

#endif
