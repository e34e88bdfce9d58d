/* SPDX-License-Identifier: MIT */
/*
 * Who may be a peer, and how a cluster forms. Pure: it builds and judges the words of the handshake, the node sends them.
 *
 * The node that dials says hello, the one that is dialled answers with the same facts about itself and a proof; then the dialler proves itself:
 *
 *     RAFT.HELLO <facts> <nonce>      ->
 *                                     <-   *  <facts> <nonce> <proof>          or -ERR with the reason, in words
 *     RAFT.AUTH <proof>               ->
 *                                     <-   +OK <founders>                      from here on RAFT.MSG is taken from this connection
 *
 *     facts   protocol, sender's id, receiver's id, cluster name, cluster id ("-" while forming), sender's incarnation, initial members,
 *             feature level that it offers, feature level that it knows the cluster to be at (level.h), version, announced client address
 *             (host:port, or host:port@sentinel-port), patience (patience.h), address that peers dial ("-": not known)
 *     proof   HMAC-SHA-256, keyed by the raft-secret, over the prover's side ("dial" or "answer"), both nonces and both sides' facts; "-" where there is no secret.
 *             Both sides prove it over fresh nonces of both, so that neither a recorded exchange nor a mirrored one passes.
 *     founders  " 1=<incarnation> 2=<incarnation>": all initial members, told by one of them that has formed to one that has not; else nothing
 *
 * An incarnation is random and made with the data directory. Nobody votes until all initial members have exchanged theirs once; then the
 * cluster's id is SHA-256 over name, ids and incarnations, cut to 40 hex digits, and stored with them. From then on a member that shows another
 * incarnation has lost its disk, and with it votes it gave and entries it acknowledged: it is refused, in words. An initial member that has not
 * met them all (its disk was full, another has been removed meanwhile) takes the incarnations from one that has: the cluster's id proves them.
 *
 * Once the cluster has formed its members are those of the newest list (roster.h). Who is on it is let in by id and incarnation. Who is
 * not, but shows the cluster's id, may be a member by a list that this node does not have yet: it is let in, and Raft judges its messages.
 *
 * Whoever offers less than the level that the cluster is at could not apply what the others write. Once it has proved itself it is refused,
 * and it learns the same from the other's facts once that one has: then it knows that it is the one that is too old.
 *
 *     new node        a hello to node 0 (it knows an address only), with neither cluster nor members; its answer has the present
 *                     members in place of the initial ones
 *                     listed, without incarnation  -WAIT <leader's address>: the leader writes its incarnation into the list first
 *                                                  (one that shows the cluster's id has it in a later list)
 *                     listed, with this one        +OK: it has been taken in, and takes cluster id and members from the answer
 *                     no list here yet             -WAIT -: whoever is new too can't tell a new node from one without its disk
 *                     not listed                   -ERR, in words
 *     removed node    -REMOVED, in words, once both have proved themselves
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include <stdbool.h>
#include <stddef.h>

#include "../resp/resp.h"
#include "roster.h"
#include "store/store.h"

enum {
    ADMISSION_PROTOCOL = 4,
    ADMISSION_HELLO_WORDS = 15, /* of RAFT.HELLO */
    ADMISSION_SECRET_MAX = 1024,
    ADMISSION_NONCE_LENGTH = 32,
    ADMISSION_PROOF_LENGTH = 64,
    ADMISSION_TEXT_MAX = 512,
    ADMISSION_WHY_MAX = 1024,
    ADMISSION_FOUNDERS_MAX = 8 + STORE_MEMBERS_MAX * (STORE_ID_LENGTH + 22),
};

