/* SPDX-License-Identifier: MIT */
/*
 * Who waits for which index.
 *
 * Requests that cannot be answered at once wait in lanes. There are two kinds, and at any moment at most one of each is being filled, by
 * the turn of the loop that is under way:
 *
 *     write lane   belongs to one log entry, (index, term) once it is proposed; its items are answered while that entry is applied
 *     read lane    belongs to one ReadIndex round; its items are answered when the round is confirmed and its index applied
 *
 *        write lane of entry 17      SET by A | GET by A (rider) | SET by B | PING by A (its reply, ready)
 *                                       |            |               |            |
 *        entry 17                    SET ......   (not in it)     SET .....   (not in it)
 *
 * An item is a write (it has the next command of the entry), a read that rides beside the entry and is executed at its place, or
 * a reply that is ready and waits for its turn. So one connection's commands take effect, and are answered, in their order:
 *
 *     - what a connection sends in one turn after a write goes into the write lane behind it;
 *     - a write that follows reads of the same turn takes them along into the write lane, before itself;
 *     - what would have to be ordered across turns (a read behind a write that was proposed earlier) stays in the connection's input until
 *       everything before it is answered. A read must not ride beside an entry that was proposed before the read arrived: that entry may be
 *       committed by acknowledgements from before a newer leader's first write, and the read would miss that write.
 *
 * Bytes of waiting reads and ready replies are kept in the lane, so that no item is an allocation.
 */
#ifndef PENDING_H
#define PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../raft/raft.h"
#include "../resp/resp.h"

struct connection;

enum pending_kind {
    PENDING_WRITE,
    PENDING_READ,
    PENDING_REPLY,
    PENDING_MOVED, /* the item was taken along into another lane */
};

/* Among an item's bytes; length 0: there is none. */
struct pending_word {
    uint32_t at, length;
};

struct pending_item {
    struct connection *connection;
    size_t at, length;          /* of the read's command, the transaction's or the reply, in lane->bytes */
    struct pending_word key;    /* of the read: its first key */
    struct pending_word member; /* ... and the word behind it, where that names a member of a collection */
    uint32_t db;
    uint32_t queued;  /* 1 + commands of a transaction, which are the bytes; 0: it is none */
    uint8_t kind;     /* enum pending_kind */
    uint8_t protocol; /* of the reply: 2 or 3 */
    bool quiet;       /* CLIENT REPLY OFF or SKIP: nothing is sent */
};

struct lane {
    struct lane *next;
    raft_index index;  /* write: of its entry; read: applied index to wait for, once confirmed */
    raft_term term;    /* write: of its entry; 0 while it is being filled */
    raft_term only;    /* write: some of it may be proposed in this term alone (proxied.c); 0: in any */
    uint64_t token;    /* read: of its round */
    bool confirmed;    /* read */
    bool through;      /* read: asked for on a follower, whose leader says where */
    uint64_t begun_us; /* when it was closed, monotonic; of one that was held, since when */
    uint64_t held_us;  /* for how long */
    struct resp_buf bytes;
    struct pending_item *items;
    size_t count, capacity;
    size_t writes;           /* items of kind PENDING_WRITE */
    size_t growth;           /* write: bytes that its writes may add, about (eviction.c) */
    size_t freed, victims;   /* write: bytes that its evictions free, about; how many they are */
    uint64_t first_eviction; /* write: the number of the first of them; 0: there are none */
};

struct lane *lane_new(void);
void lane_free(struct lane *lane);
struct pending_item *lane_add(struct lane *lane, struct connection *connection, enum pending_kind kind);
/* Adds an item whose bytes are kept in the lane. */
struct pending_item *lane_add_bytes(struct lane *lane, struct connection *connection, enum pending_kind kind,
                                    const void *bytes, size_t length);
/* Moves a connection's items, in order, to the end of another lane; there they are at their place. Returns how many. */
size_t lane_take_along(struct lane *from, struct lane *to, const struct connection *connection);
/* Whether the connection waits for something in it. */
bool lane_holds(const struct lane *lane, const struct connection *connection);
/* How many items at the lane's end, in a row, are the connection's. */
size_t lane_tail_of(const struct lane *lane, const struct connection *connection);
/* Moves the last `count` items, in order, to the end of another lane. */
void lane_take_tail(struct lane *from, struct lane *to, size_t count);
const char *lane_bytes(const struct lane *lane, const struct pending_item *item);
/* A word among them. Holds until the lane gets more. */
struct resp_arg lane_word(const struct lane *lane, const struct pending_item *item, struct pending_word word);
/* Bytes that the lane holds. */
size_t lane_memory(const struct lane *lane);

/* A list of lanes, the oldest first. All zeros is empty. */
struct lanes {
    struct lane *first, *last;
};

void lanes_append(struct lanes *lanes, struct lane *lane);
/* Keeps write lanes sorted by (index, term): after a lost leadership a newer lane may have a smaller index. */
void lanes_insert(struct lanes *lanes, struct lane *lane);
struct lane *lanes_take_first(struct lanes *lanes);

#endif
