/* jwt_claims.c - one small reader a claim. */
#include "adapters/auth/jwt_claims.h"

#include <jansson.h>
#include <strings.h>

#include "base/rc.h"

enum { JSON_DEPTH_MAX = 8, ROLES_MAX = 16, AUDIENCES_MAX = 32 };

#define NUMERIC_DATE_MAX (INT64_C(1) << 53)

bool jwt_kid_is_right(struct bytes kid)
{
    struct id id;

    return id_read(kid, &id);
}

/* jansson's own limit is 2048 levels; nothing here needs more than three. */
static bool is_shallow(struct bytes json)
{
    int depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < json.len; i++) {
        uint8_t c = json.ptr[i];
        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
            return false;
        else if (!in_text && (c == '}' || c == ']'))
            depth--;
    }
    return true;
}

static json_t *load_object(struct bytes json)
{
    json_t *root = is_shallow(json)
                       ? json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;

    if (json_is_object(root))
        return root;
    json_decref(root);
    return NULL;
}

static struct bytes text_of(const json_t *value)
{
    return json_is_string(value) ? bytes_make(json_string_value(value), json_string_length(value))
                                 : (struct bytes){ NULL, 0 };
}

static const char *check_header(json_t *root, const struct jwt_expected *expected,
                                struct jwt_header *header)
{
    static const char *const known[] = { "alg", "kid", "typ" };
    struct bytes typ = text_of(json_object_get(root, "typ"));
    struct bytes kid = text_of(json_object_get(root, "kid"));
    size_t known_count = 0;

    for (size_t i = 0; i < COUNT_OF(known); i++)
        known_count += json_object_get(root, known[i]) != NULL;
    /* jku, x5u, jwk, crit, zip, b64 and whatever comes next: none is honoured, so none is taken. */
    if (json_object_size(root) != known_count)
        return "header_unknown_member";
    if (!bytes_is(text_of(json_object_get(root, "alg")), expected->algorithm))
        return "header_alg";
    if (json_object_get(root, "typ") &&
        !(typ.len == 3 && strncasecmp((const char *)typ.ptr, "JWT", 3) == 0) &&
        !(typ.len == 6 && strncasecmp((const char *)typ.ptr, "at+jwt", 6) == 0))
        return "header_typ";
    if (!jwt_kid_is_right(kid))
        return "header_kid";
    memcpy(header->kid, kid.ptr, kid.len);
    header->kid[kid.len] = 0;
    return NULL;
}

const char *jwt_header_read(struct bytes json, const struct jwt_expected *expected,
                            struct jwt_header *out_header)
{
    struct jwt_header header = { "" };
    json_t *root = load_object(json);
    const char *reason = root ? check_header(root, expected, &header) : "header_json";

    json_decref(root);
    if (!reason)
        *out_header = header;
    return reason;
}

/* A NumericDate, whole seconds only. Absent is 0 unless it is needed. */
static bool read_date(const json_t *root, const char *key, bool is_needed, int64_t *out)
{
    const json_t *value = json_object_get(root, key);

    *out = 0;
    if (!value)
        return !is_needed;
    *out = json_integer_value(value);
    return json_is_integer(value) && *out > 0 && *out < NUMERIC_DATE_MAX;
}

static bool names_audience(const json_t *aud, const char *expected)
{
    bool has_ours = false;

    if (json_is_string(aud))
        return bytes_is(text_of(aud), expected);
    if (!json_is_array(aud) || json_array_size(aud) > AUDIENCES_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const json_t *one = json_array_get(aud, i);
        if (!json_is_string(one))
            return false;
        has_ours = has_ours || bytes_is(text_of(one), expected);
    }
    return has_ours;
}

/* Control characters would reach terminals and logs of all who see the name. */
static bool read_name(const json_t *root, struct identity *identity)
{
    const json_t *value = json_object_get(root, "name");
    struct bytes name = value ? text_of(value) : id_bytes(&identity->user);

    if (name.len == 0 || name.len > IDENTITY_NAME_BYTES || bytes_has_control(name))
        return false;
    memcpy(identity->name, name.ptr, name.len);
    identity->name[name.len] = 0;
    return true;
}

/* A role that this version does not know is no reason to lock its bearer out: it gives nothing. */
static bool read_roles(const json_t *root, unsigned *out_roles)
{
    const json_t *roles = json_object_get(root, "roles");

    *out_roles = 0;
    if (roles && (!json_is_array(roles) || json_array_size(roles) > ROLES_MAX))
        return false;
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const json_t *role = json_array_get(roles, i);
        if (!json_is_string(role) || json_string_length(role) != strlen(json_string_value(role)))
            return false;
        *out_roles |= user_role_bit(bytes_of(json_string_value(role)));
    }
    if (*out_roles == 0)
        *out_roles = USER_ROLE_USER;
    return true;
}

static bool read_session(const json_t *root, struct id *session)
{
    const json_t *sid = json_object_get(root, "sid");

    return !sid || id_read(text_of(sid), session);
}

static const char *check_claims(json_t *root, const struct jwt_expected *expected,
                                struct jwt_claims *claims)
{
    struct identity *identity = &claims->identity;
    const json_t *use = json_object_get(root, "use");
    int64_t nbf = 0;
    int64_t iat = 0;

    if (!bytes_is(text_of(json_object_get(root, "iss")), expected->issuer))
        return "claim_iss";
    if (!names_audience(json_object_get(root, "aud"), expected->audience))
        return "claim_aud";
    if (use && !bytes_is(text_of(use), "access"))
        return "claim_use";
    if (!id_read(text_of(json_object_get(root, "sub")), &identity->user))
        return "claim_sub";
    if (!read_session(root, &identity->session))
        return "claim_sid";
    if (!read_name(root, identity))
        return "claim_name";
    if (!read_roles(root, &identity->roles))
        return "claim_roles";
    if (!read_date(root, "exp", true, &identity->expires_s))
        return "claim_exp";
    if (!read_date(root, "nbf", false, &nbf))
        return "claim_nbf";
    if (!read_date(root, "iat", false, &iat))
        return "claim_iat";
    identity->expires_s += expected->leeway_s;
    identity->issued_s = iat;
    claims->not_before_s = nbf > iat ? nbf : iat;
    return NULL;
}

const char *jwt_claims_read(struct bytes json, const struct jwt_expected *expected,
                            struct jwt_claims *out_claims)
{
    struct jwt_claims claims = { .not_before_s = 0 };
    json_t *root = load_object(json);
    const char *reason = root ? check_claims(root, expected, &claims) : "claims_json";

    json_decref(root);
    if (!reason)
        *out_claims = claims;
    return reason;
}
