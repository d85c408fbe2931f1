/* command_rules.h - what the rules share; for command_rules*.c only. Loop thread; all is borrowed
 * from the run. */
#ifndef APP_COMMAND_RULES_H
#define APP_COMMAND_RULES_H

#include "app/command_run.h"

bool rules_is_service(const struct command_run *run);
bool rules_has_role(const struct command_run *run, enum member_role role);
/* Owners and services say who is owner and admin. */
bool rules_may_rule_owners(const struct command_run *run);

/* Sets the fault and returns the code. */
enum error_code rules_no(struct command_run *run, enum error_code code, const char *field,
                         const char *text);
/* What one who is no member is told. */
enum error_code rules_stranger(const struct command_run *run);
enum error_code rules_as_member(struct command_run *run);
/* Admins, owners and services manage members; nobody manages those of a direct conversation. */
enum error_code rules_as_manager(struct command_run *run);

/* Room for so many events of this command; false when memory is short. */
bool rules_make_room(struct command_run *run, size_t events);
/* The next event; needs room. */
struct outgoing *rules_add_event(struct command_run *run, enum event_kind kind);
void rules_add_member(struct command_run *run, enum event_kind kind, const struct id *user,
                      enum member_role role);
/* The first event is stored only if nothing came after what the facts tell. */
void rules_guard(struct command_run *run);

enum error_code rules_join(struct command_run *run);
enum error_code rules_leave(struct command_run *run);
enum error_code rules_put(struct command_run *run);
enum error_code rules_remove(struct command_run *run);
enum error_code rules_create(struct command_run *run);
enum error_code rules_update(struct command_run *run);
enum error_code rules_delete_conversation(struct command_run *run);

#endif
