# SPDX-License-Identifier: MIT
# redis-benchmark: by a proxy and on the leader, which is killed in the middle. See run.py.
cd "$(dirname "$0")" || exit 1
. ./story.sh

benchmark() { # address, arguments
    local address=$1
    shift
    nice -n 10 timeout 40 redis-benchmark -h "${address%:*}" -p "${address#*:}" "$@" 2>&1 | tr '\r' '\n' | grep -v 'rps=' |
        grep -v '^ *$'
}

# Tests that ended with a rate, and none with an error.
rates() { grep -c 'requests per second' <<<"$1"; }

all=ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset
echo "version $(redis-benchmark --version | cut -d' ' -f2)"
if [ "$way" = proxy ]; then
    target=${addresses[0]}
else
    target=$(leader)
fi
tested=$(benchmark "$target" -q -n 300 -c 10 -t "$all")
step "its usual tests" 17 "$(rates "$tested")"
step "no complaint" "" "$(grep -iv 'requests per second' <<<"$tested")"
step pipelines 2 "$(rates "$(benchmark "$target" -q -n 2000 -c 10 -P 16 -t set,get)")"
step RESP3 2 "$(rates "$(benchmark "$target" -q -3 -n 300 -c 10 -t set,get)")"

if [ "$way" = proxy ]; then
    # Any error reply ends its run; so there is none, neither to reads nor to writes.
    echo kill
    for _ in {1..4}; do
        benchmark "$target" -q -n 1500 -c 2 -t set,incr,get,lpush
    done >"$scratch/through"
    step "reads and writes through kill -9" 16 "$(rates "$(cat "$scratch/through")")"
else
    step "--cluster refuses one master, as it does Redis's" "Invalid cluster: 1 node(s)." \
        "$(benchmark "$target" --cluster -q -n 300 -t set)"
    echo kill
    for _ in {1..100}; do
        sleep 0.1
        next=$(leader)
        [ -n "$next" ] && [ "$next" != "$target" ] && break
    done
    target=$next
fi
step "writes afterwards" 1 "$(rates "$(benchmark "$target" -q -n 300 -c 10 -t set)")"
