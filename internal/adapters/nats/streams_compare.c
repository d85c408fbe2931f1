/* streams_compare.c - one configuration against what a server has, field by field. */
#include "adapters/nats/streams_priv.h"

#include <stdio.h>

/* How a field's value is ranked. */
enum rank {
    RANK_EQUAL,  /* has to be the same */
    RANK_MORE,   /* a larger number keeps more; 0 and -1: no limit */
    RANK_TRUE,   /* true protects */
    RANK_FIXED,  /* only counts when it is made, or is for people */
    RANK_STRONG, /* has to be the same, and another value loses messages */
};

static const struct {
    const char *field;
    enum rank rank;
} ranks[] = {
    { "first_seq", RANK_FIXED },    { "description", RANK_FIXED },
    { "max_age", RANK_MORE },       { "max_bytes", RANK_MORE },
    { "max_msgs", RANK_MORE },      { "max_msg_size", RANK_MORE },
    { "num_replicas", RANK_MORE },  { "duplicate_window", RANK_MORE },
    { "max_consumers", RANK_MORE }, { "max_deliver", RANK_MORE },
    { "deny_delete", RANK_TRUE },   { "deny_purge", RANK_TRUE },
    { "allow_direct", RANK_TRUE },  { "allow_atomic", RANK_TRUE },
    { "allow_msg_ttl", RANK_TRUE }, { "storage", RANK_STRONG },
    { "retention", RANK_STRONG },   { "discard", RANK_STRONG },
    { "ack_policy", RANK_STRONG },  { "subjects", RANK_STRONG },
};

static enum rank rank_of(const char *field)
{
    for (size_t i = 0; i < COUNT_OF(ranks); i++)
        if (strcmp(ranks[i].field, field) == 0)
            return ranks[i].rank;
    return RANK_EQUAL;
}

static void show(const json_t *value, char out[96])
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    (void)snprintf(out, 96, "%s", text ? text : "nothing");
    free(text);
}

/* What a server leaves out is its zero value. */
static bool is_zero(const json_t *value)
{
    return !value || json_is_false(value) || json_is_null(value) ||
           (json_is_integer(value) && json_integer_value(value) == 0) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static bool holds(const json_t *array, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (json_equal(json_array_get(array, i), value))
            return true;
    return false;
}

/* Objects: the members that are wanted; arrays of texts: as sets. */
static bool is_same(const json_t *wanted, const json_t *found)
{
    if (is_zero(wanted) && is_zero(found))
        return true;
    if (json_is_object(wanted) && json_is_object(found)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)wanted, key, value) /* walking doesn't change it */
        {
            if (!is_same(value, json_object_get(found, key)))
                return false;
        }
        return true;
    }
    if (json_is_array(wanted) && json_is_array(found)) {
        for (size_t i = 0; i < json_array_size(wanted); i++)
            if (!holds(found, json_array_get(wanted, i)))
                return false;
        return json_array_size(wanted) == json_array_size(found);
    }
    return found && json_equal(wanted, found);
}

/* A limit as a number that is larger the more it keeps. */
static json_int_t size_of_limit(const json_t *value)
{
    json_int_t number = json_integer_value(value);
    return number <= 0 ? INT64_MAX : number;
}

static bool is_more_kind(const struct stream_item *item, const char *field)
{
    /* A bucket's age is a meaning, not a promise: longer is as wrong as shorter. */
    return !(item->is_memory && strcmp(field, "max_age") == 0);
}

static enum rc compare_limit(const struct stream_item *item, const char *field,
                             const json_t *wanted, const json_t *found,
                             struct stream_report *report)
{
    char left[96], right[96];
    json_int_t a = size_of_limit(wanted), b = size_of_limit(found);
    if (strcmp(field, "max_bytes") == 0 && json_integer_value(wanted) == 0) {
        if (b != INT64_MAX)
            return RC_OK; /* any bound will do */
        return stream_report_add(report, STREAM_WEAKER, item, field, "a limit", "none");
    }
    if (a == b)
        return RC_OK;
    enum stream_finding_kind kind = b < a ? STREAM_WEAKER : STREAM_STRONGER;
    if (!is_more_kind(item, field))
        kind = STREAM_DIFFERENT;
    /* A stream without a limit in bytes fills the disk of all others. */
    if (strcmp(field, "max_bytes") == 0 && b == INT64_MAX)
        kind = STREAM_WEAKER;
    show(wanted, left);
    show(found, right);
    return stream_report_add(report, kind, item, field, left, right);
}

static enum rc compare_field(const struct stream_item *item, const char *field,
                             const json_t *wanted, const json_t *found,
                             struct stream_report *report)
{
    char left[96], right[96];
    enum rank rank = rank_of(field);
    if (rank == RANK_FIXED)
        return RC_OK;
    if (rank == RANK_MORE)
        return compare_limit(item, field, wanted, found, report);
    if (is_same(wanted, found))
        return RC_OK;
    enum stream_finding_kind kind = STREAM_DIFFERENT;
    if (rank == RANK_TRUE)
        kind = json_is_true(wanted) ? STREAM_WEAKER : STREAM_STRONGER;
    else if (rank == RANK_STRONG)
        kind = STREAM_WEAKER;
    show(wanted, left);
    show(found, right);
    return stream_report_add(report, kind, item, field, left, right);
}

int stream_schema_ahead(const json_t *ours, const json_t *theirs)
{
    uint64_t a, b;
    if (!json_is_string(ours) || !json_is_string(theirs) ||
        !bytes_to_u64(bytes_of(json_string_value(ours)), 1000, &a) ||
        !bytes_to_u64(bytes_of(json_string_value(theirs)), 1000, &b))
        return 0;
    return (int)b - (int)a;
}

/* One version apart in either direction is an upgrade under way: it changes nothing that is kept.
 */
static enum stream_finding_kind kind_of_metadata(const char *key, const json_t *wanted,
                                                 const json_t *found)
{
    int ahead = stream_schema_ahead(wanted, found);
    bool is_skew = strcmp(key, STREAM_SCHEMA_KEY) == 0 && (ahead == 1 || ahead == -1);
    return is_skew ? STREAM_SKEWED : STREAM_DIFFERENT;
}

/* metadata member by member, so that the finding names the one that is wrong. */
static enum rc compare_metadata(const struct stream_item *item, json_t *wanted, const json_t *found,
                                struct stream_report *report)
{
    const char *key;
    json_t *value;
    json_object_foreach(wanted, key, value)
    {
        char field[64], left[96], right[96];
        const json_t *other = json_object_get(found, key);
        if (other && json_equal(value, other))
            continue;
        (void)snprintf(field, sizeof field, "metadata.%s", key);
        show(value, left);
        show(other, right);
        TRY(stream_report_add(report, kind_of_metadata(key, value, other), item, field, left,
                              right));
    }
    return RC_OK;
}

enum rc stream_item_compare(const struct stream_item *item, const json_t *found,
                            struct stream_report *report)
{
    const char *key;
    json_t *value;
    /* No file asks for it, and it can't be taken back: the way out is a new generation. */
    if (json_is_true(json_object_get(found, "sealed")))
        TRY(stream_report_add(report, STREAM_DIFFERENT, item, "sealed",
                              "open: parleyctl streams renew", "true"));
    json_object_foreach(item->config, key, value)
    {
        const json_t *other = json_object_get(found, key);
        if (strcmp(key, "metadata") == 0)
            TRY(compare_metadata(item, value, other, report));
        else
            TRY(compare_field(item, key, value, other, report));
    }
    return RC_OK;
}
