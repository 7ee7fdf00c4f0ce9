"""Verify messages with dkimpy, asking one name server.

Usage: verify.py ADDRESS PORT. Each line of standard input is the path of a
message; each line of standard output is a JSON object that says what dkimpy made
of its first signature; of the ARC chain where "arc:" stands before the path.
"""

import json
import sys

import dkim
import dns.resolver


def verify(path):
    with open(path, "rb") as f:
        message = dkim.DKIM(f.read())
    try:
        passed = message.verify()
        why = "pass" if passed else "fail"
    except Exception as e:  # dkimpy raises for what it can't verify, and what it can't look up
        passed, why = False, "%s: %s" % (type(e).__name__, e)
    tags = message.signature_fields
    return {"pass": bool(passed), "why": why, "domain": tags.get(b"d", b"").decode(), "selector": tags.get(b"s", b"").decode()}


def verify_arc(path):
    with open(path, "rb") as f:
        message = dkim.ARC(f.read())
    try:
        result, chain, why = message.verify()
    except Exception as e:
        return {"pass": False, "why": "%s: %s" % (type(e).__name__, e), "domain": "", "selector": ""}
    newest = chain[0] if chain else {}
    return {"pass": result == dkim.CV_Pass, "why": str(why), "domain": newest.get("ams-domain", b"").decode(),
            "selector": newest.get("ams-selector", b"").decode()}


# dkimpy looks keys up with dnspython's default resolver.
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = [sys.argv[1]], int(sys.argv[2])
dns.resolver.default_resolver = resolver

for line in sys.stdin:
    path = line.rstrip("\n")
    verdict = verify_arc(path[4:]) if path.startswith("arc:") else verify(path)
    print(json.dumps(verdict), flush=True)
