/* SPDX-License-Identifier: MIT */
/*
 * The machine on which scripts run. Every node runs every script, so a run must come out the same everywhere: whatever ran before, however
 * much memory the machine has, wherever the process lies in it.
 *
 *     base                                                        base + SCRIPT_MEMORY_MAX
 *      | heap | Lua with its sandbox, made once |  what a run makes  |  never touched  |
 *      '-------------- the image --------------'
 *
 * All that Lua allocates lies in one arena, at an address that is the same in every process. Lua's tables order keys that are no numbers or
 * strings by their addresses, and tostring() shows them: here the same allocations get the same addresses. The sandbox is
 * made once, and a copy of its bytes kept; a run begins by copying them back. That is what makes a run fresh, and it costs a few microseconds
 * where making a Lua anew costs a hundred. Nothing in the arena may point to memory that a run could free outside of it: the one
 * library that would keep a buffer is told not to.
 *
 * The allocator takes the next bytes of the arena, or some of the same size that were freed. It has no headers: Lua tells the size when it
 * frees. Its own state lies at the arena's beginning, and so is part of the image. What does not fit is "not enough memory", for a script
 * to be caught like any error, on every node at the same place.
 *
 * Time is counted in instructions. The hook is called after every so many of them; when a run has had too many, every further instruction is
 * an error, so that no pcall can hold it.
 *
 * What a script makes of the machine before its first step, by being compiled, is always the same. So that can be kept (script_cache.c), as the bytes in
 * which the arena differs from the image, and be copied in place of compiling. Whoever has it kept goes on from the same bytes as
 * who compiles, with as many steps counted, and so comes out the same.
 *
 * There is one arena in a process, as there is one address, and a run begins and ends within one call on the thread of the loop. It holds nothing
 * between runs but the image.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "script.h"

enum {
    GRAIN = 16,
    SMALL_MAX = 1024,
    SMALL_CLASSES = SMALL_MAX / GRAIN,
    CLASSES = SMALL_CLASSES + 32, /* behind the small ones, powers of two */
    STEPS_EACH = 1000,            /* between two calls of the hook */
    STEPS_OF_MEMORY = 30,         /* for taking some, and for finding out when it is not needed any more */
    BYTES_EACH = 8,
    KEPT_BYTES = 4 * 1024 * 1024, /* that stay in memory after a run */
};

#if defined(__SANITIZE_THREAD__)
#define ARENA_BASE NULL /* its shadow lies there */
#else
#define ARENA_BASE ((void *)0x200000000000)
#endif

struct freed {
    struct freed *next;
};

/* At the beginning of the arena. */
struct heap {
    size_t top; /* bytes in use from the arena's beginning, and whatever was freed among them */
    struct freed *freed[CLASSES];
    lua_State *lua;
};

static struct machine {
    struct heap *heap;
    char *image;
    size_t image_size;
    struct script_run *run; /* NULL: no script runs */
    uint64_t steps;
} machine;

/* ---- memory --- */

static size_t class_of(size_t size) {
    size_t class = SMALL_CLASSES, room = SMALL_MAX;
    if (size <= SMALL_MAX)
        return (size - 1) / GRAIN;
    for (; room < size; room *= 2)
        class ++;
    return class - 1;
}

static size_t room_of(size_t class) {
    return class < SMALL_CLASSES ? (class + 1) * GRAIN : (size_t)SMALL_MAX << (class - SMALL_CLASSES + 1);
}

static void *take(struct heap *heap, size_t size) {
    if (size > SCRIPT_MEMORY_MAX)
        return NULL;
    size_t class = class_of(size), room = room_of(class);
    struct freed *freed = heap->freed[class];
    if (freed) {
        heap->freed[class] = freed->next;
        return freed;
    }
    if (room > SCRIPT_MEMORY_MAX - heap->top)
        return NULL;
    heap->top += room;
    return (char *)heap + heap->top - room;
}

static void give(struct heap *heap, void *bytes, size_t size) {
    if (size == 0)
        return;
    struct freed *freed = bytes;
    size_t class = class_of(size);
    freed->next = heap->freed[class];
    heap->freed[class] = freed;
}

