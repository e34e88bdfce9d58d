#!/bin/bash
# What can be checked about the sources without running them: `make lint`, which has compiled everything with warnings as
# errors before, with gcc (objects in $1) and with clang.
#
#     format         clang-format
#     static         clang-tidy, see .clang-tidy (function length among it)
#     head           the licence line; no unfinished marks
#     length         files of 700 lines at most
#     includes       data flows one way: which room may include what
#     purity         resp/, raft/, src/data and src/cmd reach no clock, chance, socket, file or thread: by their objects' symbols
set -u
cd "$(dirname "$0")/.." || exit 1
objects=$1
bad=0

complain() {
    echo "$1" >&2
    bad=$((bad + 1))
}

mapfile -t files < <(find resp raft src tests redis-tests -name '*.[ch]' | sort)
mapfile -t product < <(find resp raft src -name '*.c' | sort)

# ---- format, static ----------------------------------------------------------------------------------------------

clang-format --dry-run -Werror "${files[@]}" || complain "format: run clang-format -i on the files above"

printf '%s\n' "${product[@]}" | xargs -P "$(nproc)" -n 4 sh -c 'clang-tidy --quiet "$@" -- -std=gnu11 -isystem /usr/include/lua5.1 2>/dev/null' lint ||
    complain "static: see above"

# ---- head, length ------------------------------------------------------------------------------------------------

for file in "${files[@]}"; do
    [ "$(head -n 1 "$file")" = '/* SPDX-License-Identifier: MIT */' ] || complain "$file: the first line is no SPDX line"
    lines=$(wc -l <"$file")
    [ "$lines" -le 700 ] || complain "$file: $lines lines: is it one thing?"
done
grep -nE '\b(TODO|FIXME|XXX|HACK)\b' "${files[@]}" && complain "unfinished marks: see above"

# ---- includes ----------------------------------------------------------------------------------------------------

# What a room may include, as a pattern of paths from the top; the first row that fits a file's folder counts.
may_include() {
    case $1 in
    resp) echo '^resp/' ;;
    raft) echo '^raft/' ;;
    src/data) echo '^(src/data/|resp/resp\.h$)' ;;
    src/cmd) echo '^(src/cmd/|src/data/(keyspace|collection|finder|lists|stream|groups|glob|events)\.h$|resp/resp\.h$|src/(audience|conf|logger|latency|slowlog|spikes|version)\.h$)' ;;
    src/net) echo '^(src/net/|resp/resp\.h$|src/worker\.h$)' ;;
    src/store) echo '^(src/store/|raft/raft\.h$|src/worker\.h$)' ;;
    src) echo '^(src/[a-z_]*\.h$|resp/resp\.h$|raft/raft\.h$|src/net/net\.h$|src/store/(store|data)\.h$|src/cmd/(command|report|health|text|transactions)\.h$|src/data/(keyspace|glob|events|hash|watch)\.h$)' ;;
    redis-tests/chaos) echo '^(redis-tests/|tests/sim/checker\.h$)' ;;
    redis-tests/*) echo '^redis-tests/' ;;
    redis-tests) echo '^redis-tests/' ;;
    *) echo '.' ;;
    esac
}

while IFS=: read -r file line text; do
    folder=$(dirname "$file")
    path=$(realpath -m --relative-to=. "$folder/$(echo "$text" | cut -d '"' -f 2)")
    [[ $path =~ $(may_include "$folder") ]] || complain "$file:$line: $folder may not include $path"
done < <(grep -nE '^ *# *include +"' "${files[@]}" | sed -E 's/ *# *include +//')

# ---- purity ------------------------------------------------------------------------------------------------------

# All that these rooms may have from libc: memory, strings, formatting into memory, arithmetic. From the rest of the
# program: the rooms below them, by the prefixes of their public names, and for src/cmd the configuration as a value.
libc='__assert_fail|__popcountdi2|__stack_chk_fail|abort|calloc|free|malloc|realloc|qsort|bsearch|__ctype_[a-z]+_loc|to(lower|upper)'
libc+='|_GLOBAL_OFFSET_TABLE_|mem[a-z]+|str[a-z_]+|v?snprintf|(__isoc99_)?sscanf|__errno_location|fmod|floor|ceil|pow|log|log2|exp|sqrt|l?lrint|round|modf'

check_purity() { # folder, what it may call beside itself and libc
    local defined undefined symbol
    defined=$(nm --defined-only "$objects/$1"/*.o | awk 'NF == 3 && $2 ~ /[TDBRVW]/ { print $3 }' | sort -u)
    undefined=$(nm -u "$objects/$1"/*.o | awk '$1 == "U" { print $2 }' | sort -u)
    for symbol in $(comm -13 <(echo "$defined") <(echo "$undefined")); do
        [[ $symbol =~ ^($libc|$2)$ ]] || complain "$1 uses $symbol: it may call itself, $2 and libc's memory and strings"
    done
}

check_purity resp '-'
check_purity raft '-'
check_purity src/data 'resp_[a-z_]+|mmap|munmap|madvise|sbrk'
check_purity src/cmd '(resp|keyspace|item|collection|finder|hash|set|zset|list|stream|groups?|consumers?|pending|glob|events|audience|subscriber|conf|latency|slowlog|spikes)_[a-z_]+|lua_[a-z]+|luaL_[a-z]+|luaopen_[a-z]+|EVP_(Digest|sha1)|mmap|madvise'

[ $bad -eq 0 ] && echo "lint: ${#files[@]} files clean" && exit 0
echo "lint: $bad complaints" >&2
exit 1
