/* SPDX-License-Identifier: MIT */
/*
 * The load: clients that follow MOVED, send small pipelines, and write down what they asked and what they were told.
 *
 * Every write can be told from every other: the value of a SET and what an APPEND adds hold the operation's number, no
 * two increments are the same (but for those by one), and a DEL names a key beside that holds it. An ECHO among the commands of a pipeline shows that replies come in their order.
 *
 *      reply                                outcome of a write
 *      a value                              OP_DONE: it took effect between its call and its reply
 *      -MOVED -CLUSTERDOWN -LOADING ...     OP_NEVER: it must not have taken effect, ever
 *      -INDOUBT, the connection fell        OP_MAYBE: at any time after its call, or never
 *
 * Some keys are pairs of numbers, changed by transactions and scripts that take from one and give to the other; some are lists, from
 * which elements are taken, also by those that wait for one. Where maxmemory is small, clients also watch a key, read it, and change it if it is
 * as it was; and large values with deadlines, of which nobody keeps a history, see to it that keys are evicted: those, and what a SET PX
 * has put there, for which being evicted is one more way to be gone.
 *
 * A key takes OPS_PER_KEY operations, then another takes its place: judging a history takes time that grows fast with its
 * length. At the end each key is read once more.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/node_state.h"
#include "load.h"

enum {
    SLOTS = 8,
    OPS_PER_KEY = 56, /* less than 64, with those under way and the last read */
    OUTLIVE_US = 4000000,
    PAUSE_US = 20000,
    PIECES_US = 2000,
    WANDERS_PERCENT = 3,
    BALLASTS = 100,
    BALLAST_BYTES_MAX = 3000,
    BALLAST_MS = 60000,
    BALLAST_PERCENT = 40,
    SWAP_PERCENT = 20,
};

static struct {
    enum { KEY_STRING, KEY_NUMBER, KEY_PAIR, KEY_LIST } type;
    unsigned generation, used;
} slots[SLOTS];

struct op *ops;
size_t op_count;
static size_t op_capacity;
static struct load_client clients[SIM_CLIENTS_MAX];
static uint64_t think_us, px_percent, writes;
static uint64_t quiet_until;
static bool finishing, reading_last;
static uint64_t finish_event;
static int last_slot; /* the last reads: what is read next */
static unsigned last_generation;

/* ---- operations ---------------------------------------------------------------------------------------------------- */

static size_t op_new(int slot, unsigned generation, enum op_kind kind) {
    if (op_count == op_capacity) {
        op_capacity = op_capacity ? 2 * op_capacity : 1024;
        ops = realloc(ops, op_capacity * sizeof *ops);
        if (!ops)
            abort();
    }
    ops[op_count] = (struct op){
        .kind = kind,
        .slot = slot,
        .generation = generation,
        .amount = kind == OP_INCR && sim_chance(20) ? 1 : (int64_t)op_count + 2,
        .invoked = ++sim->event,
        .ended = UINT64_MAX,
        .ended_at = UINT64_MAX,
    };
    return op_count++;
}

/* The log's commands hold its token, and if they do it took effect. */
bool load_is_marked(const struct op *op) {
    return !op_reads(op) && op->kind != OP_POP && op->kind != OP_SWAP &&
           (op->kind != OP_INCR || op->amount != 1);
}

static bool reads_only(const struct load_client *client) {
    return client->only_reads_until > sim->now;
}

static bool may_write(const struct load_client *client) {
    return !reads_only(client) && quiet_until <= sim->now && client->reads_percent < 100;
}

static enum op_kind read_of(int slot) {
    return slots[slot].type == KEY_PAIR ? OP_GET_PAIR : slots[slot].type == KEY_LIST ? OP_GET_LIST : OP_GET;
}

static enum op_kind write_to(int slot) {
    if (slots[slot].type == KEY_PAIR)
        return OP_TRANSFER;
    if (sim_chance(12))
        return OP_DEL;
    if (slots[slot].type == KEY_LIST)
        return sim_chance(50) ? OP_PUSH : OP_POP;
    return slots[slot].type == KEY_NUMBER ? OP_INCR
           : sim_below(100) < px_percent  ? OP_SET_PX
           : sim_chance(40)               ? OP_SET
                                          : OP_APPEND;
}

