/* wheel.c - when each socket is to be looked at next: time-outs and heartbeats.
 *
 * The library's own timers are one sorted list with linear insertion, which costs seconds of CPU
 * for 20,000 sockets. Here each socket hangs in the slot of its due time; one tick looks
 * at one slot. What is due a round or more later is passed over until its round comes.
 */
#include "adapters/lws/server.h"

static void run_slot(struct list *slot, uint64_t now_ms)
{
    struct list todo;
    /* A list of its own: what is put into this slot on the way waits for the next round. */
    list_add_last(slot, &todo);
    list_remove(slot);

    while (!list_is_empty(&todo)) {
        struct conn *conn = LIST_ENTRY(todo.next, struct conn, in_wheel);
        list_remove(&conn->in_wheel);
        if (conn->due_ms > now_ms) {
            list_add_last(slot, &conn->in_wheel);
            continue;
        }
        conn->due_ms = UINT64_MAX;
        wheel_overdue(conn, now_ms);
    }
}

static void on_tick(struct timer *timer)
{
    struct ws_server *server = CONTAINER_OF(timer, struct ws_server, tick);
    uint64_t now_ms = server_now_ms(server);
    uint64_t first = server->wheel_ms / WHEEL_TICK_MS, last = now_ms / WHEEL_TICK_MS;
    if (last - first >= WHEEL_SLOTS)
        first = last - WHEEL_SLOTS + 1; /* the process was frozen: each slot once is enough */
    for (uint64_t slot = first; slot < last; slot++) {
        /* Set before the slot is run, so that what is overdue again goes to a later one. */
        server->wheel_ms = (slot + 1) * WHEEL_TICK_MS;
        run_slot(&server->wheel[slot % WHEEL_SLOTS], now_ms);
    }
    heap_trim_tick(server, now_ms);
}

void wheel_overdue(struct conn *conn, uint64_t now_ms)
{
    if (conn->is_dead)
        return;
    switch ((enum conn_phase)conn->phase) {
    case CONN_OPENING:
    case CONN_BODY:
    case CONN_WAITING:
    case CONN_REPLYING:
    case CONN_IDLE:
    case CONN_REFUSED:
        http_overdue(conn);
        return;
    case CONN_LINK:
        ws_link_beat(conn, now_ms);
        return;
    case CONN_UPGRADING:
    case CONN_CLOSING:
        conn->is_close_sent = false; /* it did not help */
        conn->close_code = 0;
        conn_close_later(conn, 0, (struct bytes){ 0 });
        return;
    }
}

void wheel_init(struct ws_server *server)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        list_init(&server->wheel[i]);
    server->wheel_ms = server_now_ms(server) / WHEEL_TICK_MS * WHEEL_TICK_MS;
    server->tick.run = on_tick;
    timer_start(server->timers, &server->tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
}

void wheel_stop(struct ws_server *server)
{
    timer_stop(server->timers, &server->tick);
}
