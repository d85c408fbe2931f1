/* cmd_user.c - parleyctl user add|list|roles|ban|unban|delete|password|sessions|revoke.
 *
 * Works on the store directly, so it does without a server. What must stop tokens that are in
 * people's hands is told to the gateways by NATS, before the store has it: should the second fail,
 * the command is run again.
 */
#include <errno.h>
#include <termios.h>
#include <unistd.h>

#include "adapters/auth/jwt_claims.h"
#include "adapters/nats/nats_audit.h"
#include "adapters/nats/nats_revocations.h"
#include "adapters/sodium/argon2_hasher.h"
#include "adapters/sqlite/sqlite_store.h"
#include "adapters/utf8proc/utf8_forms.h"
#include "app/sessions.h"
#include "base/rc.h"
#include "ctl_nats.h"
#include "store.h"

enum { USER_ARENA_BYTES = 4 * 1024 * 1024, LIST_PAGE = 200, SESSIONS_MAX = 1000, LINK_MS = 5000 };

/* One command: the store open, the parts of app/accounts.h over it. */
struct work {
    const struct ctl *ctl;
    struct store *store;
    struct argon2_hasher *hasher;
    struct nats_link *link;
    struct nats_revocations *revoker;
    struct revocations revocations;
    struct nats_audit *audit;
    struct audit_log audit_port;
    struct accounts accounts;
    struct arena arena;
    struct fault fault;
    struct account_call call;
};

static int say(const struct work *w, const char *what, enum error_code code)
{
    return ctl_fail("%s: %s", what, w->fault.text[0] ? w->fault.text : error_info(code)->title);
}

static int open_store(struct work *w)
{
    const struct store_options options = { .url = w->ctl->config->store.url, .readers_max = 2 };
    struct fault fault = { .text = "" };
    if (ctl_store_file_is_missing(w->ctl)) /* a mistyped one would be made, and be empty */
        return ctl_fail("store.url: there is no store at %s; parleyctl store init makes one",
                        sqlite_store_path(options.url));
    enum rc rc = store_open(&options, &w->store, &fault);
    if (rc != RC_OK)
        return ctl_fail("store.url: %s", fault.text[0] ? fault.text : rc_name(rc));
    return CTL_OK;
}

static int begin(struct work *w, const struct ctl *ctl)
{
    const struct config *c = ctl->config;
    *w = (struct work){ .ctl = ctl };
    arena_init(&w->arena, USER_ARENA_BYTES);
    int code = open_store(w);
    if (code != CTL_OK)
        return code;
    w->accounts = (struct accounts){
        .store = store_accounts(w->store),
        .directory = store_directory(w->store),
        .forms = utf8_forms(),
        .clock = clock_system(),
        .limits = { .password = { .chars_min = (size_t)c->accounts.password_chars_min },
                    .access_s = c->accounts.access_s },
    };
    w->call = (struct account_call){ .accounts = &w->accounts,
                                     .arena = &w->arena,
                                     .fault = &w->fault,
                                     .asker = { .actor = "operator" } };
    return CTL_OK;
}

static int end(struct work *w, int code)
{
    account_call_wipe(&w->call);
    nats_audit_destroy(w->audit); /* stores what it has been given */
    nats_revocations_destroy(w->revoker);
    nats_link_destroy(w->link);
    argon2_hasher_destroy(w->hasher);
    store_close(w->store);
    arena_fini(&w->arena);
    return code;
}

/* The same of what has nothing to print but, in JSON, whom it was done to. */
static int end_done(struct work *w, int code)
{
    if (code == CTL_OK && w->ctl->is_json)
        (void)printf("{\"userId\":\"%s\"}\n", w->call.account.user.text);
    return end(w, code);
}

