/* archive.h - a backup's folder: files of mode 0600 with their checksums, and a manifest written
 * last, so that a backup that was cut short has none and is refused.
 *
 *   manifest.json                     what is in it, from when, of which generation
 *   store.db                          the store, if it is SQLite
 *   streams/<name>/backup.json        as `nats stream backup` writes them: the stock CLI can
 *   streams/<name>/stream.tar.s2      restore a stream from its folder
 *
 * All of it says on standard error what went wrong. Blocking.
 */
#ifndef PARLEYCTL_ARCHIVE_H
#define PARLEYCTL_ARCHIVE_H

#include "ctl_nats.h"

#define ARCHIVE_MANIFEST "manifest.json"
#define ARCHIVE_STORE "store.db"
enum { ARCHIVE_FORMAT = 1, ARCHIVE_PATH_MAX = 4096 };

/* Makes the folder (mode 0700), or takes one that is empty. */
bool archive_begin(const char *folder);

/* {"file":relative,"bytes":N,"sha256":"…"} of a file in the folder; NULL after having said why. */
json_t *archive_entry(const char *folder, const char *relative);

/* Whether the file is there as its entry says. */
bool archive_is_whole(const char *folder, const json_t *entry);

/* Saves a stream below the folder and appends it to the manifest's list; RC_NOT_FOUND: no such
 * stream, without a word. */
MUST_CHECK enum rc archive_save_stream(struct nats_link *link, const char *folder,
                                       const char *stream, json_t *streams);

/* Makes a stream of its folder. is_sealed: nothing can be written to it until it is made anew. */
bool archive_restore_stream(struct nats_link *link, const char *folder, const char *stream,
                            bool is_sealed);

/* Writes and syncs a JSON file of mode 0600, whole or not at all. Takes the value. */
bool archive_write_json(const char *folder, const char *relative, json_t *value);

/* Reads the manifest and checks every file that it names; NULL after having said what is wrong. */
json_t *archive_open(const char *folder);

/* Copies a file of the folder to `path` (mode 0600), whole or not at all. */
bool archive_copy_out(const char *folder, const char *relative, const char *path);

#endif
