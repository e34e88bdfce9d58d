/* SPDX-License-Identifier: MIT */
/*
 * Dials, for the linker. The simulated members redirect (raft-follower-mode), so nobody dials on behalf of a client: a world in which
 * somebody did would need streams for it first, and says so.
 */
#include <assert.h>
#include <stdlib.h>

#include "../../src/net/net.h"

static const bool members_redirect = true;

const char *link_address(const struct link *link) {
    (void)link;
    return "";
}

struct dial *net_take_dial(struct net *net) {
    (void)net;
    return NULL;
}

struct dial *dial_new(struct net *net, const char *address, unsigned port) {
    (void)net, (void)address, (void)port;
    assert(!members_redirect);
    abort();
}

void dial_free(struct dial *dial) {
    (void)dial;
    assert(!members_redirect);
}

void dial_touch(struct dial *dial) {
    (void)dial;
    assert(!members_redirect);
}

void dial_pause(struct dial *dial, bool paused) {
    (void)dial, (void)paused;
    assert(!members_redirect);
}

void dial_drop(struct dial *dial, size_t length) {
    (void)dial, (void)length;
    assert(!members_redirect);
}
