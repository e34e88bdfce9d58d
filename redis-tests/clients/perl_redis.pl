# SPDX-License-Identifier: MIT
# Perl's Redis: plain and sentinels. See run.py.
use strict;
use warnings;
use Digest::SHA qw(sha1_hex);
use Redis;
use Time::HiRes qw(sleep time);

use constant THROUGH_S => 4.0;
$| = 1;
my ($way, @addresses) = @ARGV;

sub show { return join ',', map { !defined $_ ? 'undef' : ref $_ ? '[' . show(@$_) . ']' : $_ } @_ }

sub step {
    my ($name, $check, @wanted) = @_;
    my @got = eval { $check->() };
    return print "not $name: $@" =~ s/\n/ /gr, "\n" if $@;
    print show(@got) eq show(@wanted) ? "ok $name\n" : "not $name: expected " . show(@wanted) . ', got ' . show(@got) . "\n";
}

sub connect_to {
    my @common = (reconnect => 3, every => 50_000, cnx_timeout => 2, read_timeout => 5, encoding => undef);
    return Redis->new(server => $addresses[0], @common) if $way eq 'proxy';
    return Redis->new(sentinels => [@addresses], service => 'mymaster', sentinels_cnx_timeout => 1, @common);
}

sub pipelined {
    my ($client) = @_;
    my @got;
    $client->incr('story:pipelined', sub { push @got, $_[0] }) for 1 .. 100;
    $client->wait_all_responses;
    return @got;
}

sub transaction {
    my ($client) = @_;
    $client->multi;
    $client->set('story:tx', 1);
    $client->incr('story:tx');
    my @first = $client->exec;
    $client->watch('story:tx');
    connect_to()->set('story:tx', 'other');
    $client->multi;
    $client->set('story:tx', 'mine');
    my $second = $client->exec;
    return (@first, $second, $client->get('story:tx'));
}

sub script {
    my ($client) = @_;
    my $source = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
    return ($client->eval($source, 1, 'story:script', 5), $client->evalsha(sha1_hex($source), 1, 'story:script', 5));
}

sub told {
    my ($what) = @_;
    my $got;
    my $listener = connect_to();
    $listener->subscribe('story:channel', sub { $got = $_[0] });
    my $publisher = connect_to();
    for (1 .. 10) {
        $publisher->publish('story:channel', $what);
        $listener->wait_for_messages(0.3);
        last if defined $got;
    }
    return $got;
}

sub through {
    my ($client) = @_;
    print "kill\n";
    my ($acknowledged, $failed, $pause) = (0, 0, 0);
    my $start = my $last = time;
    while (time - $start < THROUGH_S) {
        if (!eval { $client ||= connect_to(); $client->incr('story:counter'); 1 }) {
            $failed++;
            print STDERR "attempt: $@\n";
            undef $client;
            sleep 0.02;
            next;
        }
        $acknowledged++;
        $pause = time - $last if time - $last > $pause;
        $last = time;
        sleep 0.01;
    }
    printf "through %d %d %d %d\n", $acknowledged, $failed, $pause * 1000, (time - $last) * 1000;
    return $client;
}

print "version $Redis::VERSION\n";
my $client = connect_to();
step('write and read', sub { $client->set('story:key', "\0\r\n\xff", EX => 100); unpack 'H*', $client->get('story:key') },
     unpack 'H*', "\0\r\n\xff");
step('hash', sub { $client->hset('story:hash', 'a', 1, 'b', 2); my %got = $client->hgetall('story:hash');
                   map { $_ => $got{$_} } sort keys %got }, 'a', 1, 'b', 2);
step('pipeline', sub { pipelined($client) }, 1 .. 100);
step('transaction and watch', sub { transaction($client) }, 'OK', 2, undef, 'other');
step('script', sub { script($client) }, 5, 10);
step('publish and subscribe', sub { told('before') }, 'before');
$client = through($client);
step('read afterwards', sub { unpack 'H*', $client->get('story:key') }, unpack 'H*', "\0\r\n\xff");
step('publish afterwards', sub { told('after') }, 'after');