/* For so many operations more. */
static void use_slot(int slot, unsigned count) {
    slots[slot].used += count;
    if (slots[slot].used > OPS_PER_KEY) {
        slots[slot].generation++;
        slots[slot].used = count;
    }
}

static size_t some_op(const struct load_client *client) {
    int slot = (int)sim_below(SLOTS);
    bool reads = reads_only(client) || quiet_until > sim->now || sim_below(100) < client->reads_percent;
    enum op_kind kind = reads ? read_of(slot) : write_to(slot);
    use_slot(slot, 1);
    return op_new(slot, slots[slot].generation, kind);
}

/* ---- outcomes ------------------------------------------------------------------------------------------------------- */

static void op_ends(struct op *op, enum op_outcome outcome) {
    op->outcome = outcome;
    op->ended = outcome == OP_DONE ? ++sim->event : UINT64_MAX;
    op->ended_at = sim->now;
    if (op_reads(op))
        sim_cover(COVER_READS, outcome == OP_DONE);
    else
        sim_cover(outcome == OP_DONE    ? COVER_WRITES
                  : outcome == OP_NEVER ? COVER_DEFINITE
                                        : COVER_AMBIGUOUS,
                  1);
    writes += !op_reads(op) && outcome == OP_DONE;
}

/* A key that was set to expire, and nothing came after, is gone long after its deadline. */
static void check_outlived(const struct op *op) {
    unsigned long number;
    if (op->invoked <= finish_event || !op->text || sscanf(op->text, "t%lu,", &number) != 1 ||
        number >= op_count)
        return;
    const struct op *set = &ops[number];
    if (set->kind == OP_SET_PX && set->outcome == OP_DONE && set->ended_at + OUTLIVE_US < sim->now &&
        !faults_move_clocks())
        sim_fail("k%d.%u outlived its deadline by far: \"%s\"", op->slot, op->generation, op->text);
}

static const struct {
    int type, other; /* of its reply */
} fitting[] = {
    [OP_SET] = {REDIS_REPLY_STATUS, REDIS_REPLY_STATUS},
    [OP_SET_PX] = {REDIS_REPLY_STATUS, REDIS_REPLY_STATUS},
    [OP_GET] = {REDIS_REPLY_STRING, REDIS_REPLY_NIL},
    [OP_GET_LIST] = {REDIS_REPLY_ARRAY, REDIS_REPLY_ARRAY},
    [OP_GET_PAIR] = {REDIS_REPLY_ARRAY, REDIS_REPLY_ARRAY},
    [OP_APPEND] = {REDIS_REPLY_INTEGER, REDIS_REPLY_INTEGER},
    [OP_DEL] = {REDIS_REPLY_INTEGER, REDIS_REPLY_INTEGER},
    [OP_INCR] = {REDIS_REPLY_INTEGER, REDIS_REPLY_INTEGER},
    [OP_TRANSFER] = {REDIS_REPLY_ARRAY, REDIS_REPLY_ARRAY},
    [OP_PUSH] = {REDIS_REPLY_INTEGER, REDIS_REPLY_INTEGER},
    [OP_POP] = {REDIS_REPLY_ARRAY, REDIS_REPLY_STRING}, /* or nothing */
    [OP_SWAP] = {REDIS_REPLY_ARRAY, REDIS_REPLY_NIL},
};

/* What a reply holds, as one text: a list's elements in a row, a pair's numbers with a space between. */
static void write_text(FILE *out, enum op_kind kind, const redisReply *reply) {
    bool pair = kind == OP_GET_PAIR || kind == OP_TRANSFER;
    if (reply->type == REDIS_REPLY_STRING)
        fwrite(reply->str, 1, reply->len, out);
    for (size_t i = kind == OP_POP; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *element = reply->element[i];
        if (i > 0 && pair && element->type != REDIS_REPLY_NIL)
            fputc(' ', out);
        if (element->type == REDIS_REPLY_INTEGER)
            fprintf(out, "%lld", element->integer);
        else if (element->type == REDIS_REPLY_STRING)
            fwrite(element->str, 1, element->len, out);
    }
}

