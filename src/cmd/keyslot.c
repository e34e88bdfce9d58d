/* SPDX-License-Identifier: MIT */
/*
 * Slots, as Redis Cluster counts them: CRC16 (polynomial 0x1021, XMODEM's form: nothing reflected, start 0) modulo 16384, over
 * the key or, when it holds a {tag} of at least one byte, over the tag alone. One group serves every slot here, so a slot
 * only matters in what is said to clients; there is no index by slot, and counting one looks at every key.
 */
#include "command.h"

#include <string.h>

#include "sessions.h"

enum { SLOTS = 16384 };

static unsigned crc16(const char *bytes, size_t length) {
    /* the polynomial's multiples by four bits */
    static const unsigned short nibbles[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    unsigned crc = 0;

    for (size_t at = 0; at < length; at++) {
        unsigned byte = (unsigned char)bytes[at];
        crc = ((crc << 4) ^ nibbles[((crc >> 12) ^ (byte >> 4)) & 15]) & 0xffff;
        crc = ((crc << 4) ^ nibbles[((crc >> 12) ^ byte) & 15]) & 0xffff;
    }
    return crc;
}

unsigned command_key_slot(const struct resp_arg *key) {
    const char *open = key->length ? memchr(key->bytes, '{', key->length) : NULL;

    if (open) {
        size_t left = key->length - (size_t)(open + 1 - key->bytes);
        const char *close = left ? memchr(open + 1, '}', left) : NULL;
        if (close && close > open + 1)
            return crc16(open + 1, (size_t)(close - open - 1)) % SLOTS;
    }
    return crc16(key->bytes, key->length) % SLOTS;
}

/* A cluster's keys are in database 0, as with Redis Cluster. */
enum { SLOT_DATABASE = 0 };

static bool integer_or_error(struct call *call, size_t at, int64_t *value) {
    if (resp_arg_integer(&call->args[at], value))
        return true;
    resp_error(call->reply, "ERR value is not an integer or out of range");
    return false;
}

/* Calls each() for up to `max` keys of the slot; returns how many. */
static size_t each_key_of(struct call *call, unsigned slot, size_t max,
                          void (*each)(struct call *call, const struct resp_arg *key)) {
    size_t found = 0;

    for (size_t at = keyspace_slots(call->keyspace, SLOT_DATABASE); at > 0 && found < max; at--) {
        const struct item *item = keyspace_at(call->keyspace, SLOT_DATABASE, at - 1);
        if (!item)
            continue;
        struct resp_arg key = item_key(item);
        if (command_key_slot(&key) != slot)
            continue;
        found++;
        if (each)
            each(call, &key);
    }
    return found;
}

void cmd_cluster_countkeysinslot(struct call *call) {
    int64_t slot;

    if (!integer_or_error(call, 2, &slot))
        return;
    if (slot < 0 || slot >= SLOTS) {
        resp_error(call->reply, "ERR Invalid slot");
        return;
    }
    resp_integer(call->reply, (int64_t)each_key_of(call, (unsigned)slot, SIZE_MAX, NULL));
}

static void reply_key(struct call *call, const struct resp_arg *key) {
    resp_bulk(call->reply, key->bytes, key->length);
}

void cmd_cluster_getkeysinslot(struct call *call) {
    int64_t slot, max;

    if (!integer_or_error(call, 2, &slot) || !integer_or_error(call, 3, &max))
        return;
    if (slot < 0 || slot >= SLOTS || max < 0) {
        resp_error(call->reply, "ERR Invalid slot or number of keys");
        return;
    }
    size_t mark = resp_array_open(call->reply);
    resp_array_close(call->reply, mark, each_key_of(call, (unsigned)slot, (size_t)max, reply_key));
}
