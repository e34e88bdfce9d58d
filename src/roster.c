/* SPDX-License-Identifier: MIT */
#include "roster.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, HEAD_BYTES = 2 };

/* ---- one --------------------------------------------------------------------------------------------------- */

size_t member_encode(const struct member *member, char bytes[RAFT_MEMBER_DATA_MAX]) {
    size_t incarnation = strlen(member->incarnation), address = strlen(member->address);
    assert(incarnation == 0 || incarnation == STORE_ID_LENGTH);
    bytes[0] = FORMAT;
    bytes[1] = (char)incarnation;
    memcpy(bytes + HEAD_BYTES, member->incarnation, incarnation);
    memcpy(bytes + HEAD_BYTES + incarnation, member->address, address);
    return HEAD_BYTES + incarnation + address;
}

bool member_decode(const char *bytes, size_t length, struct member *member) {
    member->address[0] = member->incarnation[0] = 0;
    if (length < HEAD_BYTES || bytes[0] != FORMAT || (bytes[1] != 0 && bytes[1] != STORE_ID_LENGTH))
        return false;
    size_t incarnation = (size_t)bytes[1];
    if (length < HEAD_BYTES + incarnation || length - HEAD_BYTES - incarnation >= sizeof member->address ||
        memchr(bytes + HEAD_BYTES, 0, length - HEAD_BYTES))
        return false;
    size_t address = length - HEAD_BYTES - incarnation;
    memcpy(member->incarnation, bytes + HEAD_BYTES, incarnation);
    member->incarnation[incarnation] = 0;
    memcpy(member->address, bytes + HEAD_BYTES + incarnation, address);
    member->address[address] = 0;
    return true;
}

bool member_split_address(const char *address, char *host, size_t size, unsigned *port) {
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || (size_t)(colon - address) >= size)
        return false;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10);
    *port = (unsigned)number;
    return *end == 0 && number > 0 && number < 65536;
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

static struct member *add(struct roster *members) {
    members->at = realloc(members->at, (members->count + 1) * sizeof *members->at);
    if (!members->at)
        abort();
    struct member *member = &members->at[members->count++];
    *member = (struct member){0};
    return member;
}

void roster_read(struct roster *members, const struct raft_blob *list) {
    struct raft_member row;
    members->count = 0;
    for (size_t offset = 0; raft_members_next(list, &offset, &row);) {
        struct member *member = add(members);
        member->id = row.id;
        member->kind = row.kind;
        member_decode(row.data, row.length, member);
    }
}

static int by_id(const void *left, const void *right) {
    raft_id a = ((const struct member *)left)->id, b = ((const struct member *)right)->id;
    return a < b ? -1 : a > b;
}

void roster_read_identity(struct roster *members, const struct store_identity *identity) {
    members->count = 0;
    for (size_t i = 0; i < identity->member_count; i++) {
        struct member *member = add(members);
        member->id = identity->members[i].id;
        member->kind = RAFT_VOTER;
        strcpy(member->address, identity->members[i].address);
        strcpy(member->incarnation, identity->members[i].incarnation);
    }
    if (members->count > 0)
        qsort(members->at, members->count, sizeof *members->at, by_id);
}

void roster_close(struct roster *members) {
    free(members->at);
    *members = (struct roster){0};
}

const struct member *roster_find(const struct roster *members, raft_id id) {
    for (size_t i = 0; i < members->count; i++)
        if (members->at[i].id == id)
            return &members->at[i];
    return NULL;
}

size_t roster_voters(const struct roster *members) {
    size_t voters = 0;
    for (size_t i = 0; i < members->count; i++)
        voters += members->at[i].kind == RAFT_VOTER;
    return voters;
}

bool roster_joined(const struct store_identity *identity) {
    for (size_t i = 0; i < identity->member_count; i++)
        if (identity->members[i].id == identity->node)
            return false;
    return true;
}

struct raft_blob *roster_founders(const struct store_identity *identity) {
    char bytes[STORE_MEMBERS_MAX][STORE_ADDRESS_MAX + STORE_ID_LENGTH + HEAD_BYTES];
    char whole[RAFT_MEMBER_DATA_MAX];
    struct raft_member rows[STORE_MEMBERS_MAX];
    struct roster members = {0};
    roster_read_identity(&members, identity);
    for (size_t i = 0; i < members.count; i++) {
        size_t length = member_encode(&members.at[i], whole);
        assert(length <= sizeof bytes[i]);
        memcpy(bytes[i], whole, length);
        rows[i] = (struct raft_member){members.at[i].id, RAFT_VOTER, bytes[i], length};
    }
    struct raft_blob *list = raft_members_encode(rows, members.count);
    roster_close(&members);
    return list;
}