static void op_value(struct op *op, const redisReply *reply) {
    bool fits = reply->type == fitting[op->kind].type || reply->type == fitting[op->kind].other ||
                (op->kind == OP_POP && reply->type == REDIS_REPLY_NIL);
    if (!fits)
        sim_fail("operation %zu got the reply of another: type %d %s", (size_t)(op - ops), reply->type,
                 reply->str ? reply->str : "");
    op->number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    op->null = reply->type == REDIS_REPLY_NIL;
    if (op->kind == OP_SWAP)
        sim_cover(op->null ? COVER_SWAPS_ABORTED : COVER_SWAPS, 1);
    else if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_ARRAY) {
        FILE *out = open_memstream(&op->text, &op->length);
        if (!out)
            abort();
        write_text(out, op->kind, reply);
        fclose(out);
        op->null = op->length == 0;
    }
    op_ends(op, OP_DONE);
    check_outlived(op);
}

static bool begins(const redisReply *reply, const char *word) {
    return strncmp(reply->str, word, strlen(word)) == 0;
}

/* It is a proxy that is asked, which asks the leader for more than others refuse. */
static bool by_proxy(const struct load_client *client) {
    return sim->nodes[flow_to(client->stream)].conf.follower_mode == CONF_PROXY;
}

/* Certainly not done: elsewhere it may be. */
static void turned_away(struct load_client *client, const redisReply *reply) {
    unsigned port;
    const char *colon = strrchr(reply->str, ':');
    if (begins(reply, "MISCONF ") && sim->disk_reserve > 0) {
        sim_cover(COVER_DISK_LOW, 1);
        return;
    }
    /* Who ends as a proxy says the latter of a MULTI and what was queued, too. */
    if ((begins(reply, "OOM ") && sim->maxmemory > 0) || (begins(reply, "INDOUBT ") && by_proxy(client)))
        return;
    if (!begins(reply, "MOVED ") && !begins(reply, "CLUSTERDOWN ") && !begins(reply, "LOADING "))
        sim_fail("client %d got -%s", client->host + 1, reply->str);
    client->moved = true;
    if (sim->calm) /* in turn: of many that are not taken in, one may be the whole cluster, and there is only so much time to find it */
        client->target = (client->target + 1) % (int)sim->node_count;
    else
        client->target = (int)sim_below(sim->node_count);
    if (begins(reply, "MOVED ") && colon && sscanf(colon + 1, "%u", &port) == 1)
        client->target = world_host(port);
}

static void op_error(struct load_client *client, struct op *op, const redisReply *reply) {
    if (begins(reply, "INDOUBT ")) {
        sim_cover(COVER_INDOUBT, 1);
        if (op_reads(op))
            sim_fail("a read is answered with -INDOUBT");
        op_ends(op, OP_MAYBE);
        return;
    }
    if ((op->kind != OP_TRANSFER && op->kind != OP_SWAP) || !begins(reply, "EXECABORT "))
        turned_away(client, reply); /* else one of its commands was */
    op_ends(op, OP_NEVER);
}

static void take_reply(struct load_client *client, const redisReply *reply) {
    if (client->answered == client->owed)
        sim_fail("client %d got a reply too many", client->host + 1);
    struct wanted wanted = client->wanted[client->answered++];
    char text[32];
    if (wanted.what == WANT_OK) {
        if (reply->type == REDIS_REPLY_ERROR && by_proxy(client))
            turned_away(client, reply);
        else if (reply->type != REDIS_REPLY_STATUS)
            sim_fail("client %d: its greeting is answered with %s", client->host + 1, reply->str);
        return;
    }
    if (wanted.what == WANT_BALLAST) {
        if (reply->type == REDIS_REPLY_ERROR && !begins(reply, "INDOUBT "))
            turned_away(client, reply);
        return;
    }
    if (wanted.what == WANT_WATCH) {
        client->watches = reply->type == REDIS_REPLY_STATUS;
        if (!client->watches)
            turned_away(client, reply);
        return;
    }
    if (wanted.what == WANT_QUEUED) {
        if (reply->type == REDIS_REPLY_ERROR)
            turned_away(client, reply);
        else if (reply->type != REDIS_REPLY_STATUS || strcmp(reply->str, "QUEUED") != 0)
            sim_fail("client %d: a command is not queued", client->host + 1);
        return;
    }
    if (wanted.what == WANT_ECHO) {
        snprintf(text, sizeof text, "e%zu", wanted.number);
        if (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, text) != 0)
            sim_fail("client %d: replies are out of order: %s instead of %s", client->host + 1,
                     reply->str ? reply->str : "?", text);
        return;
    }
    struct op *op = &ops[wanted.number];
    sim_trace("client %d: op %zu answered: %s %lld", client->host + 1, wanted.number,
              reply->str ? reply->str : "", reply->integer);
    if (reply->type == REDIS_REPLY_ERROR)
        op_error(client, op, reply);
    else
        op_value(op, reply);
    const struct node *node = sim->nodes[client->target].node;
    sim_cover(COVER_PROXIED, !op_reads(op) && op->outcome == OP_DONE && node &&
                                 node->raft_status.role != RAFT_LEADER && by_proxy(client));
    sim_cover(COVER_FOLLOWER_READS, client->reads_there && reply->type != REDIS_REPLY_ERROR && node &&
                                        node->raft_status.role != RAFT_LEADER);
}

