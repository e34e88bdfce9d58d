/* SPDX-License-Identifier: MIT */
/*
 * Which keys somebody who waits for elements should look at again. It is noted where the keyspace changes, not where commands do it: so
 * whatever fills, renames, copies, moves or stores a key is seen, in a script or a transaction too. Nobody being interested, it
 * costs one branch.
 */
#include <string.h>

#include "internal.h"

struct note {
    uint32_t db, length;
    bool whole;
};

static void note(struct keyspace *keyspace, const struct note *header, const void *key) {
    struct resp_buf *noted = &keyspace->notes.noted;
    resp_buf_append(noted, header, sizeof *header);
    resp_buf_append(noted, key, header->length);
}

void ready_note(struct keyspace *keyspace, unsigned db, const struct item *item) {
    enum value_type type = item_type(item);
    if (!keyspace->notes.on || (type != VALUE_LIST && type != VALUE_ZSET && type != VALUE_STREAM))
        return;
    struct resp_arg key = item_key(item);
    struct note header = {.db = db, .length = (uint32_t)key.length};
    note(keyspace, &header, key.bytes);
}

void ready_note_all(struct keyspace *keyspace, unsigned db) {
    struct note header = {.db = db, .whole = true};
    if (keyspace->notes.on)
        note(keyspace, &header, "");
}

void ready_close(struct keyspace *keyspace) {
    resp_buf_close(&keyspace->notes.noted);
    keyspace->notes.told = 0;
}

void keyspace_note_ready(struct keyspace *keyspace, bool on) {
    if (keyspace->notes.on && !on)
        ready_close(keyspace);
    keyspace->notes.on = on;
}

bool keyspace_next_ready(struct keyspace *keyspace, struct keyspace_ready *ready) {
    enum { KEPT_BYTES = 4096 };
    struct notes *notes = &keyspace->notes;
    struct note header;
    if (notes->told == resp_buf_length(&notes->noted)) {
        resp_buf_consume(&notes->noted, notes->told, KEPT_BYTES);
        notes->told = 0;
        return false;
    }
    const char *at = resp_buf_bytes(&notes->noted) + notes->told;
    memcpy(&header, at, sizeof header);
    *ready = (struct keyspace_ready){.db = header.db, .whole = header.whole};
    ready->key = (struct resp_arg){at + sizeof header, header.length};
    notes->told += sizeof header + header.length;
    return true;
}
