/* SPDX-License-Identifier: MIT */
/*
 * A member as the cluster's list of members knows it. To Raft (raft/member.c) what it says of a member is bytes; here they are an
 * address, which peers dial, and an incarnation, which tells a node from one that came back without its disk:
 *
 *      offset  size  meaning                                   example
 *      0       1     format: 1                                 01
 *      1       1     length of the incarnation: 40, or 0       28
 *      2       n     incarnation                               "5b1e..."
 *      2 + n         address                                   "10.0.0.4:7101"
 *
 * An incarnation is empty from the member's being added until it has been met for the first time. Removed members stay in the list,
 * with nothing but their ids.
 */
#ifndef ROSTER_H
#define ROSTER_H

#include "../raft/raft.h"
#include "store/store.h"

struct member {
    raft_id id;
    enum raft_member_kind kind;
    char address[STORE_ADDRESS_MAX]; /* "": not known */
    char incarnation[STORE_ID_LENGTH + 1];
};

/* By id. */
struct roster {
    struct member *at;
    size_t count;
};

/* A member's bytes; their length. */
size_t member_encode(const struct member *member, char bytes[RAFT_MEMBER_DATA_MAX]);
/* False when they are none; address and incarnation are "" then. */
bool member_decode(const char *bytes, size_t length, struct member *member);

/* What the list says takes the place of what was there. */
void roster_read(struct roster *members, const struct raft_blob *list);
/* The members of an identity: all of them vote. */
void roster_read_identity(struct roster *members, const struct store_identity *identity);
void roster_close(struct roster *members);
/* NULL: a stranger. */
const struct member *roster_find(const struct roster *members, raft_id id);
size_t roster_voters(const struct roster *members);
/* The list with which a cluster that these founded begins: the same on all of them. One reference. */
struct raft_blob *roster_founders(const struct store_identity *identity);
/* This node was taken in by a cluster that others had founded. */
bool roster_joined(const struct store_identity *identity);

/* "host:port", the port behind the last colon: an IPv6 address has more of them. False when it is not that. */
bool member_split_address(const char *address, char *host, size_t size, unsigned *port);

#endif