/* ---- a client ------------------------------------------------------------------------------------------------------- */

static void disconnect(struct load_client *client) {
    if (!client->stream)
        return;
    for (; client->answered < client->owed; client->answered++) {
        struct wanted wanted = client->wanted[client->answered];
        if (wanted.what == WANT_OP)
            op_ends(&ops[wanted.number], op_reads(&ops[wanted.number]) ? OP_NEVER : OP_MAYBE);
    }
    flow_close(client->stream);
    redisReaderFree(client->reader);
    resp_buf_close(&client->unsent);
    client->stream = NULL;
    client->reader = NULL;
}

static void connect_to(struct load_client *client, int target) {
    disconnect(client);
    client->target = target;
    client->stream = flow_open(client->host, target);
    client->reader = redisReaderCreate();
    client->owed = client->answered = 0;
    client->greets = true;
    client->watches = false;
}

static void receive(struct load_client *client) {
    struct resp_buf *in = flow_in(client->stream);
    if (resp_buf_length(in) > 0)
        redisReaderFeed(client->reader, resp_buf_bytes(in), resp_buf_length(in));
    resp_buf_consume(in, resp_buf_length(in), 0);
    for (void *reply; redisReaderGetReply(client->reader, &reply) == REDIS_OK && reply;) {
        take_reply(client, reply);
        freeReplyObject(reply);
    }
    if (client->reader->err)
        sim_fail("client %d got garbage: %s", client->host + 1, client->reader->errstr);
}

static void want_echo(struct load_client *client, struct resp_buf *out) {
    char text[32];
    size_t number = (size_t)sim_below(1000000);
    snprintf(text, sizeof text, "e%zu", number);
    load_request(out, 2, (const char *[]){"ECHO", text});
    client->wanted[client->owed++] = (struct wanted){.what = WANT_ECHO, .number = number};
}

static void want(struct load_client *client, struct resp_buf *out, size_t number) {
    load_write_op(client, out, number);
    client->wanted[client->owed++] = (struct wanted){.number = number};
    sim_trace("client %d: op %zu %s k%d.%u to node %d", client->host + 1, number, op_names[ops[number].kind],
              ops[number].slot, ops[number].generation, client->target + 1);
}

static void greet(struct load_client *client, struct resp_buf *out) {
    if (client->reads_there) {
        load_request(out, 1, (const char *[]){"READONLY"});
        client->wanted[client->owed++] = (struct wanted){.what = WANT_OK};
    }
    if (client->reads_there || client->on_lease) {
        load_request(out, 2,
                     (const char *[]){"RAFT.CONSISTENCY", client->on_lease ? "lease" : "linearizable"});
        client->wanted[client->owed++] = (struct wanted){.what = WANT_OK};
    }
    client->greets = false;
}

static void want_ballast(struct load_client *client, struct resp_buf *out) {
    char key[16], value[BALLAST_BYTES_MAX + 1], px[16];
    snprintf(key, sizeof key, "x%u", (unsigned)sim_below(BALLASTS));
    snprintf(px, sizeof px, "%d", BALLAST_MS);
    memset(value, 'x', sizeof value);
    value[sim_between(BALLAST_BYTES_MAX / 4, BALLAST_BYTES_MAX)] = 0;
    load_request(out, 5, (const char *[]){"SET", key, value, "PX", px});
    client->wanted[client->owed++] = (struct wanted){.what = WANT_BALLAST};
}

