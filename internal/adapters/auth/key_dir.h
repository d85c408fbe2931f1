/* key_dir.h - the files jwt-<kid>.pem of a folder; private to this adapter. */
#ifndef AUTH_KEY_DIR_H
#define AUTH_KEY_DIR_H

#include <sys/stat.h>

#include "adapters/auth/jwt_keys.h"

struct key_file {
    char kid[65];
    struct stat stat;
};

/* Lists them in the order of their names.
 *   out_files  room for JWT_KEYS_MAX
 *   errors     RC_FULL there are more; RC_NOMEM; RC_DENIED. A folder that isn't there is empty
 */
MUST_CHECK enum rc key_dir_list(const char *keys_dir, struct key_file *out_files,
                                size_t *out_count);

/* Reads a whole small file. The caller frees *out_text (it ends in NUL).
 *   errors  RC_NOT_FOUND, RC_INVALID too large or no plain file, RC_NOMEM
 */
MUST_CHECK enum rc key_file_read(const char *path, char **out_text, size_t *out_len);

/* Reads PEM: a private key (out_is_private) or a public one, without a passphrase. NULL if none. */
struct evp_pkey_st *key_read_pem(const char *text, size_t len, bool *out_is_private);

#endif
