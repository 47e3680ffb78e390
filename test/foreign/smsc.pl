#!/usr/bin/perl
# An SMSC made of Net::SMPP (Debian: libnet-smpp-perl), with Perl's own GSM 03.38 and UTF-16. Commands on stdin and events on stdout
# are those of smsc.mjs. It also grants transmitters and receivers; what it delivers goes to the binds that receive, in turn.
use strict;
use warnings;
use Encode qw(decode encode);
use Encode::GSM0338;
use Getopt::Long;
use IO::Select;
use JSON::PP;
use Net::SMPP;
use POSIX qw(strftime);
use Time::HiRes qw(time);

my ($port, $system_id, $password, $receipt_delay) = (0, 'tidings', 'secret', 20);
GetOptions('port=i' => \$port, 'system-id=s' => \$system_id, 'password=s' => \$password, 'receipt-delay=i' => \$receipt_delay) or die;
$| = 1;
$SIG{PIPE} = 'IGNORE';
binmode STDIN;

my ($binds, $submits, $delivers, $turn) = ({}, 0, 0, 0);    # binds by their socket
my @timers;                                                 # [when, what to do]
my @waiting;                                                # deliveries without a bind to go to
my $reference = 0;
my $run = sprintf '%x', int(time * 1000);                   # so that no run repeats an id of another

use constant {
    BIND_RX => 1, BIND_TX => 2, SUBMIT => 4, DELIVER_RESP => 0x80000005, UNBIND => 6, BIND_TRX => 9, ENQUIRE => 0x15, DATA => 0x103,
};

sub tell_event { print encode_json({ event => shift, @_ }), "\n" }

sub after { my ($ms, $do) = @_; push @timers, [ time + $ms / 1000, $do ] }

# deliver sends until it is acknowledged.
sub deliver {
    my ($delivery) = @_;
    my @able = grep { $_->{receives} } sort { $a->{place} <=> $b->{place} } values %$binds;
    return push @waiting, $delivery unless @able;
    my $bind = $able[ $turn++ % @able ];
    my $seq = $bind->{socket}->deliver_sm(%{ $delivery->{pdu} }, async => 1);
    $bind->{open}{$seq} = $delivery;
}

sub acknowledged {
    my ($bind, $pdu) = @_;
    my $delivery = delete $bind->{open}{ $pdu->{seq} } or return tell_event('error', text => "an answer to nothing: $pdu->{seq}");
    tell_event($delivery->{event}, %{ $delivery->{more} }, status => $pdu->{status});
    after(100, sub { deliver($delivery) }) if $pdu->{status};
}

sub address {
    my ($prefix, $text) = @_;
    my ($ton, $npi) = $text =~ /^\+/ ? (1, 1) : $text =~ /^\d+$/ ? (3, 0) : (5, 0);
    $text =~ s/^\+//;
    return ("${prefix}_addr_ton" => $ton, "${prefix}_addr_npi" => $npi, ($prefix eq 'dest' ? 'destination' : $prefix) . '_addr' => $text);
}

# parts_of reads a text, and which part of a longer one it is.
sub parts_of {
    my ($pdu) = @_;
    my ($octets, %joint) = length $pdu->{short_message} ? $pdu->{short_message} : $pdu->{message_payload} // '';
    if ($pdu->{esm_class} & 0x40) {
        my $header = substr $octets, 1, ord $octets;
        $octets = substr $octets, 1 + ord $octets;
        while (length $header) {
            my ($id, $value) = unpack 'C C/a', $header;
            $header = substr $header, 2 + length $value;
            @joint{qw(ref total number)} = unpack 'CCC', $value if $id == 0;
            @joint{qw(ref total number)} = unpack 'nCC', $value if $id == 8;
        }
    }
    elsif (defined $pdu->{sar_total_segments}) {
        %joint = (ref => unpack('n', $pdu->{sar_msg_ref_num}), total => ord $pdu->{sar_total_segments}, number => ord $pdu->{sar_segment_seqnum});
    }
    return (decode($pdu->{data_coding} == 8 ? 'UTF-16BE' : 'gsm0338', $octets), %joint);
}

sub taken {
    my ($bind, $pdu) = @_;
    my $answer = $pdu->{cmd} == DATA ? 'data_sm_resp' : 'submit_sm_resp';
    if ($pdu->{destination_addr} =~ /9902$/) {
        return $bind->{socket}->$answer(seq => $pdu->{seq}, status => 0x0B, message_id => '');
    }
    my $id = sprintf '%s-%06X', $run, ++$submits;
    my ($text, %joint) = parts_of($pdu);
    tell_event(
        'submit', id => $id, from => $pdu->{source_addr}, to => $pdu->{destination_addr}, text => $text, coding => $pdu->{data_coding},
        registered => $pdu->{registered_delivery}, %joint
    );
    $bind->{socket}->$answer(seq => $pdu->{seq}, message_id => $id);
    return if !($pdu->{registered_delivery} & 1) || $pdu->{destination_addr} =~ /9904$/;
    my $failed = $pdu->{destination_addr} =~ /9901$/;
    my $now = strftime '%y%m%d%H%M', gmtime;
    (my $quote = substr $text, 0, 20) =~ s/[^ -~]/?/g;
    my $words = sprintf 'id:%s sub:001 dlvrd:%03d submit date:%s done date:%s stat:%s err:%03d text:%s', lc $id, !$failed, $now, $now,
        $failed ? 'UNDELIV' : 'DELIVRD', $failed ? 1 : 0, $quote;
    my %receipt = (
        source_addr_ton => $pdu->{dest_addr_ton}, source_addr_npi => $pdu->{dest_addr_npi}, source_addr => $pdu->{destination_addr},
        dest_addr_ton => $pdu->{source_addr_ton}, dest_addr_npi => $pdu->{source_addr_npi}, destination_addr => $pdu->{source_addr},
        esm_class => 4, data_coding => 0, short_message => $words, receipted_message_id => "$id\0", message_state => pack('C', $failed ? 5 : 2),
    );
    after($receipt_delay, sub { deliver({ pdu => \%receipt, event => 'receipt', more => { id => $id } }) });
}

