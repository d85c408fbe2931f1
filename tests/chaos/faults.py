"""faults.py - the table of faults: id → what is broken, and how it is mended again.

A fault is an async function of a Run (topology, workload, history, rng, seconds): it breaks something, sleeps
`seconds`, and mends it. `where` says in which topologies it can be injected. Ids are those of
docs/GUARANTEES.md, section "Faults".
"""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
from collections import namedtuple

import dump
from history import now
from sandbox import ip_of, sh

Fault = namedtuple("Fault", "id what where run")
TABLE = {}


def fault(id_, what, where=("single", "cluster")):
    def take(function):
        TABLE[id_] = Fault(id_, what, where, function)
        return function

    return take


@contextlib.asynccontextmanager
async def hold(run, nodes):
    """While one fault has a process stopped, no other one starts it."""
    async with contextlib.AsyncExitStack() as held:
        for node in sorted(nodes):
            await held.enter_async_context(run.workload.locks[node])
        yield [run.topology.processes[n] for n in nodes]


async def stop_and_start(run, nodes, seconds, number=signal.SIGKILL):
    async with hold(run, nodes) as processes:
        for p in processes:
            p.signal(signal.SIGCONT)
            p.signal(number)
        await asyncio.gather(*(asyncio.to_thread(p.child.wait, 30) for p in processes))
        await asyncio.sleep(seconds)
        for p in processes:
            p.start()


async def freeze(run, node, seconds):
    run.topology.processes[node].signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    run.topology.processes[node].signal(signal.SIGCONT)


async def as_operator(run, work, tries=20):
    """work(connection) on whichever server answers; a cluster that elects is asked again."""
    for n in range(tries):
        try:
            nc = await dump.operator(run.topology)
            try:
                return await work(nc)
            finally:
                await nc.close()
        except Exception:  # noqa: BLE001
            if n == tries - 1:
                raise
            await asyncio.sleep(0.3)


# ---- kills ----


@fault("K1", "kill -9 a gateway")
async def kill_gateway(run):
    await stop_and_start(run, [run.rng.choice(run.topology.gateway_nodes)], run.rng.uniform(0, run.seconds))


@fault("K2", "kill -9 persisters, again and again")
async def kill_persister(run):
    for n in range(3):
        await stop_and_start(run, [run.topology.persister_nodes[n % 2]], 0)
        await asyncio.sleep(run.seconds / 3)


@fault("K3", "kill -9 one nats-server")
async def kill_nats(run):
    await stop_and_start(run, [run.rng.choice(run.topology.nats_nodes)], run.rng.uniform(0, run.seconds))


@fault("K4", "kill -9 all nats-servers")
async def kill_all_nats(run):
    await stop_and_start(run, run.topology.nats_nodes, run.rng.uniform(0, run.seconds / 2))


@fault("K5", "kill -9 both persisters in the midst of writing (the store's writers)")
async def kill_writers(run):
    await stop_and_start(run, run.topology.persister_nodes, run.rng.uniform(0, run.seconds))


@fault("L1", "leaders of streams step down", ("cluster",))
async def step_down(run):
    for _ in range(max(1, int(run.seconds / 0.7))):
        p = run.rng.randrange(run.topology.partitions)
        await as_operator(run, lambda nc, p=p: dump.api(nc, f"STREAM.LEADER.STEPDOWN.CHAT_{p}"))
        if run.rng.random() < 0.5:
            await as_operator(run, lambda nc, p=p: dump.api(nc, f"CONSUMER.LEADER.STEPDOWN.CHAT_{p}.persister"))
        await asyncio.sleep(0.7)


# ---- network ----


@fault("N1", "one nats-server cut off from the other two; gateways reach all", ("cluster",))
async def partition(run):
    alone = run.rng.choice(run.topology.nats_nodes)
    run.topology.network.cut(alone, [n for n in run.topology.nats_nodes if n != alone])
    await asyncio.sleep(run.seconds)
    run.topology.network.heal(alone)


@fault("N2", "a gateway cut off from every nats-server, its clients still in")
async def gateway_alone(run):
    node = run.rng.choice(run.topology.gateway_nodes)
    run.topology.network.cut(node, run.topology.nats_nodes)
    await asyncio.sleep(run.seconds)
    run.topology.network.heal(node)


@fault("N3", "one direction lost, or flapping, between a gateway or persister and the nats-servers")
async def one_way(run):
    net = run.topology.network
    node = run.rng.choice(run.topology.gateway_nodes + run.topology.persister_nodes)
    hears = run.rng.random() < 0.5
    for _ in range(2):
        net.cut(node, run.topology.nats_nodes, hears=hears, reaches=not hears)
        await asyncio.sleep(run.seconds / 4)
        net.heal(node)
        await asyncio.sleep(run.seconds / 4)