/* What is done goes to the gateways and the audit; without NATS nothing is done at all. */
static int begin_telling(struct work *w)
{
    w->link = ctl_nats_open(w->ctl);
    if (!w->link)
        return CTL_FAILED;
    const struct nats_revocations_options options = { .link = w->link };
    w->revoker = nats_revocations_create(&options);
    if (!w->revoker)
        return ctl_fail("out of memory");
    if (nats_link_wait(w->link, LINK_MS) != RC_OK)
        return ctl_fail("nothing was done: nats-server doesn't answer");
    w->revocations = nats_revocations_port(w->revoker);
    w->accounts.revocations = &w->revocations;
    w->audit = nats_audit_create(w->link, 0);
    if (!w->audit)
        return ctl_fail("out of memory");
    w->audit_port = nats_audit_port(w->audit);
    w->accounts.audit = &w->audit_port;
    return CTL_OK;
}

static int begin_hashing(struct work *w)
{
    const struct config *c = w->ctl->config;
    const struct argon2_options options = { .passes = (unsigned long long)c->accounts.hash_passes,
                                            .memory_bytes = (size_t)c->accounts.hash_memory };
    if (argon2_hasher_create(&options, &w->hasher) != RC_OK)
        return ctl_fail("accounts.hash_memory: there isn't that much memory");
    w->accounts.hasher = argon2_hasher_port(w->hasher);
    return CTL_OK;
}

/* By username, address, or user id. */
static int find(struct work *w, const char *name)
{
    const struct account_store *store = w->accounts.store;
    struct bytes key;
    if (account_fold(&w->call, "NAME", bytes_of(name), &key) != ERROR_NONE)
        return say(w, name, ERROR_VALIDATION);
    enum rc rc =
        store->find(store->self, ACCOUNT_BY_USERNAME_KEY, key, &w->arena, &w->call.account);
    if (rc == RC_NOT_FOUND && strchr(name, '@'))
        rc = store->find(store->self, ACCOUNT_BY_EMAIL_KEY, key, &w->arena, &w->call.account);
    if (rc == RC_NOT_FOUND)
        rc = store->find(store->self, ACCOUNT_BY_USER, bytes_of(name), &w->arena, &w->call.account);
    if (rc == RC_NOT_FOUND)
        return ctl_fail("%s: there is no such account", name);
    return rc == RC_OK ? CTL_OK : ctl_fail("the store: %s", rc_name(rc));
}

/* ---- passwords: from a terminal without echo, else one line of standard input ---- */

static bool read_line(char *out, size_t room)
{
    if (!fgets(out, (int)room, stdin))
        return false;
    out[strcspn(out, "\r\n")] = 0;
    return true;
}

static bool read_hidden(char *out, size_t room)
{
    struct termios before, hidden;
    bool is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_terminal) {
        (void)fputs("Password: ", stderr);
        hidden = before;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden); /* then it is seen; no reason to stop */
    }
    bool is_read = read_line(out, room);
    if (is_terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fputc('\n', stderr);
    }
    return is_read;
}

/* ---- add ---- */

static int add_email(struct work *w, const char *email)
{
    const struct account_store *store = w->accounts.store;
    if (!email)
        return CTL_OK;
    const struct id user = w->call.account.user;
    enum error_code code = account_email_begin(&w->call, NULL, bytes_of(email));
    if (code != ERROR_NONE)
        return say(w, "--email", code);
    enum rc rc = store->set_email(store->self, &user, w->call.email, w->call.email_key);
    return rc == RC_OK ? CTL_OK
                       : ctl_fail("--email: %s",
                                  rc == RC_CONFLICT ? "another account has it" : rc_name(rc));
}

static int add_account(struct work *w, const struct registration *registration, unsigned roles,
                       const char *email)
{
    const struct account_store *store = w->accounts.store;
    /* First: an account that is made and then refused for its address is made all the same. */
    enum error_code code =
        email ? account_email_begin(&w->call, NULL, bytes_of(email)) : ERROR_NONE;
    if (code != ERROR_NONE)
        return say(w, "--email", code);
    code = account_register_begin(&w->call, registration);
    if (code == ERROR_NONE) {
        account_register_hash(&w->call);
        code = account_register_end(&w->call);
    }
    if (code != ERROR_NONE)
        return say(w, "user add", code);
    if (roles && store->set_roles(store->self, &w->call.account.user, roles) != RC_OK)
        return ctl_fail("user add: the account is made, its roles couldn't be set: try user roles");
    int email_code = add_email(w, email);
    (void)printf(w->ctl->is_json ? "{\"userId\":\"%s\"}\n" : "%s\n", w->call.account.user.text);
    return email_code;
}

