/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a configuration: read as standard input, as a file would be. Whatever they are, the answer is a configuration that
 * holds its own invariants, or a reason; what CONFIG GET shows of an accepted one can be set again.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../src/conf.h"
#include "../../src/conf_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const struct conf_directive *row, const struct conf *conf) {
    static struct conf again;
    char value[CONF_VALUE_MAX], second[CONF_VALUE_MAX], why[CONF_WHY_MAX];
    char *word = value;
    if (row->type == CONF_RAFT_NODE)
        return;
    conf_init(&again);
    conf_value_get(row, conf, value);
    assert(conf_value_set(row, &again, 1, &word, why));
    conf_value_get(row, &again, second);
    assert(strcmp(value, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct conf conf;
    char why[CONF_WHY_MAX] = "";
    uint8_t copy[16384];
    if (size == 0 || size > sizeof copy || memmem(data, size, "include", 7) != NULL)
        return 0; /* other files are none of its business */
    memcpy(copy, data, size);
    FILE *input = fmemopen(copy, size, "r");
    assert(input != NULL);
    FILE *standard = stdin;
    stdin = input;
    bool ok = conf_load(&conf, "-", 0, NULL, why);
    stdin = standard;
    fclose(input);
    assert(ok || why[0] != '\0');
    for (size_t i = 0; ok && i < conf_directive_count; i++)
        check_value(&conf_directives[i], &conf);
    return 0;
}