@fault("N4", "2-8 % of packets lost at a node, so that TCP stalls for hundreds of ms")
async def loss(run):
    node = run.rng.choice(run.topology.nats_nodes + run.topology.gateway_nodes)
    run.topology.network.lose(node, run.rng.uniform(2, 8))
    await asyncio.sleep(run.seconds)
    run.topology.network.heal(node)


@fault("N5", "256 kbit/s from a gateway")
async def narrow(run):
    node = run.rng.choice(run.topology.gateway_nodes)
    run.topology.network.slow(node, 256)
    await asyncio.sleep(run.seconds)
    run.topology.network.heal(node)


# ---- power ----


async def power_cut(run, nodes, disks):
    """kill -9, and what wasn't synced is gone."""
    async with hold(run, nodes) as processes:
        for p in processes:
            p.signal(signal.SIGKILL)
        await asyncio.gather(*(asyncio.to_thread(p.child.wait, 30) for p in processes))
        for disk in disks:
            lost = await asyncio.to_thread(run.topology.power[disk].cut)
            run.history.note("power_cut", disk=disk, lost_bytes=lost)
        await asyncio.sleep(run.rng.uniform(0, run.seconds / 2))
        for p in processes:
            p.start()


@fault("P1", "power lost under all nats-servers", ("power",))
async def power_nats(run):
    await power_cut(run, run.topology.nats_nodes, run.topology.nats_nodes)


@fault("P2", "power lost under one nats-server while another is frozen", ("power-cluster",))
async def power_and_pause(run):
    a, b = run.rng.sample(run.topology.nats_nodes, 2)
    frozen = asyncio.create_task(freeze(run, b, run.seconds))
    await power_cut(run, [a], [a])
    await frozen


@fault("P3", "power lost under the SQLite store", ("power",))
async def power_store(run):
    await power_cut(run, run.topology.persister_nodes + run.topology.gateway_nodes, ["store"])


# ---- disks ----


async def fill_disk(run, disk, leave_kb):
    used = int(sh("df", "--output=used", "-B1024", disk).split()[1])
    sh("mount", "-o", f"remount,size={used + leave_kb}k", disk)
    await asyncio.sleep(run.seconds)
    sh("mount", "-o", "remount,size=2g", disk)


async def restart(run, node):
    """SIGTERM, and the end that a supervisor makes of who doesn't end on that."""
    async with hold(run, [node]) as (process,):
        process.signal(signal.SIGCONT)
        if not await asyncio.to_thread(process.stop_or_tell, 10):
            run.history.note("hung", t=now(), node=node, what="it did not end on SIGTERM")
        process.start()


async def restart_nats(run):
    """As docs/OPERATIONS has it for after a full disk: one by one, each well again before the next."""
    for node in run.topology.nats_nodes:
        await restart(run, node)
        await asyncio.to_thread(wait_back, run.topology, node)


@fault("D1", "disk full under a nats-server (ENOSPC), room again, restart")
async def nats_disk_full(run):
    node = run.rng.choice(run.topology.nats_nodes)
    await fill_disk(run, run.topology.disk(node), run.rng.randrange(8, 256))
    await restart(run, node)


@fault("D2", "disk full under the store (ENOSPC)")
async def store_disk_full(run):
    await fill_disk(run, run.topology.disk("store"), run.rng.randrange(4, 64))


