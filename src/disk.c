/* SPDX-License-Identifier: MIT */
/*
 * The room on the disk, looked at once a second. Below the reserve this node, when it leads, refuses writes that grow the data, before
 * they are proposed: certainly not done. Reads go on, and so do DEL and its like, whose entries the reserve has room for. It ends by
 * itself when there is a little more room than the reserve, so that it does not come and go with every file that is made.
 *
 * What else a full disk does: a checkpoint or a copy that fails is taken back and tried again; a log that cannot be written ends the
 * node, in words, and the others go on.
 */
#include <inttypes.h>

#include "node_state.h"

enum { LOOK_EVERY_MS = 1000, CLEAR_SHARE = 8 }; /* cleared at the reserve and an eighth of it */

static uint64_t clears_at(const struct node *node) {
    uint64_t reserve = node->conf->disk_reserve;
    return reserve + reserve / CLEAR_SHARE;
}

static void tell(struct node *node) {
    const struct disk *disk = &node->disk;
    if (disk->low)
        log_warning(
            node->logger,
            "disk low: %" PRIu64 " MB free in %s, raft-disk-reserve is %" PRIu64
            " MB: while this node leads, writes that grow the data are refused with -MISCONF; reads and "
            "DEL go on. It ends by itself at %" PRIu64 " MB",
            disk->free_bytes >> 20, node->conf->dir, node->conf->disk_reserve >> 20, clears_at(node) >> 20);
    else
        log_notice(node->logger, "disk: %" PRIu64 " MB free in %s again, all writes are taken",
                   disk->free_bytes >> 20, node->conf->dir);
}

void disk_watch(struct node *node) {
    struct disk *disk = &node->disk;
    if (node->now_ms < disk->look_ms)
        return;
    disk->look_ms = node->now_ms + LOOK_EVERY_MS;
    uint64_t total;
    disk->known = store_disk_free(node->conf->dir, &disk->free_bytes, &total);
    bool low = disk->known && disk->free_bytes < (disk->low ? clears_at(node) : node->conf->disk_reserve);
    if (low == disk->low)
        return;
    disk->low = low;
    tell(node);
}

void disk_report(const struct node *node, struct report *report) {
    report->disk_known = node->disk.known;
    report->disk_free_bytes = node->disk.free_bytes;
    report->disk_reserve_bytes = node->conf->disk_reserve;
    report->disk_low = node->disk.low;
}
