# Verifies messages with Mail::DKIM, asking one name server.
#
# Usage: verify.pl ADDRESS PORT. Each line of standard input is the path of a
# message; each line of standard output is a JSON object that says what Mail::DKIM
# made of its first signature; of the ARC chain where "arc:" stands before the path.
use strict;
use warnings;

use JSON::PP;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;

my ( $address, $port ) = @ARGV;
Mail::DKIM::DNS::resolver(
    Net::DNS::Resolver->new(
        nameservers => [$address],
        port        => $port,
        recurse     => 0,
        dnsrch      => 0,
        defnames    => 0,
        retrans     => 1,
        retry       => 3,
    )
);

sub verify {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    my $verifier = Mail::DKIM::Verifier->new();
    $verifier->PRINT($_) while <$file>;
    $verifier->CLOSE;
    my $signature = $verifier->signature;
    return {
        pass => $verifier->result eq 'pass' ? JSON::PP::true : JSON::PP::false,
        why  => $verifier->result_detail,
        domain   => $signature ? $signature->domain   : '',
        selector => $signature ? $signature->selector : '',
    };
}

sub verify_arc {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!\n";
    my $verifier = Mail::DKIM::ARC::Verifier->new();
    $verifier->PRINT($_) while <$file>;
    $verifier->CLOSE;
    my ($newest) = grep { $_->isa('Mail::DKIM::ARC::MessageSignature') } $verifier->signatures;
    return {
        pass => $verifier->result eq 'pass' ? JSON::PP::true : JSON::PP::false,
        why  => $verifier->result_detail,
        domain   => $newest ? $newest->domain   : '',
        selector => $newest ? $newest->selector : '',
    };
}

$| = 1;
while ( my $path = <STDIN> ) {
    chomp $path;
    my $verdict = eval { $path =~ s/^arc:// ? verify_arc($path) : verify($path) } || { pass => JSON::PP::false, why => "$@", domain => '', selector => '' };
    print encode_json($verdict), "\n";
}