int cmd_user_add(const struct ctl *ctl, int argc, char **argv)
{
    const char *name = NULL, *role = NULL, *email = NULL;
    const struct ctl_option options[] = { { "name", &name, NULL },
                                          { "role", &role, NULL },
                                          { "email", &email, NULL } };
    char password[1024];
    unsigned roles = 0;
    struct work w;
    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (argc != 2)
        return ctl_usage(argc < 2 ? "user add: USERNAME is missing"
                                  : "user add takes one USERNAME and no more words");
    if (role && !user_roles_read(bytes_of(role), &roles))
        return ctl_usage("--role takes user, moderator, admin, service, separated by commas");
    if (name && !ctl_is_user_name(bytes_of(name)))
        return ctl_usage("--name takes " CTL_USER_NAME);
    if (!read_hidden(password, sizeof password))
        return ctl_usage("user add: give the password on standard input");
    int code = begin(&w, ctl);
    if (code == CTL_OK)
        code = begin_hashing(&w);
    if (code == CTL_OK)
        code = begin_telling(&w);
    const struct registration registration = { bytes_of(argv[1]), bytes_of(password),
                                               bytes_of(name) };
    if (code == CTL_OK)
        code = add_account(&w, &registration, roles, email);
    explicit_bzero(password, sizeof password);
    return end(&w, code);
}

/* ---- list ---- */

static void write_account(struct buf *out, const struct account *a, bool is_json)
{
    char at[RFC3339_CHARS];
    rfc3339_write(a->created_at_us, at);
    if (!is_json) {
        buf_add_format(out, "%s\t%.*s\t", a->user.text, BYTES_ARG(a->username));
        user_roles_write(out, a->roles, false);
        buf_add_format(out, "\t%s%s%.*s\n", a->is_banned ? "banned" : "", a->email.len ? "\t" : "",
                       BYTES_ARG(a->email));
        return;
    }
    buf_add_format(out, "{\"userId\":\"%s\",\"username\":", a->user.text);
    buf_add_json_string(out, a->username);
    buf_add_text(out, ",\"email\":");
    buf_add_json_string(out, a->email);
    buf_add_text(out, ",\"roles\":");
    user_roles_write(out, a->roles, true);
    buf_add_format(out, ",\"banned\":%s,\"createdAt\":\"%s\"}", a->is_banned ? "true" : "false",
                   at);
}

/* A list in JSON is {"items":[...]}, in text a line each. */
static void list_begin(const struct ctl *ctl, struct buf *out)
{
    if (ctl->is_json)
        buf_add_text(out, "{\"items\":[");
}

static void list_next(const struct ctl *ctl, struct buf *out, size_t nth)
{
    if (ctl->is_json && nth > 0)
        buf_add_text(out, ",");
}

static int list_end(const struct ctl *ctl, struct buf *out)
{
    if (ctl->is_json)
        buf_add_text(out, "]}\n");
    return ctl_print(out);
}

static int list_all(struct work *w)
{
    const struct account_store *store = w->accounts.store;
    SCOPED_BUF(out, 64 * 1024 * 1024);
    SCOPED_BUF(after, 4096);
    size_t shown = 0;
    list_begin(w->ctl, &out);
    for (size_t count = LIST_PAGE; count == LIST_PAGE;) {
        SCOPED_ARENA(page, USER_ARENA_BYTES);
        struct account *list;
        enum rc rc = store->list(store->self, buf_bytes(&after), LIST_PAGE, &page, &list, &count);
        if (rc != RC_OK)
            return ctl_fail("the store: %s", rc_name(rc));
        for (size_t i = 0; i < count; i++) {
            list_next(w->ctl, &out, shown++);
            write_account(&out, &list[i], w->ctl->is_json);
        }
        after.len = 0;
        if (count)
            buf_add(&after, list[count - 1].username_key);
    }
    return list_end(w->ctl, &out);
}

