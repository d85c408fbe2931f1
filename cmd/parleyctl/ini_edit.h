/* ini_edit.h - one key of parley.ini changed, the rest of the file kept as it is. */
#ifndef PARLEYCTL_INI_EDIT_H
#define PARLEYCTL_INI_EDIT_H

#include <stdbool.h>

/* Sets [section] key = value; the file is replaced whole or not at all, its mode kept. Says what
 * went wrong. */
bool ini_edit(const char *path, const char *section, const char *key, const char *value);

#endif
