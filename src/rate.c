/* SPDX-License-Identifier: MIT */
#include "rate.h"

enum { FULL = 1024, FREE_FROM = FULL * 3 / 4, STEEPNESS = 8 };

/* Of FULL. */
static uint64_t share(uint64_t part, uint64_t whole) {
    if (part >= whole)
        return FULL;
    while (whole > UINT64_MAX / FULL) { /* bounds that are none */
        part >>= 10;
        whole >>= 10;
    }
    return part * FULL / whole;
}

uint64_t rate_of(uint64_t base, const struct rate_strain *strain) {
    const uint64_t shares[] = {share(strain->kept, strain->kept_max), share(strain->grown, strain->grown_max),
                               share(strain->entries, strain->entries_max)};
    uint64_t worst = 0;
    for (unsigned i = 0; i < sizeof shares / sizeof shares[0]; i++)
        worst = shares[i] > worst ? shares[i] : worst;
    if (base == 0 || base > UINT64_MAX / FULL / STEEPNESS || strain->hurry || worst >= FREE_FROM)
        return 0;
    return base + base * STEEPNESS * worst / FREE_FROM;
}

bool rate_is_due(const struct rate_strain *strain, bool catching_up) {
    unsigned patience = catching_up ? 2 : 1;
    return strain->grown / patience >= strain->grown_max || strain->entries / patience >= strain->entries_max;
}