/* What one side says of itself. */
struct admission_facts {
    unsigned protocol;
    raft_id from, to;
    char name[ADMISSION_TEXT_MAX];     /* raft-cluster-name */
    char cluster[STORE_ID_LENGTH + 1]; /* "" while forming */
    char incarnation[STORE_ID_LENGTH + 1];
    char members[STORE_MEMBERS_MAX *
                 300]; /* "1=host:port,2=host:port": the initial list, by id; "" of a new node that joins */
    unsigned offers;   /* the highest feature level that it takes up */
    unsigned level;    /* the cluster's, as far as it has applied the log */
    char version[32];
    char announced
        [STORE_ADDRESS_MAX]; /* host:port that clients are told, "@" and the sentinel-port if there is one */
    uint32_t patience_ms;    /* it elects nobody for so long after it heard a leader; 0: no promise */
    char
        address[STORE_ADDRESS_MAX]; /* host:port that peers dial, as it says itself; "" when it cannot tell */
};

/* This node's side of every handshake. */
struct admission {
    char name[ADMISSION_TEXT_MAX];
    char secret[ADMISSION_SECRET_MAX];
    size_t secret_length; /* 0: no secret */
    char announced[STORE_ADDRESS_MAX];
    unsigned offers,
        level; /* of feature levels: what this node takes up at most; the cluster's present one */
    uint32_t patience_ms;
    char address[STORE_ADDRESS_MAX];
    char leader
        [STORE_ADDRESS_MAX]; /* where peers dial the present leader; "": there is none, or it is this node */
    struct store_identity identity; /* members' incarnations are filled in as they are met */
    bool settled;                   /* the newest list is committed: who was removed by it is */
    const struct roster *members;   /* the newest list; NULL, or empty: there is none yet */
};

/* One handshake under way on one connection. */
struct admission_exchange {
    struct admission_facts ours, theirs;
    char our_nonce[ADMISSION_NONCE_LENGTH + 1], their_nonce[ADMISSION_NONCE_LENGTH + 1];
    bool proven; /* the other side has proved itself */
    bool
        outdated; /* this node offers less than the level that the other, having proved itself, has the cluster at */
    bool claims; /* it is on the list, which does not have its incarnation yet */
};

/* Reads the secret: the file's first line. False, with the reason. */
bool admission_read_secret(struct admission *admission, const char *path, char why[ADMISSION_WHY_MAX]);
/* 40 random hex digits, from the kernel. */
void admission_random_id(char id[STORE_ID_LENGTH + 1]);
/* A random number for seeds and the like, from the kernel. */
uint64_t admission_random(void);

/* The dialler's hello to `to`; 0: whoever answers there. */
void admission_hello(struct admission *admission, raft_id to, struct admission_exchange *exchange,
                     struct resp_buf *out);
/* The dialled side judges a hello's arguments and writes the answer, or the error reply when it says false (why: for the log). */
bool admission_answer(struct admission *admission, const struct resp_arg *args, size_t count,
                      struct admission_exchange *exchange, struct resp_buf *out, char why[ADMISSION_WHY_MAX]);
/* The dialler judges the answer and writes RAFT.AUTH. False: drop the link. */
bool admission_prove(struct admission *admission, const struct resp_arg *args, size_t count,
                     struct admission_exchange *exchange, struct resp_buf *out, char why[ADMISSION_WHY_MAX]);
/* The dialled side judges RAFT.AUTH. True: the connection is a peer's; it has been told +OK. Otherwise it has been told why not. */
bool admission_proved(struct admission *admission, const struct resp_arg *args, size_t count,
                      struct admission_exchange *exchange, struct resp_buf *out, char why[ADMISSION_WHY_MAX]);
/* A proven side's facts are taken up: its incarnation while forming. True when that completed the set of incarnations: the
 * identity now has its cluster id and wants to be stored. */
bool admission_meet(struct admission *admission, const struct admission_facts *theirs);
/* What a proven side's +OK says behind it of the founders, as the reply's text, is taken up. True: as above; false: it says nothing, or
 * what does not give the cluster's id, and nothing has changed. */
bool admission_told(struct admission *admission, const struct admission_facts *theirs,
                    const struct resp_arg *reply);
/* A cluster of one forms by itself: the same as the last meeting. */
bool admission_form(struct admission *admission);

#endif