/* WATCH and a read; when both are answered, the transaction. */
static void want_watch(struct load_client *client, struct resp_buf *out) {
    int slot = (int)sim_below(SLOTS);
    char key[32];
    while (slots[slot].type != KEY_STRING)
        slot = (slot + 1) % SLOTS;
    use_slot(slot, 2);
    client->seen = op_new(slot, slots[slot].generation, OP_GET);
    snprintf(key, sizeof key, "k%d.%u", slot, slots[slot].generation);
    load_request(out, 2, (const char *[]){"WATCH", key});
    client->wanted[client->owed++] = (struct wanted){.what = WANT_WATCH};
    want(client, out, client->seen);
}

static void want_swap(struct load_client *client, struct resp_buf *out) {
    size_t number = op_new(ops[client->seen].slot, ops[client->seen].generation, OP_SWAP);
    client->watches = false;
    ops[number].seen = client->seen;
    want(client, out, number);
}

/* The next of the last reads: again until it is answered. */
static void want_last(struct load_client *client, struct resp_buf *out) {
    size_t number = op_new(last_slot, last_generation, read_of(last_slot));
    want(client, out, number);
}

static void last_is_read(void) {
    if (last_slot == SLOTS || op_count == 0 || ops[op_count - 1].outcome != OP_DONE)
        return;
    if (++last_generation > slots[last_slot].generation) {
        last_slot++;
        last_generation = 0;
    }
}

static void send_piece(struct load_client *client) {
    size_t length = resp_buf_length(&client->unsent);
    size_t piece = sim_chance(70) ? length : (size_t)sim_between(1, length);
    flow_send(client->stream, resp_buf_bytes(&client->unsent), piece);
    resp_buf_consume(&client->unsent, piece, 0);
    client->sends_at = sim->now + sim_below(sim_chance(70) ? PIECES_US : 10 * PIECES_US);
}

static void want_some(struct load_client *client, struct resp_buf *out) {
    size_t count = sim_chance(50) ? 1 : 1 + (size_t)sim_below(PIPELINE_MAX);
    if (client->watches) {
        load_request(out, 1, (const char *[]){"UNWATCH"});
        client->wanted[client->owed++] = (struct wanted){.what = WANT_OK};
        client->watches = false;
    }
    for (size_t i = 0; i < count; i++) {
        want(client, out, some_op(client));
        if (count > 1 && sim_chance(30))
            want_echo(client, out);
        if (sim->maxmemory > 0 && may_write(client) && sim_chance(BALLAST_PERCENT))
            want_ballast(client, out);
    }
}

static void send_some(struct load_client *client) {
    struct resp_buf *out = &client->unsent;
    client->owed = client->answered = 0;
    if (client->greets)
        greet(client, out);
    if (finishing) {
        reading_last = true;
        want_last(client, out);
    } else if (sim->maxmemory > 0 && client->watches && may_write(client)) {
        want_swap(client, out);
    } else if (sim->maxmemory > 0 && !client->watches && may_write(client) && sim_chance(SWAP_PERCENT)) {
        want_watch(client, out);
    } else {
        want_some(client, out);
    }
    send_piece(client);
    client->give_up_at = sim->now + client->patience_us;
}

static void client_work(struct load_client *client) {
    if (client->stream) {
        receive(client);
        if (flow_gone(client->stream) ||
            (client->owed > client->answered && client->give_up_at <= sim->now)) {
            disconnect(client);
            client->target = (int)sim_below(sim->node_count);
            client->wakes_at = sim->now + sim_below(PAUSE_US);
        }
    }
    if (client->stream && resp_buf_length(&client->unsent) > 0 && client->sends_at <= sim->now)
        send_piece(client);
    if (client->stream && client->answered < client->owed)
        return;
    if (client->stream && client->answered > 0) { /* all is answered */
        if (reading_last && client == clients)
            last_is_read();
        client->owed = client->answered = 0;
        client->wakes_at = sim->now + sim_below(reads_only(client) ? PAUSE_US / 4 : think_us);
    }
    if (client->wakes_at > sim->now || (finishing && client != clients) || (finishing && last_slot == SLOTS))
        return;
    if (sim_chance(WANDERS_PERCENT) && !finishing && !reads_only(client)) {
        client->target = (int)sim_below(sim->node_count);
        client->moved = true;
    }
    if (!client->stream || client->moved)
        connect_to(client, client->target);
    client->moved = false;
    send_some(client);
}

/* ---- all of them ----------------------------------------------------------------------------------------------------- */