int cmd_user_list(const struct ctl *ctl, int argc, char **argv)
{
    struct work w;
    (void)argv;
    if (argc > 1)
        return ctl_usage("user list takes no arguments");
    int code = begin(&w, ctl);
    return end(&w, code == CTL_OK ? list_all(&w) : code);
}

/* ---- what is done to one account ---- */

enum { TELLS = 1, HASHES = 2 };

static int say_words(const char *verb, int argc, int words)
{
    if (argc < 2)
        return ctl_usage("user %s: NAME is missing: a username, an address or a user id", verb);
    if (argc < words)
        return ctl_usage("user %s: ROLE[,ROLE] is missing: user, moderator, admin, service", verb);
    return ctl_usage("user %s takes %s and no more", verb, words > 2 ? "NAME ROLE[,ROLE]" : "NAME");
}

/* Begins a command that takes a NAME and perhaps one more word. */
static int begin_named(struct work *w, const struct ctl *ctl, int argc, char **argv, int words,
                       unsigned needs)
{
    *w = (struct work){ .ctl = ctl };
    if (argc != words)
        return say_words(argv[0], argc, words);
    int code = begin(w, ctl);
    if (code == CTL_OK)
        code = find(w, argv[1]);
    if (code == CTL_OK && (needs & HASHES))
        code = begin_hashing(w);
    return code == CTL_OK && (needs & TELLS) ? begin_telling(w) : code;
}

static int said(const struct work *w, const char *what, enum error_code code)
{
    if (code != ERROR_NONE)
        return say(w, what, code);
    return CTL_OK;
}

static int end_all(struct work *w, const char *what, enum revocation_reason reason)
{
    return said(w, what, sessions_end_all(&w->call, &w->call.account.user, NULL, reason));
}

static int stored(enum rc rc)
{
    return rc == RC_OK ? CTL_OK : ctl_fail("the store: %s", rc_name(rc));
}

/* Tokens hold roles, so those with the old ones end; whoever logs in again has the new ones. */
int cmd_user_roles(const struct ctl *ctl, int argc, char **argv)
{
    unsigned roles = 0;
    struct work w;
    if (argc == 3 && !user_roles_read(bytes_of(argv[2]), &roles))
        return ctl_usage("user roles NAME ROLE[,ROLE]: user, moderator, admin, service");
    int code = begin_named(&w, ctl, argc, argv, 3, TELLS);
    const struct account_store *store = w.accounts.store;
    if (code == CTL_OK)
        code = stored(store->set_roles(store->self, &w.call.account.user, roles));
    if (code == CTL_OK) {
        w.call.account.roles = roles;
        account_audit(&w.call, AUDIT_ROLES, true, NULL, &w.call.account.user, NULL);
        code = end_all(&w, "user roles", REVOKED_ROLES);
    }
    return end_done(&w, code);
}

static int set_ban(const struct ctl *ctl, int argc, char **argv, bool is_banned)
{
    struct work w;
    int code = begin_named(&w, ctl, argc, argv, 2, TELLS);
    const struct account_store *store = w.accounts.store;
    if (code == CTL_OK)
        code = stored(store->set_banned(store->self, &w.call.account.user, is_banned));
    if (code == CTL_OK)
        account_audit(&w.call, is_banned ? AUDIT_BAN : AUDIT_UNBAN, true, NULL,
                      &w.call.account.user, NULL);
    if (code == CTL_OK && is_banned)
        code = end_all(&w, "user ban", REVOKED_BAN);
    return end_done(&w, code);
}

int cmd_user_ban(const struct ctl *ctl, int argc, char **argv)
{
    return set_ban(ctl, argc, argv, true);
}

int cmd_user_unban(const struct ctl *ctl, int argc, char **argv)
{
    return set_ban(ctl, argc, argv, false);
}

int cmd_user_delete(const struct ctl *ctl, int argc, char **argv)
{
    struct work w;
    int code = begin_named(&w, ctl, argc, argv, 2, TELLS);
    if (code == CTL_OK) {
        const struct id user = w.call.account.user;
        code = said(&w, "user delete", account_erase(&w.call, &user));
    }
    return end_done(&w, code);
}

