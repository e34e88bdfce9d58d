/* SPDX-License-Identifier: MIT */
#include "busy_poll.h"

enum {
    SHORT_ONES = 2,     /* of the last eight */
    GAP_US = 10 * 1000, /* longer than others run between two looks */
    REST_US = 100 * 1000,
    REST_MOST_US = 128 * REST_US,
    SOON_US = 1000 * 1000, /* a quota's period is 100 ms */
};

void busy_poll_begin(struct busy_poll *poll, enum busy_poll_kind kind, uint64_t now_us, uint64_t most_us) {
    poll->kind = kind;
    poll->since_us = poll->looked_us = now_us;
    poll->most_us = most_us;
    poll->awake = false;
}

static void rest(struct busy_poll *poll, uint64_t now_us) {
    bool soon = now_us - poll->rests_until_us <= poll->rest_us + SOON_US;
    poll->rest_us = !soon ? REST_US : poll->rest_us < REST_MOST_US ? 2 * poll->rest_us : REST_MOST_US;
    poll->rests_until_us = now_us + poll->rest_us;
}

static void look(struct busy_poll *poll, uint64_t now_us) {
    if (poll->awake && now_us - poll->looked_us > GAP_US)
        rest(poll, now_us);
    poll->looked_us = now_us;
}

bool busy_poll_pays(struct busy_poll *poll, uint64_t now_us) {
    look(poll, now_us);
    poll->awake = __builtin_popcount(poll->recent[poll->kind]) >= SHORT_ONES &&
                  now_us - poll->since_us < poll->most_us && now_us >= poll->rests_until_us;
    return poll->awake;
}

uint64_t busy_poll_end(struct busy_poll *poll, uint64_t now_us) {
    uint8_t *recent = &poll->recent[poll->kind];
    *recent = (uint8_t)(*recent << 1 | (now_us - poll->since_us <= poll->most_us));
    if (poll->awake)
        look(poll, now_us);
    return poll->looked_us - poll->since_us;
}