@fault("D3", "each fsync of a nats-server takes 100 ms longer")
async def slow_fsync(run):
    pid = run.topology.processes[run.rng.choice(run.topology.nats_nodes)].pid
    strace = await asyncio.create_subprocess_exec(
        "strace",
        "-f",
        "-q",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        "inject=fsync,fdatasync:delay_enter=100000",
        "-p",
        str(pid),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await asyncio.sleep(run.seconds)
    if strace.returncode is None:
        strace.terminate()
    try:
        await asyncio.wait_for(strace.wait(), 5)
    except asyncio.TimeoutError:  # one that lost its server in a kill may wait for ever, and keeps it from its end
        strace.kill()
        await strace.wait()


# ---- slow and frozen ----


@fault("S1", "a third of the sockets are not read, then read again")
async def stalled_readers(run):
    stalled = run.rng.sample(run.workload.sessions, len(run.workload.sessions) // 3)
    for s in stalled:
        s.may_read.clear()
    await asyncio.sleep(run.seconds)
    for s in stalled:
        s.may_read.set()


@fault("S2", "persisters frozen (SIGSTOP), one after the other")
async def slow_persister(run):
    for node in run.topology.persister_nodes:
        await freeze(run, node, run.seconds / 2)


@fault("S3", "a gateway frozen (SIGSTOP)")
async def frozen_gateway(run):
    await freeze(run, run.rng.choice(run.topology.gateway_nodes), run.seconds)


@fault("S4", "a gateway frozen under a burst: nats-server drops it as a slow consumer")
async def nats_slow_consumer(run):
    node = run.rng.choice(run.topology.gateway_nodes)
    run.topology.processes[node].signal(signal.SIGSTOP)
    conv = run.rng.choice(list(run.workload.conversations))
    subject = f"live.{run.topology.partition(conv)}.s.{conv}"

    async def burst(nc):
        for _ in range(400):
            await nc.publish(subject, b'{"type":"typing.start","x":"' + b"x" * 60000 + b'"}')
        await nc.flush(20)

    try:
        await as_operator(run, burst, tries=1)
    except Exception as error:  # noqa: BLE001 - while other faults are on it may not get through
        run.history.note("not_injected", fault="S4", why=repr(error))
    await asyncio.sleep(run.seconds)
    run.topology.processes[node].signal(signal.SIGCONT)
    pages = [run.topology.get(f"http://{ip_of(n)}:8222/varz")[1] for n in run.topology.nats_nodes]
    run.history.note("slow_consumers", count=sum(json.loads(p)["slow_consumers"] for p in pages if p))


@fault("G3", "a gateway killed by the kernel for its memory (cgroup limit)")
async def out_of_memory(run):
    async with hold(run, [run.rng.choice(run.topology.gateway_nodes)]) as (process,):
        group = f"/sys/fs/cgroup/memory/parley-chaos-{process.node}-{run.seed}-{os.stat('/proc/self/ns/pid').st_ino}"
        os.makedirs(group, exist_ok=True)
        try:
            for name, value in (
                ("memory.move_charge_at_immigrate", 3),
                ("cgroup.procs", process.pid),
                ("memory.limit_in_bytes", 96 << 10),
            ):
                with contextlib.suppress(OSError), open(f"{group}/{name}", "w", encoding="ascii") as f:
                    f.write(str(value))
            await asyncio.sleep(run.seconds)
            run.history.note("oom", killed=not process.is_running)
            process.kill()
        finally:
            os.rmdir(group)
        process.start()


# ---- poison, repeats ----


async def publish_raw(run, conv, body, headers=None):
    await as_operator(
        run, lambda nc: nc.request(f"chat.{run.topology.partition(conv)}.c.{conv}", body, timeout=3, headers=headers)
    )
    run.history.note("injected", conv=conv, what=body.decode("utf-8", "replace")[:80])


@fault("X1", "garbage in the stream")
async def poison(run):
    for _ in range(3):
        await publish_raw(run, run.rng.choice(list(run.workload.conversations)), b"\x00\xff no json {")
        await asyncio.sleep(run.seconds / 3)


@fault("X2", "an event with a flipped bit, past the gateways")
async def corrupted(run):
    conv = run.rng.choice(list(run.workload.conversations))
    body = bytearray(
        json.dumps(
            {
                "type": "message.new",
                "conversationId": conv,
                "senderId": "u0",
                "clientMessageId": "bit",
                "kind": "text",
                "text": "flipped",
            }
        ).encode()
    )
    body[0] ^= 1 << run.rng.randrange(7)
    await publish_raw(run, conv, bytes(body), {"Parley-Schema": "1", "Parley-Op": "m"})
    await asyncio.sleep(run.seconds)


@fault("X3", "records delivered twice: persisters frozen past ack_wait, and killed", ("single",))
async def twice_delivered(run):
    await freeze(run, run.topology.persister_nodes[0], 2.2)
    await stop_and_start(run, run.topology.persister_nodes, 0)


def repeats(run):
    run.workload.actions.add("late")
    return asyncio.sleep(run.seconds)


@fault("X4", "old sends repeated, past the dedupe window too, on any gateway")
async def late_retries(run):
    await repeats(run)


@fault("X5", "an old id used by another sender")
async def others_id(run):
    await repeats(run)


@fault("X6", "an old id with another body")
async def other_body(run):
    await repeats(run)


# ---- parts away ----


@fault("O1", "the store away: its file is locked")
async def store_away(run):
    db = sqlite3.connect(
        f"{run.topology.disk('store')}/parley.db", isolation_level=None, timeout=5, check_same_thread=False
    )
    try:
        await asyncio.to_thread(db.execute, "BEGIN IMMEDIATE")
        await asyncio.sleep(run.seconds)
        db.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        run.history.note("not_injected", fault="O1", why=str(error))
    finally:
        db.close()


@fault("O2", "the presence bucket deleted")
async def presence_away(run):
    await as_operator(run, lambda nc: dump.api(nc, "STREAM.DELETE.KV_PRESENCE"))
    await asyncio.sleep(run.seconds)


# ---- restarts and storms ----


@fault("T1", "SIGTERM to a gateway under load: it drains, ends with 0 in time, comes back")
async def drain(run):
    async with hold(run, [run.rng.choice(run.topology.gateway_nodes)]) as (process,):
        process.signal(signal.SIGCONT)
        status = await asyncio.to_thread(process.stop, 25)
        run.history.note("drained", node=process.node, status=status)
        if not process.ended_well(status):
            run.complain("T1", f"{process.node} ended with {status} on SIGTERM")
        process.start()


@fault("T2", "rolling restart of everything, persisters first")
async def rolling(run):
    t = run.topology
    for node in t.persister_nodes + t.gateway_nodes + t.nats_nodes:
        async with hold(run, [node]) as (process,):
            process.signal(signal.SIGCONT)
            was_up = process.is_running
            status = await asyncio.to_thread(process.stop, 40)
            if was_up and node[0] != "n" and not process.ended_well(status):
                run.complain("T2", f"{node} ended with {status} on SIGTERM")
            process.start()
        await asyncio.to_thread(wait_back, t, node)


def wait_back(topology, node):
    from topology import wait_for

    wait_for(lambda: topology.nats_health(node) if node[0] == "n" else topology.readyz(node)[0] == 200, 15, 0.1)


@fault("R1", "every socket cut at once: all come back together")
async def reconnect_storm(run):
    for _ in range(2):
        for s in run.workload.sessions:
            s.cut()
        await asyncio.sleep(run.seconds / 2)


@fault("R2", "everybody writes into one conversation, four times as fast")
async def hot_room(run):
    run.workload.hot, run.workload.burst = (
        max(run.workload.conversations, key=lambda c: len(run.workload.conversations[c])),
        4,
    )
    await asyncio.sleep(run.seconds)
    run.workload.hot, run.workload.burst = None, 1


# ---- limits and settings ----


async def change_stream(run, name, **changes):
    async def work(nc):
        config = (await dump.api(nc, f"STREAM.INFO.{name}"))["config"]
        old = {k: config[k] for k in changes}
        answer = await dump.api(nc, f"STREAM.UPDATE.{name}", {**config, **changes})
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return old

    return await as_operator(run, work)


@fault("F1", "a stream full: no room for another byte")
async def stream_full(run):
    p = run.topology.partition(run.rng.choice(list(run.workload.conversations)))
    state = (await as_operator(run, lambda nc: dump.api(nc, f"STREAM.INFO.CHAT_{p}")))["state"]
    old = await change_stream(run, f"CHAT_{p}", max_bytes=state["bytes"] + 2000)
    await asyncio.sleep(run.seconds)
    await change_stream(run, f"CHAT_{p}", **old)


@fault("F2", "a nats-server takes two connections only")
async def connections_full(run):
    node = run.rng.choice(run.topology.nats_nodes)
    process = run.topology.processes[node]
    run.topology.nats_conf(node, "\nmax_connections: 2\n")
    process.signal(signal.SIGHUP)
    await asyncio.sleep(run.seconds)
    run.topology.nats_conf(node)
    process.signal(signal.SIGHUP)


@fault("G1", "a gateway restarted with a mistake in its settings refuses to start, and says which")
async def wrong_setting(run):
    async with hold(run, [run.rng.choice(run.topology.gateway_nodes)]) as (process,):
        await asyncio.to_thread(process.stop, 25)
        process.start(["--gateway.inflight=many"])
        status = await asyncio.to_thread(process.child.wait, 10)
        with open(process.log, encoding="utf-8", errors="replace") as f:
            said = "gateway.inflight" in f.read()
        if status == 0 or not said:
            run.complain("G1", f"started with a wrong setting, or didn't name it: {status}")
        process.start()


@fault("G2", "a stream weaker than its file: gateways that look are not ready, none loses anything")
async def weaker_stream(run):
    p = run.rng.randrange(run.topology.partitions)
    old = await change_stream(run, f"CHAT_{p}", max_age=3600 * 10**9)
    node = run.rng.choice(run.topology.gateway_nodes)
    await stop_and_start(run, [node], 0)
    await asyncio.sleep(run.seconds)
    if run.topology.readyz(node)[0] == 200:
        run.complain("G2", f"{node} is ready though CHAT_{p} is weaker than its file")
    await change_stream(run, f"CHAT_{p}", **old)
