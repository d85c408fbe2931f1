/* ctl.h - what a subcommand of parleyctl is given, and how one is added: write cmd_x.c with its
 * functions, declare them below, and add a line to the table in main.c.
 *
 * A subcommand writes its result to standard output (as text, or as JSON if ctl->is_json) and what
 * went wrong to standard error, by ctl_fail. It returns the exit code: CTL_OK, CTL_FAILED (the work
 * could not be done, or a check found something), CTL_USAGE.
 */
#ifndef PARLEYCTL_CTL_H
#define PARLEYCTL_CTL_H

#include "base/buf.h"
#include "config/config.h"

enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

struct ctl {
    const struct config *config; /* NULL where the command says it does without */
    bool is_json;                /* --json was given */
};

/* argv[0] is the command's own last word; the settings' flags and --json are gone from it. */
typedef int ctl_run_fn(const struct ctl *ctl, int argc, char **argv);

struct ctl_command {
    const char *words; /* "token", "config check" */
    const char *arguments;
    const char *help;
    ctl_run_fn *run;
    bool does_without_config;
};

/* One option of a subcommand: --name VALUE or --name=VALUE sets *value, --name sets *is_given. */
struct ctl_option {
    const char *name;
    const char **value;
    bool *is_given;
};

/* Takes the options out of argv; the rest is moved up behind argv[0] and *argc lowered.
 *   returns  false on an unknown option or a missing value, having said so
 */
bool ctl_options(const struct ctl_option *options, size_t count, int *argc, char **argv);

/* Prints "parleyctl: ..." to standard error. Returns CTL_FAILED. */
int ctl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for wrong arguments: points to --help. Returns CTL_USAGE. */
int ctl_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes the buffer to standard output. Returns CTL_OK, or CTL_FAILED if it can't be written or the
 * buffer has failed. */
int ctl_print(const struct buf *text);

/* Reads a whole file, "-" for standard input, of at most 256 MiB. Says what is wrong.
 *   out  initialized by the caller with at least that maximum
 */
bool ctl_read_file(const char *path, struct buf *out);

enum { CTL_FILE_BYTES_MAX = 256 * 1024 * 1024 };

/* The next line of a text, without its end (LF or CR LF); empty lines are passed over.
 *   rest    moved on
 *   number  counted up; 0 at the start
 *   returns false at the end
 */
bool ctl_next_line(struct bytes *rest, int *number, struct bytes *out_line);

/* A span of time: 90, 90s, 15m, 12h, 30d. In seconds, more than zero. */
bool ctl_read_span(const char *text, int64_t *out_seconds);

/* Whether a user may be shown under this name, or "" for none of its own: what a gateway takes by
 * PATCH /v1/users/me. A provider's token may have a longer one, but it would be kept by nobody. */
#define CTL_USER_NAME "at most 128 bytes of UTF-8 without control characters"
bool ctl_is_user_name(struct bytes name);

ctl_run_fn cmd_config_check, cmd_config_show, cmd_config_default, cmd_config_env, cmd_config_doc,
    cmd_config_man;
ctl_run_fn cmd_streams_diff, cmd_streams_apply, cmd_streams_check, cmd_streams_renew;
ctl_run_fn cmd_dlq_list, cmd_dlq_show, cmd_dlq_replay, cmd_dlq_purge;
ctl_run_fn cmd_replay, cmd_rebuild, cmd_backup, cmd_restore, cmd_verify, cmd_status;
ctl_run_fn cmd_store_init, cmd_store_check;
ctl_run_fn cmd_user_add, cmd_user_list, cmd_user_roles, cmd_user_ban, cmd_user_unban,
    cmd_user_delete, cmd_user_password, cmd_user_sessions, cmd_user_revoke;
ctl_run_fn cmd_token, cmd_token_check, cmd_token_revoke, cmd_keys_list, cmd_keys_add,
    cmd_keys_rotate;

#endif
