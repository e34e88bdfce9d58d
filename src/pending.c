/* SPDX-License-Identifier: MIT */
#include "pending.h"

#include <assert.h>
#include <stdlib.h>

struct lane *lane_new(void) {
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        abort();
    return lane;
}

void lane_free(struct lane *lane) {
    if (!lane)
        return;
    resp_buf_close(&lane->bytes);
    free(lane->items);
    free(lane);
}

struct pending_item *lane_add(struct lane *lane, struct connection *connection, enum pending_kind kind) {
    if (lane->count == lane->capacity) {
        lane->capacity = lane->capacity ? 2 * lane->capacity : 16;
        lane->items = realloc(lane->items, lane->capacity * sizeof *lane->items);
        if (!lane->items)
            abort();
    }
    struct pending_item *item = &lane->items[lane->count++];
    *item = (struct pending_item){.connection = connection, .kind = (uint8_t)kind};
    lane->writes += kind == PENDING_WRITE;
    return item;
}

struct pending_item *lane_add_bytes(struct lane *lane, struct connection *connection, enum pending_kind kind,
                                    const void *bytes, size_t length) {
    assert(kind == PENDING_READ || kind == PENDING_REPLY || kind == PENDING_WRITE);
    struct pending_item *item = lane_add(lane, connection, kind);
    item->at = resp_buf_length(&lane->bytes);
    item->length = length;
    resp_buf_append(&lane->bytes, bytes, length);
    return item;
}

const char *lane_bytes(const struct lane *lane, const struct pending_item *item) {
    return item->length > 0 ? resp_buf_bytes(&lane->bytes) + item->at : "";
}

struct resp_arg lane_word(const struct lane *lane, const struct pending_item *item,
                          struct pending_word word) {
    return (struct resp_arg){lane_bytes(lane, item) + word.at, word.length};
}

static void move_item(struct lane *from, struct pending_item *item, struct lane *to) {
    assert(item->kind == PENDING_READ || item->kind == PENDING_REPLY);
    struct pending_item *moved = lane_add_bytes(to, item->connection, (enum pending_kind)item->kind,
                                                lane_bytes(from, item), item->length);
    moved->db = item->db;
    moved->queued = item->queued;
    moved->protocol = item->protocol;
    moved->key = item->key;
    moved->member = item->member;
    moved->quiet = item->quiet;
    item->kind = PENDING_MOVED;
    item->connection = NULL;
}

size_t lane_take_along(struct lane *from, struct lane *to, const struct connection *connection) {
    size_t taken = 0;
    for (size_t i = 0; i < from->count; i++)
        if (from->items[i].connection == connection && from->items[i].kind != PENDING_MOVED) {
            move_item(from, &from->items[i], to);
            taken++;
        }
    return taken;
}

bool lane_holds(const struct lane *lane, const struct connection *connection) {
    for (size_t i = lane->count; i > 0; i--)
        if (lane->items[i - 1].connection == connection && lane->items[i - 1].kind != PENDING_MOVED)
            return true;
    return false;
}

size_t lane_tail_of(const struct lane *lane, const struct connection *connection) {
    size_t tail = 0;
    while (tail < lane->count && lane->items[lane->count - 1 - tail].connection == connection)
        tail++;
    return tail;
}

void lane_take_tail(struct lane *from, struct lane *to, size_t count) {
    assert(count <= from->count);
    size_t first = from->count - count;
    for (size_t i = first; i < from->count; i++)
        move_item(from, &from->items[i], to);
    if (count > 0)
        resp_buf_truncate(&from->bytes, from->items[first].at);
    from->count = first;
}

size_t lane_memory(const struct lane *lane) {
    return sizeof *lane + lane->bytes.capacity + lane->capacity * sizeof *lane->items;
}

void lanes_append(struct lanes *lanes, struct lane *lane) {
    lane->next = NULL;
    if (lanes->last)
        lanes->last->next = lane;
    else
        lanes->first = lane;
    lanes->last = lane;
}

static bool before(const struct lane *left, const struct lane *right) {
    return left->index != right->index ? left->index < right->index : left->term < right->term;
}

void lanes_insert(struct lanes *lanes, struct lane *lane) {
    if (!lanes->last || before(lanes->last, lane)) {
        lanes_append(lanes, lane);
        return;
    }
    struct lane **at = &lanes->first;
    while (before(*at, lane))
        at = &(*at)->next;
    lane->next = *at;
    *at = lane;
}

struct lane *lanes_take_first(struct lanes *lanes) {
    struct lane *lane = lanes->first;
    if (lane) {
        lanes->first = lane->next;
        if (!lanes->first)
            lanes->last = NULL;
        lane->next = NULL;
    }
    return lane;
}
