#include "ctl_keys.h"

#include <errno.h>

enum jws_algorithm ctl_algorithm(const struct config *config)
{
    return config->auth.algorithm == CONFIG_ES256 ? JWS_ES256 : JWS_RS256;
}

int ctl_fail_keys(const struct config *config, enum rc rc)
{
    if (rc == RC_NOMEM)
        return ctl_fail("out of memory");
    return ctl_fail("auth.keys_dir %s: can't be %s: %s", config->auth.keys_dir,
                    rc == RC_DENIED ? "written to" : "used", strerror(errno));
}
