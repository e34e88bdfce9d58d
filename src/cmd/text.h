/* SPDX-License-Identifier: MIT */
/* Text built piece by piece, for replies of many lines. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "../../resp/resp.h"

/* Adds formatted text at the back. */
void text_add(struct resp_buf *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds `word` with whatever would break a line of fields (CR, LF, and the byte `reserved`) turned into spaces; reserved 0: none. */
void text_add_word(struct resp_buf *text, const char *word, char reserved);
/* Sends the text as a verbatim string, and closes it. */
void text_reply(struct resp_buf *text, struct resp_out *reply);
/* 1536 is "1.50K", as INFO's _human fields. */
enum { TEXT_HUMAN_MAX = 32 };
void text_human(char human[TEXT_HUMAN_MAX], size_t bytes);

#endif