static int set_password(struct work *w, const char *text)
{
    const struct account_store *store = w->accounts.store;
    const struct account *account = &w->call.account;
    enum error_code code =
        account_check_password(&w->call, "password", bytes_of(text), account->username_key,
                               account->email_key, &w->call.new_password);
    if (code != ERROR_NONE)
        return say(w, "user password", code);
    account_new_password_hash(&w->call);
    if (w->call.judged != RC_OK)
        return ctl_fail("accounts.hash_memory: there isn't that much memory");
    int stored_code =
        stored(store->set_password(store->self, &account->user, bytes_of(NULL),
                                   bytes_of(w->call.hash), accounts_now_us(&w->accounts)));
    if (stored_code != CTL_OK)
        return stored_code;
    account_audit(&w->call, AUDIT_PASSWORD_CHANGE, true, NULL, &account->user, NULL);
    return end_all(w, "user password", REVOKED_PASSWORD);
}

int cmd_user_password(const struct ctl *ctl, int argc, char **argv)
{
    char password[1024];
    struct work w;
    int code = begin_named(&w, ctl, argc, argv, 2, TELLS | HASHES);
    if (code == CTL_OK && !read_hidden(password, sizeof password))
        code = ctl_usage("user password: give the password on standard input");
    if (code == CTL_OK)
        code = set_password(&w, password);
    explicit_bzero(password, sizeof password);
    return end_done(&w, code);
}

static int print_sessions(struct work *w)
{
    const struct account_store *store = w->accounts.store;
    SCOPED_BUF(out, 16 * 1024 * 1024);
    struct session *list;
    size_t count;
    int code =
        stored(store->sessions_of(store->self, &w->call.account.user, accounts_now_us(&w->accounts),
                                  SESSIONS_MAX, &w->arena, &list, &count));
    list_begin(w->ctl, &out);
    for (size_t i = 0; code == CTL_OK && i < count; i++) {
        char at[RFC3339_CHARS];
        list_next(w->ctl, &out, i);
        rfc3339_write(list[i].seen_at_us, at);
        buf_add_format(&out,
                       w->ctl->is_json
                           ? "{\"id\":\"%s\",\"lastSeenAt\":\"%s\",\"range\":\"%.*s\",\"device\":"
                           : "%s\t%s\t%.*s\t",
                       list[i].id.text, at, BYTES_ARG(list[i].range));
        if (w->ctl->is_json)
            buf_add_json_string(&out, list[i].device);
        else
            buf_add(&out, list[i].device);
        buf_add_text(&out, w->ctl->is_json ? "}" : "\n");
    }
    return code == CTL_OK ? list_end(w->ctl, &out) : code;
}

int cmd_user_sessions(const struct ctl *ctl, int argc, char **argv)
{
    struct work w;
    int code = begin_named(&w, ctl, argc, argv, 2, 0);
    return end(&w, code == CTL_OK ? print_sessions(&w) : code);
}

/* All sessions, or the one that is named. */
int cmd_user_revoke(const struct ctl *ctl, int argc, char **argv)
{
    const char *session = NULL;
    const struct ctl_option options[] = { { "session", &session, NULL } };
    struct id id = { .len = 0 };
    struct work w;
    if (!ctl_options(options, COUNT_OF(options), &argc, argv))
        return CTL_USAGE;
    if (session && !id_read(bytes_of(session), &id))
        return ctl_usage("user revoke: --session takes a session's id");
    int code = begin_named(&w, ctl, argc, argv, 2, TELLS);
    if (code == CTL_OK && session)
        code = said(&w, "user revoke",
                    session_end_owned(&w.call, &w.call.account.user, &id, REVOKED_BY_ADMIN));
    else if (code == CTL_OK)
        code = end_all(&w, "user revoke", REVOKED_BY_ADMIN);
    if (code == CTL_OK)
        account_audit(&w.call, session ? AUDIT_SESSION_REVOKE : AUDIT_USER_REVOKE, true, NULL,
                      &w.call.account.user, session ? &id : NULL);
    return end_done(&w, code);
}