# inbound cuts a long text at 153 septets or 67 UTF-16 units, or one less where a pair would be cut.
sub inbound {
    my ($command) = @_;
    my $text = $command->{text};
    my $octets = eval { encode('gsm0338', my $copy = $text, Encode::FB_CROAK) };
    my ($coding, $alone, $part, $pair) = defined $octets ? (0, 160, 153, qr/\x1b$/) : (8, 140, 134, qr/[\xd8-\xdb].$/s);
    $octets = encode('UTF-16BE', $text) if $coding;
    my %pdu = (address(source => $command->{from}), address(dest => $command->{to}), data_coding => $coding, esm_class => 0);
    my @parts = ($octets);
    if (length $octets > $alone) {
        @parts = ();
        while (length $octets) {
            my $cut = substr $octets, 0, $part;
            $cut = substr $cut, 0, length($cut) - ($coding ? 2 : 1) if length $octets > $part && $cut =~ $pair;
            $octets = substr $octets, length $cut;
            push @parts, $cut;
        }
        $reference = ($reference + 1) & 0xff;
        $pdu{esm_class} = 0x40;
    }
    for my $n (1 .. @parts) {
        my $header = @parts > 1 ? pack('C6', 5, 0, 3, $reference, scalar @parts, $n) : '';
        my $said = decode($coding ? 'UTF-16BE' : 'gsm0338', my $copy = $parts[ $n - 1 ]);
        deliver({ pdu => { %pdu, short_message => $header . $parts[ $n - 1 ] }, event => 'inbound', more => { text => $said } });
    }
}

sub lost {
    my ($bind) = @_;
    $readers::select->remove($bind->{socket});
    delete $binds->{ $bind->{socket} };
    close $bind->{socket};
    tell_event('close');
    deliver($_) for map { $bind->{open}{$_} } sort { $a <=> $b } keys %{ $bind->{open} };
}

sub bound {
    my ($bind, $pdu) = @_;
    my %answers = (BIND_RX, 'bind_receiver_resp', BIND_TX, 'bind_transmitter_resp', BIND_TRX, 'bind_transceiver_resp');
    my $answer = $answers{ $pdu->{cmd} };
    my $status = $pdu->{system_id} ne $system_id ? 0x0F : $pdu->{password} ne $password ? 0x0E : 0;
    $bind->{socket}->$answer(seq => $pdu->{seq}, status => $status, system_id => 'foreign');
    return lost($bind) if $status;
    tell_event('bind', system_id => $pdu->{system_id});
    $bind->{receives} = $pdu->{cmd} != BIND_TX;
    deliver($_) for splice @waiting;
}

sub heard {
    my ($bind) = @_;
    local $SIG{__WARN__} = sub { };    # it warns of every end of a connection
    my $pdu = $bind->{socket}->read_pdu or return lost($bind);
    my $cmd = $pdu->{cmd};
    if    ($cmd == BIND_RX || $cmd == BIND_TX || $cmd == BIND_TRX) { bound($bind, $pdu) }
    elsif ($cmd == SUBMIT || $cmd == DATA)                         { taken($bind, $pdu) }
    elsif ($cmd == DELIVER_RESP)                                   { acknowledged($bind, $pdu) }
    elsif ($cmd == ENQUIRE)                                        { $bind->{socket}->enquire_link_resp(seq => $pdu->{seq}) }
    elsif ($cmd == UNBIND) { tell_event('unbind'); $bind->{socket}->unbind_resp(seq => $pdu->{seq}); lost($bind) }
    else                   { tell_event('error', text => sprintf 'command %x', $cmd) }
}

my $listener = Net::SMPP->new_listen('127.0.0.1', port => $port, smpp_version => 0x34, interface_version => 0x34, enquire_interval => 0)
    or die "listen: $!";
$readers::select = IO::Select->new($listener, \*STDIN);
tell_event('listening', port => $listener->sockport);
my ($orders, $places) = ('', 0);
while (1) {
    @timers = sort { $a->[0] <=> $b->[0] } @timers;
    my $patience = @timers ? $timers[0][0] - time : 1;
    for my $ready ($readers::select->can_read($patience > 0 ? $patience : 0)) {
        if ($ready == $listener) {
            my $socket = $listener->accept or next;
            $binds->{$socket} = { socket => $socket, open => {}, place => $places++, receives => 0 };
            $readers::select->add($socket);
        }
        elsif ($ready == \*STDIN) {
            sysread(STDIN, $orders, 65536, length $orders) or exit 0;
            while ($orders =~ s/^(.*)\n//) {
                my $command = decode_json($1);
                exit 0 if $command->{do} eq 'stop';
                inbound($command) if $command->{do} eq 'inbound';
                if ($command->{do} eq 'drop') { lost($_) for values %$binds }
            }
        }
        else { heard($binds->{$ready}) if $binds->{$ready} }
    }
    while (@timers && $timers[0][0] <= time) { (shift @timers)->[1]->() }
}
