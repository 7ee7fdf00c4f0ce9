#!/bin/sh
# Gives domains a DKIM key at each of two selectors, as an operator would script it:
# make the key, keep it in Vault, publish it, see it in DNS, and when resolvers have
# forgotten that nothing was there, let OpenDKIM sign with the first. One after the other.
#
#   by-hand.sh DOMAIN...
set -eu
: "${DIR:?directory for keys and tables}"
: "${SERVER:?address of the name server}" "${PORT:?its port}" "${TSIG_KEY:?file with the key for updates}"
: "${VAULT:?URL of the KV version 2 mount}" "${VAULT_HEADER:?file with the token header}"
: "${NEGATIVE:?seconds for which resolvers remember that a name is not there}"

make_key() { # DOMAIN SELECTOR
	mkdir -p "$DIR/keys/$1"
	opendkim-genkey -b 2048 -d "$1" -s "$2" -D "$DIR/keys/$1"
}

store() { # DOMAIN SELECTOR
	pem=$(awk '{ printf "%s\\n", $0 }' "$DIR/keys/$1/$2.private")
	printf '{"options":{"cas":0},"data":{"key":"%s"}}' "$pem" |
		curl -sSf -X PUT -H "@$VAULT_HEADER" --data @- -o /dev/null "$VAULT/data/by-hand/$1/$2"
}

publish() { # DOMAIN SELECTOR
	value=$(tr '\n' ' ' <"$DIR/keys/$1/$2.txt" | sed 's/^[^(]*(//; s/)[^)]*$//')
	nsupdate -k "$TSIG_KEY" <<-EOT
		server $SERVER $PORT
		zone $1
		update add $2._domainkey.$1. 3600 TXT $value
		send
	EOT
}

await() { # DOMAIN SELECTOR
	want=$(printf '%s' "$value" | tr -d '" \t')
	until [ "$(dig +short +norecurse "@$SERVER" -p "$PORT" "$2._domainkey.$1" TXT | tr -d '" \n')" = "$want" ]; do
		sleep 0.1
	done
}

use() { # DOMAIN SELECTOR
	echo "$2._domainkey.$1 $1:$2:$DIR/keys/$1/$2.private" >>"$DIR/key.table"
	echo "*@$1 $2._domainkey.$1" >>"$DIR/signing.table"
	true # systemctl reload opendkim
}

for domain; do
	for selector in s1 s2; do
		make_key "$domain" $selector
		store "$domain" $selector
		publish "$domain" $selector
		await "$domain" $selector
	done
	sleep "$NEGATIVE"
	use "$domain" s1
done
