// SPDX-License-Identifier: MIT

// redigo: a pool of connections to a proxy. See run.py.
package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

const throughFor = 4 * time.Second

func step(name string, got interface{}, err error, wanted interface{}) {
	switch {
	case err != nil:
		fmt.Printf("not %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
	case !reflect.DeepEqual(got, wanted):
		fmt.Printf("not %s: expected %q, got %q\n", name, wanted, got)
	default:
		fmt.Println("ok", name)
	}
}

func read(connection redis.Conn) (string, error) {
	return redis.String(connection.Do("GET", "story:key"))
}

func pipelined(connection redis.Conn) (int, error) {
	for i := 0; i < 100; i++ {
		connection.Send("INCR", "story:pipelined")
	}
	connection.Flush()
	last := 0
	for i := 1; i <= 100; i++ {
		got, err := redis.Int(connection.Receive())
		if err != nil || got != i {
			return got, err
		}
		last = got
	}
	return last, nil
}

func transaction(pool *redis.Pool, connection redis.Conn) ([]string, error) {
	connection.Send("MULTI")
	connection.Send("SET", "story:tx", 1)
	connection.Send("INCR", "story:tx")
	first, err := redis.Values(connection.Do("EXEC"))
	if err != nil {
		return nil, err
	}
	connection.Do("WATCH", "story:tx")
	other := pool.Get()
	defer other.Close()
	other.Do("SET", "story:tx", "other")
	connection.Send("MULTI")
	connection.Send("SET", "story:tx", "mine")
	second, err := connection.Do("EXEC")
	return []string{fmt.Sprint(first[0]), fmt.Sprint(first[1]), fmt.Sprint(second)}, err
}

func script(connection redis.Conn) (int, error) {
	add := redis.NewScript(1, "return redis.call('INCRBY', KEYS[1], ARGV[1])")
	if _, err := add.Do(connection, "story:script", 5); err != nil {
		return 0, err
	}
	return redis.Int(add.Do(connection, "story:script", 5))
}

func told(pool *redis.Pool, what string) (string, error) {
	listener := redis.PubSubConn{Conn: pool.Get()}
	defer listener.Close()
	if err := listener.Subscribe("story:channel"); err != nil {
		return "", err
	}
	listener.ReceiveWithTimeout(3 * time.Second)
	publisher := pool.Get()
	defer publisher.Close()
	if _, err := publisher.Do("PUBLISH", "story:channel", what); err != nil {
		return "", err
	}
	switch got := listener.ReceiveWithTimeout(3 * time.Second).(type) {
	case redis.Message:
		return string(got.Data), nil
	case error:
		return "", got
	default:
		return "", fmt.Errorf("%v came", got)
	}
}

func through(pool *redis.Pool) {
	fmt.Println("kill")
	acknowledged, failed := 0, 0
	var pause time.Duration
	start := time.Now()
	last := start
	for time.Since(start) < throughFor {
		connection := pool.Get()
		_, err := connection.Do("INCR", "story:counter")
		connection.Close()
		if err != nil {
			failed++
			fmt.Fprintln(os.Stderr, "attempt:", err)
			time.Sleep(20 * time.Millisecond)
			continue
		}
		acknowledged++
		if time.Since(last) > pause {
			pause = time.Since(last)
		}
		last = time.Now()
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("through", acknowledged, failed, pause.Milliseconds(), time.Since(last).Milliseconds())
}

func main() {
	pool := &redis.Pool{
		MaxIdle: 3,
		Dial: func() (redis.Conn, error) {
			return redis.Dial("tcp", os.Args[2], redis.DialConnectTimeout(2*time.Second), redis.DialReadTimeout(5*time.Second))
		},
	}
	connection := pool.Get()
	connection.Do("SET", "story:key", "\x00\r\n\xff", "EX", 100)
	value, err := read(connection)
	step("write and read", value, err, "\x00\r\n\xff")
	count, err := pipelined(connection)
	step("pipeline", count, err, 100)
	replies, err := transaction(pool, connection)
	step("transaction and watch", replies, err, []string{"OK", "2", "<nil>"})
	count, err = script(connection)
	step("script", count, err, 10)
	message, err := told(pool, "before")
	step("publish and subscribe", message, err, "before")
	through(pool)
	value, err = read(pool.Get())
	step("read afterwards", value, err, "\x00\r\n\xff")
	message, err = told(pool, "after")
	step("publish afterwards", message, err, "after")
}
