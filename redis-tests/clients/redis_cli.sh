# SPDX-License-Identifier: MIT
# redis-cli: commands, its own modes, and scripts that go on through the kill. See run.py.
cd "$(dirname "$0")" || exit 1
. ./story.sh

follow=()
[ "$way" = cluster ] && follow=(-c)
here=$(alive)
cli() { at "$here" "${follow[@]}" "$@"; }

echo "version $(redis-cli --version | cut -d' ' -f2)"
step write OK "$(cli SET story:key value EX 100)"
step read value "$(cli GET story:key)"
step "read by RESP3" "a 1*b 2*" "$(cli HSET story:hash a 1 b 2 >/dev/null; cli -3 HGETALL story:hash | paste -d' ' - -)"
step pipeline 100 "$(for _ in {1..100}; do echo INCR story:pipelined; done | cli | tail -1)"
other=$(leader) # a redirection would leave the MULTI behind; a proxy does not name the leader, and needs not
step transaction "OK*QUEUED*QUEUED*OK*2" \
    "$(printf 'MULTI\nSET story:tx 1\nINCR story:tx\nEXEC\n' | at "${other:-$here}")"
step watch "OK*OK*QUEUED*other" "$({
    printf 'WATCH story:tx\n'
    sleep 0.3
    at "${other:-$here}" SET story:tx other >"$scratch/other"
    printf 'MULTI\nSET story:tx mine\nEXEC\nGET story:tx\n'
} | at "${other:-$here}")"
step script 5 "$(cli EVAL "return redis.call('INCRBY', KEYS[1], ARGV[1])" 1 story:script 5)"

told() { # name, message
    at "$(alive)" SUBSCRIBE story:channel >"$scratch/heard" &
    local listener=$!
    for _ in {1..30}; do
        cli PUBLISH story:channel "$2" >/dev/null
        sleep 0.1
        grep -qx "$2" "$scratch/heard" && break
    done
    kill "$listener"
    step "$1" "*message*story:channel*$2*" "$(tr -d "\0" <"$scratch/heard")"
}
told "publish and subscribe" before

# ---- its own modes: they don't follow MOVED, so they go to the leader -----------------------------------------
mode() { at "${other:-$here}" "$@"; }

for i in {1..200}; do
    printf '*3\r\n$3\r\nSET\r\n$%d\r\nstory:pipe:%d\r\n$1\r\nx\r\n' $((11 + ${#i})) "$i"
done >"$scratch/protocol"
step --pipe "*errors: 0, replies: 200*" "$(mode --pipe <"$scratch/protocol" 2>&1 | tr -d "\0")"
step --scan 200 "$(mode --scan --pattern 'story:pipe:*' | sort -u | wc -l)"
step --bigkeys "*Biggest string found*Biggest   hash found*strings with*" "$(mode --bigkeys)"
step --memkeys "*Biggest string found*" "$(mode --memkeys)"
step --stat "*keys*mem*clients*requests*connections*[0-9]*" "$(limit=2 mode --stat)"
step --latency "*[0-9].[0-9]*" "$(mode --latency)"
step "-r -i" "PONG*PONG*PONG" "$(mode -r 3 -i 0.05 PING)"
if [ "$way" = cluster ]; then
    step "--cluster check" "*OK*All nodes agree about slots configuration*OK*All 16384 slots covered*" \
        "$(timeout 10 redis-cli --cluster check "$here" 2>&1)"
    step "--cluster info" "*keys in 1 masters*" "$(timeout 10 redis-cli --cluster info "$here" 2>&1)"
    step "--cluster call" "*PONG*PONG*PONG*" "$(timeout 10 redis-cli --cluster call "$here" PING 2>&1)"
fi

# ---- through the kill ------------------------------------------------------------------------------------------------

echo kill
acknowledged=0 failed=0 pause=0
start=$(now_ms) last=$start
while [ $(($(now_ms) - start)) -lt 4000 ]; do
    if [[ $(cli INCR story:counter 2>&1) =~ ^[0-9]+$ ]]; then
        now=$(now_ms)
        acknowledged=$((acknowledged + 1))
        [ $((now - last)) -gt "$pause" ] && pause=$((now - last))
        last=$now
        sleep 0.02
    else
        failed=$((failed + 1))
        here=$(alive)
    fi
done
echo "through $acknowledged $failed $pause $(($(now_ms) - last))"
step "read afterwards" value "$(cli GET story:key)"
told "publish afterwards" after
