<?php
/* SPDX-License-Identifier: MIT */
/* phpredis: Redis, RedisCluster, and Redis at the address that RedisSentinel tells. See run.py. */

const THROUGH_S = 4.0;

function say(...$words) {
    echo implode(' ', $words), "\n";
    flush();
}

function step($name, $check) {
    try {
        [$got, $wanted] = $check();
        say($got === $wanted ? "ok $name" : "not $name: expected " . json_encode($wanted) . ', got ' . json_encode($got));
    } catch (Throwable $error) {
        say("not $name:", get_class($error), strtr($error->getMessage(), "\n", ' '));
    }
}

function at_address($address) {
    [$host, $port] = explode(':', $address);
    $client = new Redis();
    $client->connect($host, (int) $port, 2.0, null, 0, 5.0);
    return $client;
}

function connect($way, $addresses) {
    if ($way === 'cluster')
        return new RedisCluster(null, $addresses, 2.0, 5.0);
    if ($way === 'proxy')
        return at_address($addresses[0]);
    foreach ($addresses as $address) {
        [$host, $port] = explode(':', $address);
        try {
            $master = (new RedisSentinel($host, (int) $port, 1.0))->getMasterAddrByName('mymaster');
            if ($master)
                return at_address(implode(':', $master));
        } catch (RedisException $error) {
            continue;
        }
    }
    throw new RedisException('no Sentinel answers');
}

/* Subscribing takes the whole connection, and so another process publishes. */
function told($way, $addresses, $what) {
    $child = pcntl_fork();
    if ($child === 0) {
        usleep(300000);
        $client = connect($way, $addresses);
        for ($i = 0; $i < 3; $i++) {
            $client->publish('story:channel', $what);
            usleep(200000);
        }
        posix_kill(getmypid(), SIGKILL);   /* it has nothing to end */
    }
    $got = null;
    $listener = connect($way, $addresses);
    try {
        $listener->subscribe(['story:channel'], function ($connection, $channel, $message) use (&$got) {
            $got = $message;
            $connection->close();
        });
    } catch (Throwable $error) {
        /* closed from within */
    }
    pcntl_waitpid($child, $status);
    return [$got, $what];
}

function transaction($client, $way, $addresses) {
    $first = $client->multi()->set('story:tx', '1')->incr('story:tx')->exec();
    $client->watch('story:tx');
    connect($way, $addresses)->set('story:tx', 'other');
    $second = $client->multi()->set('story:tx', 'mine')->exec();
    return [[$first, (bool) ($second[0] ?? false), $client->get('story:tx')], [[true, 2], false, 'other']];
}

function pipelined($client, $way) {
    if ($way === 'cluster')   /* its client has no pipelines: one command with many keys instead */
        return [$client->mset(array_fill_keys(range(1, 100), 'x')), true];
    $pipe = $client->pipeline();
    for ($i = 0; $i < 100; $i++)
        $pipe->incr('story:pipelined');
    return [$pipe->exec(), range(1, 100)];
}

function script($client) {
    $source = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    $first = $client->eval($source, ['story:script', 5], 1);
    return [[$first, $client->evalSha(sha1($source), ['story:script', 5], 1)], [5, 10]];
}

function through($client, $way, $addresses) {
    say('kill');
    [$acknowledged, $failed, $pause] = [0, 0, 0.0];
    $start = $last = microtime(true);
    while (microtime(true) - $start < THROUGH_S) {
        try {
            $client ??= connect($way, $addresses);
            if ($client->incr('story:counter') === false)
                throw new RedisException($client->getLastError() ?? 'false');
        } catch (Exception $error) {   /* it does not connect again by itself where the leader is another now */
            $failed++;
            $client = null;
            fwrite(STDERR, 'attempt: ' . $error->getMessage() . "\n");
            usleep(20000);
            continue;
        }
        $acknowledged++;
        $pause = max($pause, microtime(true) - $last);
        $last = microtime(true);
        usleep(10000);
    }
    say('through', $acknowledged, $failed, (int) ($pause * 1000), (int) ((microtime(true) - $last) * 1000));
    return $client;
}

$way = $argv[1];
$addresses = array_slice($argv, 2);
say('version', phpversion('redis'));
$client = connect($way, $addresses);
step('write and read', function () use ($client) {
    $client->set('story:key', "\0\r\n\xff", ['ex' => 100]);
    return [bin2hex($client->get('story:key')), bin2hex("\0\r\n\xff")];
});
step('hash', function () use ($client) {
    $client->hMSet('story:hash', ['a' => '1', 'b' => '2']);
    return [$client->hGetAll('story:hash'), ['a' => '1', 'b' => '2']];
});
step($way === 'cluster' ? 'many keys' : 'pipeline', fn() => pipelined($client, $way));
step('transaction and watch', fn() => transaction($client, $way, $addresses));
step('script', fn() => script($client));
step('publish and subscribe', fn() => told($way, $addresses, 'before'));
$client = through($client, $way, $addresses);
step('read afterwards', fn() => [bin2hex($client->get('story:key')), bin2hex("\0\r\n\xff")]);
step('publish afterwards', fn() => told($way, $addresses, 'after'));
