/* SPDX-License-Identifier: MIT */
/*
 * A name to addresses. getaddrinfo blocks, so it runs on a worker. Each link that has a name has a worker of
 * its own: a name whose servers do not answer keeps nobody else waiting, and links are few. The C library is
 * told to ask quickly: its default of 5 s a try and server would keep a closing server from ending.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#include "../worker.h"

enum { TRY_S = 1, TRIES = 2 };

struct look_up {
    struct worker_job job; /* first: it is what the worker hands back */
    char host[NET_HOST_MAX];
    struct addresses addresses; /* the answer */
    int error;                  /* getaddrinfo's */
};

struct resolver {
    struct worker *worker;
    bool busy;
    struct look_up look_up; /* belongs to the worker while busy */
};

/* Zeros what is not used, so that two lists may be compared as bytes. */
static int look_up_addresses(const char *host, int flags, struct addresses *addresses) {
    struct addrinfo hints = {.ai_flags = flags, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    *addresses = (struct addresses){0};
    int error = getaddrinfo(host, NULL, &hints, &list);
    if (error)
        return error;
    for (const struct addrinfo *at = list; at && addresses->count < ADDRESSES_MAX; at = at->ai_next)
        if (getnameinfo(at->ai_addr, at->ai_addrlen, addresses->text[addresses->count], NET_ADDRESS_MAX, NULL,
                        0, NI_NUMERICHOST) == 0)
            addresses->count++;
    freeaddrinfo(list);
    return addresses->count > 0 ? 0 : EAI_NONAME;
}

bool addresses_from_numeric(const char *host, struct addresses *addresses) {
    struct addresses found;
    if (look_up_addresses(host, AI_NUMERICHOST, &found) != 0)
        return false;
    *addresses = found;
    return true;
}

static void run(void *context, struct worker_job *batch) {
    (void)context;
    for (struct worker_job *job = batch; job; job = job->next) {
        struct look_up *look_up = (struct look_up *)(void *)job;
        if (res_init() == 0) {
            _res.retrans = TRY_S;
            _res.retry = TRIES;
        }
        look_up->error = look_up_addresses(look_up->host, 0, &look_up->addresses);
    }
}

struct resolver *resolver_new(struct ev_loop *loop) {
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver)
        abort();
    resolver->worker = worker_new(loop, "resolve", run, NULL);
    return resolver;
}

void resolver_free(struct resolver *resolver) {
    worker_stop(resolver->worker);
    while (worker_take(resolver->worker))
        resolver->busy = false;
    assert(!resolver->busy);
    worker_free(resolver->worker);
    free(resolver);
}

void resolver_ask(struct resolver *resolver, const char *host) {
    assert(!resolver->busy && strlen(host) < NET_HOST_MAX);
    resolver->busy = true;
    strcpy(resolver->look_up.host, host);
    worker_submit(resolver->worker, &resolver->look_up.job);
}

bool resolver_busy(const struct resolver *resolver) {
    return resolver->busy;
}

bool resolver_take(struct resolver *resolver, char host[NET_HOST_MAX], struct addresses *addresses,
                   const char **why) {
    const struct worker_job *job = worker_take(resolver->worker);
    if (!job)
        return false;
    assert(resolver->busy && job == &resolver->look_up.job);
    resolver->busy = false;
    strcpy(host, resolver->look_up.host);
    *addresses = resolver->look_up.addresses;
    *why = resolver->look_up.error ? gai_strerror(resolver->look_up.error) : "";
    return true;
}
