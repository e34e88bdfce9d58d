/* SPDX-License-Identifier: MIT */
#include "redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "wire.h"

static pid_t redis;

static bool is_there(void) {
    static const char *const version[] = {"redis-server", "--version", NULL};
    struct process_result result;
    process_run(version, NULL, 0, 10000, &result);
    bool there = result.in_time && result.status == 0;
    if (there && strstr(result.output, "v=7.0.") == NULL) {
        harness_say("not the redis-server that this is compared with (7.0): %s", result.output);
        there = false;
    }
    free(result.output);
    return there;
}

unsigned redis_start(void) {
    if (!is_there()) {
        harness_say("no redis-server 7.0 here: nothing to compare with");
        return 0;
    }
    char text[16];
    unsigned port = cluster_free_port();
    snprintf(text, sizeof(text), "%u", port);
    const char *const argv[] = {"redis-server", "--port", text, "--bind", "127.0.0.1", "--save", "", NULL};
    redis = process_start(argv, NULL);
    for (int i = 0; i < 500; i++) {
        struct wire *wire = wire_open(port, 1000);
        wire_close(wire);
        if (wire != NULL)
            return port;
        harness_sleep_ms(10);
    }
    harness_say("redis-server does not answer: nothing to compare with");
    redis_end();
    return 0;
}

void redis_end(void) {
    if (redis != 0)
        process_kill(redis);
    redis = 0;
}
