/* ticket.c - sockets that come with a ticket.
 *
 * A ticket names its user at once (it is sealed), but whether it was used before only the bucket
 * that all gateways share can tell, and that takes a moment. So the handshake is answered, and
 * hello waits for the claim: until then nothing is said, and what the client says is kept for after
 * it.
 */
#include "app/gateway_state.h"

#include "app/revoked.h"

#include <stdlib.h>

struct claim {
    struct gateway_job base;
    struct conn *conn; /* NULL: it has ended */
    struct id ticket;
    enum rc rc;
};

enum token_error ticket_read(struct gateway *g, struct bytes ticket, struct identity *out_who,
                             struct id *out_ticket)
{
    const struct ticket_book *book = g->d.tickets;
    int64_t now_s = clock_wall_us(g->d.clock) / 1000000;
    struct identity who;
    struct id id;
    if (!book || !g->d.claims)
        return TOKEN_MISSING;
    enum token_error error = book->read(book->self, ticket, now_s, &who, &id);
    if (error != TOKEN_OK)
        return error;
    if (g->d.revoked && revoked_means(g->d.revoked, &who, now_s))
        return TOKEN_REVOKED;
    *out_who = who;
    *out_ticket = id;
    return TOKEN_OK;
}

static void free_early(struct conn *conn)
{
    if (conn->early)
        buf_fini(conn->early);
    free(conn->early);
    conn->early = NULL;
}

static void refuse(struct conn *conn, uint16_t code)
{
    if (conn->is_waiting_open)
        conn_close(conn, code, code == CLOSE_POLICY ? "token_invalid" : "unavailable");
    else
        conn->refused_code = code; /* a socket that isn't open can't be closed yet */
}

static void go_on(struct conn *conn)
{
    struct buf *early = conn->early;
    if (!conn->is_waiting_open)
        return; /* conn_opened will find nothing in its way */
    conn->early = NULL;
    link_resume(conn->g->links, conn->link);
    conn_begin(conn);
    if (early) {
        requests_take(conn, buf_bytes(early));
        buf_fini(early);
        free(early);
    }
}

static void run_claim(struct job *job)
{
    struct claim *claim = CONTAINER_OF(job, struct claim, base.job);
    const struct ticket_claims *claims = claim->base.g->d.claims;
    claim->rc = claims->claim(claims->self, &claim->ticket);
}

static void claimed(struct job *job)
{
    struct claim *claim = CONTAINER_OF(job, struct claim, base.job);
    struct conn *conn = claim->conn;
    enum rc rc = claim->rc;
    gateway_job_ended(&claim->base);
    free(claim);
    if (!conn)
        return;
    conn->claim = NULL;
    if (rc == RC_OK)
        go_on(conn);
    else
        refuse(conn, rc == RC_CONFLICT ? CLOSE_POLICY : CLOSE_OVERLOADED);
}

void ticket_claim(struct conn *conn, const struct id *ticket)
{
    struct claim *claim = calloc(1, sizeof *claim);
    if (claim) {
        claim->conn = conn;
        claim->ticket = *ticket;
        conn->claim = claim;
        if (gateway_submit(conn->g, &claim->base, run_claim, claimed) == RC_OK)
            return;
    }
    free(claim);
    conn->claim = NULL;
    refuse(conn, CLOSE_OVERLOADED);
}

bool ticket_holds_open(struct conn *conn)
{
    conn->is_waiting_open = true;
    if (conn->refused_code) {
        refuse(conn, conn->refused_code);
        return true;
    }
    if (conn->claim)
        link_pause(conn->g->links, conn->link);
    return conn->claim != NULL;
}

/* What was in the same packet as the handshake; the link is paused after that. */
bool ticket_holds_message(struct conn *conn, struct bytes text)
{
    if (!conn->claim)
        return conn->refused_code != 0;
    if (!conn->early) {
        conn->early = malloc(sizeof *conn->early);
        if (conn->early)
            buf_init(conn->early, conn->g->d.limits.frame_bytes);
    }
    if (conn->early) {
        buf_add(conn->early, text);
        buf_add_byte(conn->early, '\n');
    }
    if (!conn->early || conn->early->has_failed)
        conn_close(conn, CLOSE_OVERLOADED, "too_early");
    return true;
}

void ticket_forget(struct conn *conn)
{
    if (conn->claim)
        conn->claim->conn = NULL;
    conn->claim = NULL;
    free_early(conn);
}