static void *reallocate(void *context, void *bytes, size_t old_size, size_t size) {
    struct heap *heap = context;
    if (size == 0) {
        if (bytes)
            give(heap, bytes, old_size);
        return NULL;
    }
    if (bytes && old_size > 0 && class_of(old_size) == class_of(size))
        return bytes;
    machine.steps += STEPS_OF_MEMORY + size / BYTES_EACH; /* the next call of the hook looks at it */
    void *moved = take(heap, size);
    if (!moved)
        return bytes && size <= old_size ? bytes : NULL; /* one that shrinks is never refused */
    if (bytes) {
        memcpy(moved, bytes, old_size < size ? old_size : size);
        give(heap, bytes, old_size);
    }
    return moved;
}

/* ---- time --- */

static void on_count(lua_State *lua, lua_Debug *where) {
    (void)where;
    script_machine_charge(lua, STEPS_EACH);
}

static void too_long(lua_State *lua) {
    lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
    luaL_error(lua, "the script was stopped after %d steps", SCRIPT_STEPS_MAX);
}

void script_machine_charge(lua_State *lua, uint64_t steps) {
    machine.steps += steps;
    if (machine.steps > SCRIPT_STEPS_MAX)
        too_long(lua);
}

/* ---- runs --- */

static void make(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (ARENA_BASE ? MAP_FIXED_NOREPLACE : 0);
    void *base = mmap(ARENA_BASE, SCRIPT_MEMORY_MAX, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (base == MAP_FAILED || (ARENA_BASE && base != ARENA_BASE))
        abort(); /* elsewhere, scripts could come out otherwise than on other nodes */
    struct heap *heap = base;
    heap->top = (sizeof *heap + GRAIN - 1) / GRAIN * GRAIN;
    heap->lua = lua_newstate(reallocate, heap);
    if (!heap->lua)
        abort();
    script_sandbox_fill(heap->lua);
    lua_gc(heap->lua, LUA_GCCOLLECT, 0);
    machine.heap = heap;
    machine.image_size = heap->top;
    machine.image = malloc(machine.image_size);
    if (!machine.image)
        abort();
    memcpy(machine.image, heap, machine.image_size);
}

/*
 * A state, as bytes: the steps that were counted (8), then for each run of bytes that differ from the image, or lie behind it, where it begins (4), how
 * long it is (4), and the bytes.
 */

static void add_run(struct resp_buf *state, size_t from, size_t until) {
    uint32_t head[2] = {(uint32_t)from, (uint32_t)(until - from)};
    resp_buf_append(state, head, sizeof head);
    resp_buf_append(state, (const char *)machine.heap + from, until - from);
}

bool script_machine_save(struct resp_buf *state, size_t size_max) {
    enum { BLOCK = 64 };
    assert(machine.run);
    const char *now = (const char *)machine.heap;
    size_t end = machine.heap->top, from = 0, at = 0;
    resp_buf_append(state, &machine.steps, sizeof machine.steps);
    for (; at + BLOCK <= machine.image_size && resp_buf_length(state) <= size_max; at += BLOCK)
        if (memcmp(now + at, machine.image + at, BLOCK) == 0) {
            if (from < at)
                add_run(state, from, at);
            from = at + BLOCK;
        }
    if (resp_buf_length(state) > size_max || end - from > size_max)
        return false;
    add_run(state, from, end);
    return true;
}

void script_machine_restore(const void *state, size_t length) {
    const char *at = state, *end = at + length;
    uint32_t head[2];
    assert(machine.run && length > sizeof machine.steps);
    memcpy(&machine.steps, at, sizeof machine.steps);
    for (at += sizeof machine.steps; at < end; at += head[1]) {
        memcpy(head, at, sizeof head);
        at += sizeof head;
        assert(head[0] + (size_t)head[1] <= SCRIPT_MEMORY_MAX && head[1] <= (size_t)(end - at));
        memcpy((char *)machine.heap + head[0], at, head[1]);
    }
}

lua_State *script_machine_begin(struct script_run *run) {
    assert(!machine.run && run);
    if (!machine.heap)
        make();
    else
        memcpy(machine.heap, machine.image, machine.image_size);
    machine.run = run;
    machine.steps = 0;
    lua_sethook(machine.heap->lua, on_count, LUA_MASKCOUNT, STEPS_EACH);
    return machine.heap->lua;
}

void script_machine_end(void) {
    assert(machine.run);
    machine.run = NULL;
    if (machine.heap->top > KEPT_BYTES)
        madvise((char *)machine.heap + KEPT_BYTES, machine.heap->top - KEPT_BYTES, MADV_DONTNEED);
}

struct script_run *script_machine_run(void) {
    assert(machine.run);
    return machine.run;
}
