/* SPDX-License-Identifier: MIT */
/*
 * CLIENT PAUSE: commands of clients wait in their input until the time is over. Those that would be refused are refused at once; peers
 * and what is under way go on. Of two pauses the longer and the stricter one holds, as in Redis.
 */
#include "node_state.h"

void pause_begin(struct node *node, uint64_t ms, bool all) {
    struct pause *pause = &node->pause;
    uint64_t until_ms = ms > UINT64_MAX - node->now_ms ? UINT64_MAX : node->now_ms + ms;
    if (!pause_is_on(node))
        *pause = (struct pause){0};
    pause->all |= all;
    if (until_ms > pause->until_ms)
        pause->until_ms = until_ms;
}

void pause_end(struct node *node) {
    node->pause = (struct pause){0};
}

bool pause_is_on(const struct node *node) {
    return node->pause.until_ms > node->now_ms && !node->stopping;
}

bool pause_holds(const struct node *node, const struct command *row, enum gate_verdict verdict) {
    if (!pause_is_on(node) || verdict > GATE_WAIT)
        return false;
    return node->pause.all || verdict == GATE_WRITE || (row->flags & COMMAND_THROUGH_LOG);
}
