/* SPDX-License-Identifier: MIT */
/*
 * maxmemory. What counts is what all replicas hold alike: keys, values and their indexes. Buffers of connections, the log's end in
 * memory, what is kept for a checkpoint are bounded elsewhere and do not count.
 *
 * The leader alone decides, and it decides before it proposes; the log says which keys went:
 *
 *      entry     SET a .. | RAFT.EVICT x 17 | RAFT.EVICT y 4 | SET b ..       victims stand before the write they make room for
 *      applied   on every node: x goes if it is still the x of entry 17; if it was written to since, it stays
 *
 * So a replica needs no clock, no sample and no limit of its own to hold the same keys. Since several entries are on their way at
 * a time, the leader counts with what they will have done:
 *
 *      lasting memory + growth on its way + this write's growth - what victims on their way free  <=  maxmemory
 *
 *      else                   more victims are chosen, and the write follows them in the same entry
 *      not enough victims     the write waits in its connection's input until those on their way are gone
 *      no victims at all      -OOM, when memory is over the limit now: under noeviction, or when no key may be evicted
 *
 * A write's growth is an estimate from above (a SET may be of a key that is there): what is freed too much by it
 * is room for the writes behind it, so that it adds up to one window of growth at most, however long that goes on. It may also be too
 * low (of a script, say; growth.c): then memory is over the limit when that write is applied, as in Redis, and no other of its kind goes
 * on before room was made. A window bounds the growth that is on its way near the limit to a sixteenth of it.
 *
 * What a victim frees is an estimate, too: its own bytes, and its part of the indexes, which give their memory back not key by key but
 * in waves: segments of the hash index are about equally full and become thin at the same time.
 *
 * How keys are used is known to each node by itself (src/data/use.c): a new leader has seen the writes, and the reads that were
 * sent to it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "eviction.h"
#include "node_state.h"
#include "victims.h"

enum {
    VICTIMS_PER_TURN = 256, /* what choosing them takes is about as long as a turn may be */
    UNDER_WAY_MAX = 4096,
    NAMES_PER_TURN = 256 * 1024, /* bytes of victims' keys */
    WINDOW_MIN = 64 * 1024,
    WINDOW_MAX = 32 * 1024 * 1024,
};

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static bool by_frequency(const struct conf *conf) {
    return conf->maxmemory_policy == CONF_ALLKEYS_LFU || conf->maxmemory_policy == CONF_VOLATILE_LFU;
}

struct keyspace_use eviction_use(const struct node *node) {
    return (struct keyspace_use){
        .frequency = by_frequency(node->conf),
        .log_factor = node->conf->lfu_log_factor,
        .decay_minutes = node->conf->lfu_decay_minutes,
        .now_s = node->now.mono_us / 1000000,
    };
}

/* ---- how much there is, and will be --- */

static void count_lane(struct eviction *eviction, const struct lane *lane, uint64_t *first) {
    eviction->growth += lane->growth;
    eviction->freed += lane->freed;
    eviction->under_way += lane->victims;
    if (lane->first_eviction != 0 && (*first == 0 || lane->first_eviction < *first))
        *first = lane->first_eviction;
}

/* Once a turn: between applying and applying nothing of this changes by itself. */
static struct eviction *look(struct node *node) {
    struct eviction *eviction = &node->eviction;
    if (eviction->looked)
        return eviction;
    uint64_t first = 0;
    eviction->looked = true;
    eviction->used = keyspace_memory_lasting(node->keyspace);
    eviction->growth = eviction->freed = eviction->under_way = 0;
    for (const struct lane *lane = node->writes.first; lane; lane = lane->next)
        count_lane(eviction, lane, &first);
    if (node->writing)
        count_lane(eviction, node->writing, &first);
    if (!eviction->victims)
        eviction->victims = victims_new(node->seed++);
    victims_settle(eviction->victims, first ? first : eviction->last_number + 1);
    return eviction;
}

/* What is missing for so much more; 0: nothing. */
static size_t missing(const struct node *node, size_t more) {
    const struct eviction *eviction = &node->eviction;
    size_t wanted = eviction->used + eviction->growth + more, there = node->conf->maxmemory + eviction->freed;
    return wanted > there ? wanted - there : 0;
}

static size_t window(const struct node *node) {
    size_t share = node->conf->maxmemory / 16;
    return share < WINDOW_MIN ? WINDOW_MIN : smaller(share, WINDOW_MAX);
}

/* ---- victims --- */

