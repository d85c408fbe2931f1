/* persister_check.c - is the log the one that the settings and this version are made for?
 *
 * Asked before the first fetch and again after each reconnect, so that an instance with other
 * settings takes nothing: neither a record nor the pin that whoever is right would wait for. The
 * gateway asks the same (cmd/parleyd/check.c).
 */
#include "app/persister_parts.h"
#include "base/rc.h"
#include "wire/subjects.h"

/* One version apart is an upgrade under way. */
static bool knows_schema(uint32_t schema)
{
    return schema + 1 >= PARLEY_SCHEMA_VERSION && schema <= PARLEY_SCHEMA_VERSION + 1;
}

enum trouble check_state(struct persister *p, const struct log_state *state)
{
    bool is_ours = state->generation == p->o.generation && state->partitions == p->o.partitions;
    atomic_store(&p->o.stats->log_generation, state->generation);
    atomic_store(&p->o.stats->log_partitions, state->partitions);
    atomic_store(&p->o.stats->log_schema, state->schema);
    p->is_checked = is_ours && knows_schema(state->schema);
    if (p->is_checked)
        return TROUBLE_NONE;
    log_error_every(10000, "persister.other_log", LOG_UINT("partition", p->o.partition),
                    LOG_UINT("generation", state->generation),
                    LOG_UINT("partitions", state->partitions), LOG_UINT("schema", state->schema));
    p->alarm = is_ours ? ALARM_SCHEMA : ALARM_OTHER_LOG;
    return TROUBLE_ALARM;
}

enum trouble check_log(struct persister *p)
{
    const struct log_consumer *log = p->o.log;
    uint32_t epoch = log->epoch(log->self);
    struct log_state state;
    if (p->is_checked && p->epoch == epoch)
        return TROUBLE_NONE;
    p->is_checked = false;
    if (log->state(log->self, &state) != RC_OK)
        return TROUBLE_LOG;
    p->epoch = epoch; /* of before the answer: a reconnect meanwhile has it asked once more */
    return check_state(p, &state);
}

bool check_owner(const struct persister *p, const struct log_record *record)
{
    return subject_partition(&record->owner, p->o.partitions) == p->o.partition;
}
