/* SPDX-License-Identifier: MIT */
#include "busy_poll.h"

enum { SHORT_ONES = 2 }; /* of the last eight */

void busy_poll_begin(struct busy_poll *poll, enum busy_poll_kind kind, uint64_t now_us, uint64_t most_us) {
    poll->kind = kind;
    poll->since_us = now_us;
    poll->most_us = most_us;
}

static bool paid_lately(const struct busy_poll *poll) {
    return __builtin_popcount(poll->recent[poll->kind]) >= SHORT_ONES;
}

uint64_t busy_poll_end(struct busy_poll *poll, uint64_t now_us) {
    uint64_t waited_us = now_us - poll->since_us;
    bool was_short = waited_us <= poll->most_us;
    uint64_t awake_us = !paid_lately(poll) ? 0 : was_short ? waited_us : poll->most_us;
    uint8_t *recent = &poll->recent[poll->kind];
    *recent = (uint8_t)(*recent << 1 | was_short);
    return awake_us;
}

bool busy_poll_pays(const struct busy_poll *poll, uint64_t now_us) {
    return paid_lately(poll) && now_us - poll->since_us < poll->most_us;
}