void load_open(void) {
    op_count = 0;
    writes = quiet_until = 0;
    finishing = reading_last = false;
    finish_event = UINT64_MAX;
    last_slot = 0;
    last_generation = 0;
    think_us = (uint64_t)500 << sim_below(9);
    load_px_ms_max = sim_between(50, 1500);
    px_percent = sim_between(5, 60);
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i].type = i == 6 ? KEY_PAIR : i == 7 ? KEY_LIST : i % 3 == 2 ? KEY_NUMBER : KEY_STRING;
        slots[i].generation = slots[i].used = 0;
    }
    for (size_t i = 0; i < sim->client_count; i++)
        clients[i] =
            (struct load_client){.host = SIM_NODES_MAX + (int)i,
                                 .target = (int)sim_below(sim->node_count),
                                 .patience_us = sim_between(100000, sim_chance(50) ? 800000 : 8000000),
                                 .reads_percent = i > 0 && sim_chance(25) ? 100 : sim_between(10, 70),
                                 .reads_there = i > 0 && sim_chance(30),
                                 .on_lease = sim_chance(30),
                                 .wakes_at = 1 + sim_below(500000)};
}

uint64_t load_next(void) {
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < sim->client_count; i++) {
        const struct load_client *client = &clients[i];
        bool waits = client->stream && client->answered < client->owed;
        bool rests = finishing && (i > 0 || last_slot == SLOTS);
        uint64_t at = waits ? client->give_up_at : rests ? UINT64_MAX : client->wakes_at;
        if (waits && resp_buf_length(&client->unsent) > 0 && client->sends_at < at)
            at = client->sends_at;
        if (at < next)
            next = at;
    }
    return next;
}

void load_work(void) {
    for (size_t i = 0; i < sim->client_count; i++)
        client_work(&clients[i]);
}

void load_quiet(uint64_t until) {
    quiet_until = until;
}

/* Writers that wait for something, wait. */
void load_divide(int reader_host, int writer_host, uint64_t until) {
    for (size_t i = 0; i < sim->client_count; i++) {
        struct load_client *client = &clients[i];
        bool reads = i % 2 == 1;
        if (reads)
            disconnect(client);
        else if (client->stream && client->answered < client->owed)
            continue;
        client->only_reads_until = reads ? until : 0;
        client->target = reads ? reader_host : writer_host;
        client->moved = !client->stream || client->target != flow_to(client->stream);
        client->wakes_at = sim->now + sim_below(PAUSE_US);
    }
}

void load_finish(void) {
    finishing = true;
    finish_event = sim->event;
    if (clients[0].wakes_at < sim->now + OUTLIVE_US + 100000)
        clients[0].wakes_at = sim->now + OUTLIVE_US + 100000; /* what is to expire has expired */
}

bool load_finished(void) {
    for (size_t i = 0; i < sim->client_count; i++)
        if (clients[i].stream && clients[i].answered < clients[i].owed)
            return false;
    return last_slot == SLOTS;
}

uint64_t load_writes(void) {
    return writes;
}

/* Of a write of unknown outcome the committed log knows whether it took effect; and it did before anybody applied it, for no read that
 * begins later may miss what is committed. */
static void resolve(struct op *op) {
    if (op->outcome != OP_MAYBE || !load_is_marked(op))
        return;
    op->outcome = op->applied ? OP_SILENT : OP_NEVER;
    op->ended = op->applied ? op->applied_event : UINT64_MAX;
}

void load_judge(void) {
    struct checker_report report;
    char line[CHECKER_LINE_MAX];
    for (size_t i = 0; i < op_count; i++)
        resolve(&ops[i]);
    checker_run(ops, op_count, &report);
    sim_cover(COVER_HISTORIES, report.histories);
    sim_cover(COVER_UNDECIDED, report.undecided);
    if (report.count == 0)
        return;
    for (size_t i = 0; i < report.count; i++) {
        checker_tell(report.history[i], (size_t)(report.history[i] - ops), line);
        sim_trace("  %s", line);
    }
    sim_fail("k%d.%u: what its clients saw has no order (%zu operations)", report.history[0]->slot,
             report.history[0]->generation, report.count);
}

void load_close(void) {
    for (size_t i = 0; i < sim->client_count; i++)
        disconnect(&clients[i]);
    for (size_t i = 0; i < op_count; i++)
        free(ops[i].text);
    free(ops);
    ops = NULL;
    op_count = op_capacity = 0;
}
