# SPDX-License-Identifier: MIT
# redis-rb: plain, cluster: and sentinels:. See run.py.
require 'redis'

$stdout.sync = true
THROUGH_S = 4.0

def step(name)
  got, wanted = yield
  puts(got == wanted ? "ok #{name}" : "not #{name}: expected #{wanted.inspect}, got #{got.inspect}")
rescue StandardError => error
  puts "not #{name}: #{error.class} #{error.message.tr("\n", ' ')}"
end

def connect(way, addresses)
  pairs = addresses.map { |address| address.split(':') }
  case way
  when 'cluster' then Redis.new(cluster: addresses.map { |address| "redis://#{address}" }, timeout: 5)
  when 'sentinel'
    sentinels = pairs.map { |host, port| { host: host, port: port.to_i } }
    Redis.new(url: 'redis://mymaster', sentinels: sentinels, role: :master, timeout: 5, reconnect_attempts: 10,
              reconnect_delay: 0.05)
  else Redis.new(host: pairs[0][0], port: pairs[0][1].to_i, timeout: 5)
  end
end

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

def transaction(client, way, addresses)
  first = client.multi { |tx| tx.set('story:tx', '1'); tx.incr('story:tx') }
  return [first, ['OK', 2]] if way == 'cluster' # its watch has no node to go to

  other = connect(way, addresses)
  second = client.watch('story:tx') do
    other.set('story:tx', 'other')
    client.multi { |tx| tx.set('story:tx', 'mine') }
  end
  [[first, second, client.get('story:tx')], [['OK', 2], nil, 'other']]
end

def script(client)
  source = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
  first = client.eval(source, keys: ['story:script'], argv: [5])
  [[first, client.evalsha(Digest::SHA1.hexdigest(source), keys: ['story:script'], argv: [5])], [5, 10]]
end

def told(way, addresses, what)
  publisher = Thread.new do
    client = connect(way, addresses)
    5.times do
      sleep 0.2
      client.publish('story:channel', what)
    end
  end
  got = nil
  connect(way, addresses).subscribe_with_timeout(3, 'story:channel') do |on|
    on.message do |_, message|
      got = message
      raise StopIteration
    end
  end
  [got, what]
rescue StopIteration
  [got, what]
ensure
  publisher.kill
end

def through(client)
  puts 'kill'
  acknowledged = failed = 0
  pause = 0.0
  start = last = now
  while now - start < THROUGH_S
    begin
      client.incr('story:counter')
    rescue Redis::BaseError => error
      failed += 1
      warn "attempt: #{error.class} #{error.message}"
      sleep 0.02
      next
    end
    acknowledged += 1
    pause = [pause, now - last].max
    last = now
    sleep 0.01
  end
  puts "through #{acknowledged} #{failed} #{(pause * 1000).to_i} #{((now - last) * 1000).to_i}"
end

require 'digest'
way, *addresses = ARGV
puts "version #{Redis::VERSION}"
puts "resends" # reconnect_attempts is 1 where it is not said
client = connect(way, addresses)
step('write and read') do
  client.set('story:key', "\0\r\n\xff".b, ex: 100)
  [client.get('story:key').b, "\0\r\n\xff".b]
end
step('hash') do
  client.hset('story:hash', 'a', 1, 'b', 2)
  [client.hgetall('story:hash'), { 'a' => '1', 'b' => '2' }]
end
step('pipeline') { [client.pipelined { |pipe| 100.times { pipe.incr('story:pipelined') } }, (1..100).to_a] }
step(way == 'cluster' ? 'transaction' : 'transaction and watch') { transaction(client, way, addresses) }
step('script') { script(client) }
step('publish and subscribe') { told(way, addresses, 'before') }
through(client)
step('read afterwards') { [client.get('story:key').b, "\0\r\n\xff".b] }
step('publish afterwards') { told(way, addresses, 'after') }
