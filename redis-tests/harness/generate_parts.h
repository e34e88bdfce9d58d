/* SPDX-License-Identifier: MIT */
/* What the families of generated commands share. Private to generate*.c. */
#ifndef GENERATE_PARTS_H
#define GENERATE_PARTS_H

#include "generate.h"

/* One row a command. `arguments` is a template, one letter for each; generate.c says what its own letters mean. */
struct generate_row {
    const char *name;
    unsigned weight;
    const char *arguments;
    enum comparison comparison;
};

struct generate_family {
    const struct generate_row *rows;
    size_t count;
    /* Adds what its own letters mean; false: the letter is generate.c's. Or NULL. */
    bool (*argument)(uint64_t *seed, struct request *request, char kind);
};

extern const struct generate_family generate_hashes, generate_sets;

/* So many keys "hash:0", "set:0" ... are mostly of their type, and met by other commands too. */
enum { GENERATE_TYPED_KEYS = 4 };

#define PICK(seed, list) ((list)[generate_below(seed, sizeof(list) / sizeof(*(list)))])

uint64_t generate_below(uint64_t *seed, uint64_t limit);
bool generate_one_in(uint64_t *seed, uint64_t n);
void generate_text(struct request *request, const char *text);
void generate_integer(struct request *request, int64_t value);
void generate_key(uint64_t *seed, struct request *request);
void generate_value(uint64_t *seed, struct request *request);
void generate_number(uint64_t *seed, struct request *request);
void generate_float(uint64_t *seed, struct request *request);
/* Mostly a key of that type, sometimes any. */
void generate_typed_key(uint64_t *seed, struct request *request, const char *type);
/* Cursor and options of HSCAN and its kin, all in one step. */
void generate_members_scan(uint64_t *seed, struct request *request);
/* A count of draws, never so far below zero that the reply has no end. */
void generate_draws(uint64_t *seed, struct request *request);

#endif