static void put_victim(struct node *node, const struct victim *victim) {
    struct eviction *eviction = &node->eviction;
    struct resp_arg key = item_key(victim->item);
    struct resp_buf *raw = &eviction->raw;
    resp_buf_truncate(raw, 0);
    resp_request(raw, 3);
    resp_request_text(raw, "RAFT.EVICT");
    resp_request_bulk(raw, key.bytes, key.length);
    resp_request_unsigned(raw, item_version(victim->item));
    struct lane *lane = serve_writing(node);
    entry_add(
        &node->batch, victim->db,
        &(struct resp_command){.count = 3, .raw = resp_buf_bytes(raw), .raw_length = resp_buf_length(raw)});
    size_t bytes = item_memory(victim->item) + item_index_share(victim->item);
    lane->freed += bytes;
    lane->victims++;
    if (lane->first_eviction == 0)
        lane->first_eviction = victim->number;
    eviction->freed += bytes;
    eviction->under_way++;
    eviction->last_number = victim->number;
    eviction->turn_victims++;
    eviction->turn_names += key.length;
}

/* Chooses victims until there is room for so much more; false when there is not. */
static bool make_room(struct node *node, size_t more) {
    struct eviction *eviction = &node->eviction;
    const struct conf *conf = node->conf;
    while (missing(node, more) > 0) {
        struct victim victim;
        if (eviction->under_way >= UNDER_WAY_MAX)
            return false;
        if (eviction->turn_victims >= VICTIMS_PER_TURN || eviction->turn_names >= NAMES_PER_TURN) {
            eviction->again = true;
            return false;
        }
        if (!victims_choose(eviction->victims, node->keyspace, conf->maxmemory_policy,
                            conf->maxmemory_samples, &victim)) {
            eviction->barren = victims_eligible(node->keyspace, conf->maxmemory_policy) == 0;
            eviction->again = !eviction->barren && eviction->under_way == 0;
            return false;
        }
        put_victim(node, &victim);
    }
    return true;
}

/* ---- a write that wants in --- */

bool eviction_full(struct node *node) {
    const struct conf *conf = node->conf;
    if (conf->maxmemory == 0)
        return false;
    const struct eviction *eviction = look(node);
    return eviction->used > conf->maxmemory &&
           (conf->maxmemory_policy == CONF_NOEVICTION || eviction->barren);
}

bool eviction_admit(struct node *node, size_t growth) {
    if (growth == 0 || node->conf->maxmemory == 0)
        return true;
    struct eviction *eviction = look(node);
    size_t largest = window(node);
    growth = smaller(growth, largest);
    if (missing(node, growth) > 0) {
        if (eviction->growth > 0 && eviction->growth + growth > largest)
            return false;
        bool evicts = node->conf->maxmemory_policy != CONF_NOEVICTION;
        if (evicts && !make_room(node, growth) && !eviction->barren)
            return false;
    }
    eviction->growth += growth;
    return true;
}

/* ---- the turn --- */

static void watch_time(struct node *node, bool over) {
    struct eviction *eviction = &node->eviction;
    if (over && eviction->over_since_ms == 0)
        eviction->over_since_ms = node->now_ms;
    if (over || eviction->over_since_ms == 0)
        return;
    eviction->over_ms += node->now_ms - eviction->over_since_ms;
    eviction->over_since_ms = 0;
}

bool eviction_turn(struct node *node) {
    struct eviction *eviction = &node->eviction;
    eviction->looked = eviction->barren = eviction->again = false;
    eviction->turn_victims = eviction->turn_names = 0;
    bool mine = node->conf->maxmemory != 0 && node->raft_status.serving && !node->audit.differs;
    watch_time(node, mine && look(node)->used > node->conf->maxmemory);
    if (mine && node->conf->maxmemory_policy != CONF_NOEVICTION && !handover_holds(node))
        (void)make_room(node, 0);
    return eviction->again;
}

/* ---- applying --- */

bool eviction_is(const struct resp_command *command) {
    return command->count == 3 && resp_arg_is(&command->args[0], "RAFT.EVICT");
}

void eviction_apply(struct node *node, unsigned db, const struct resp_command *command) {
    int64_t version;
    bool understood = resp_arg_integer(&command->args[2], &version);
    assert(understood);
    const struct item *item = keyspace_find(node->keyspace, db, &command->args[EVICTION_KEY]);
    if (!understood || !item || item_version(item) != (uint64_t)version)
        return;
    keyspace_evict(node->keyspace, db, &command->args[EVICTION_KEY]);
    node->statistics.evicted_keys++;
}

void eviction_report(const struct node *node, struct report *report) {
    const struct eviction *eviction = &node->eviction;
    report->evicted_keys = node->statistics.evicted_keys;
    report->over_memory_ms = eviction->over_since_ms ? node->now_ms - eviction->over_since_ms : 0;
    report->over_memory_total_ms = eviction->over_ms + report->over_memory_ms;
    report->memory_lasting = keyspace_memory_lasting(node->keyspace);
}

void eviction_close(struct node *node) {
    victims_free(node->eviction.victims);
    resp_buf_close(&node->eviction.raw);
}
