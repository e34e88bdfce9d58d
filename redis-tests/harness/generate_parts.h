/* SPDX-License-Identifier: MIT */
/* What the generator's families of commands are made of. */
#ifndef GENERATE_PARTS_H
#define GENERATE_PARTS_H

#include "generate.h"

uint64_t generate_below(uint64_t *seed, uint64_t limit);
void generate_text(struct request *request, const char *text);
/* An argument as the letters of generate.c's templates say. */
void generate_argument(uint64_t *seed, struct request *request, char kind);
/* The name, or command and subcommand with '|' between them, in changing case. */
void generate_name(uint64_t *seed, struct request *request, const char *name);
/* One argument less, or more. */
void generate_spoilt(uint64_t *seed, struct request *request);

/* One command of a family. */
enum comparison generate_zset(uint64_t *seed, struct request *request);

#endif
