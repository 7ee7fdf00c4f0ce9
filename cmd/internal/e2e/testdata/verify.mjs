// Verifies messages with mailauth, asking one name server.
//
// Usage: verify.mjs ADDRESS PORT. Each line of standard input is the path of a message; each line of standard
// output is a JSON object that says what mailauth made of its first signature.
import { readFile } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

// It is installed for the tests, and not beside this file.
const { dkimVerify } = createRequire(process.argv[2] + '/')('mailauth/lib/dkim/verify');

const resolver = new Resolver({ timeout: 5000, tries: 3 });
resolver.setServers([`${process.argv[3]}:${process.argv[4]}`]);

async function verify(path) {
    const { results } = await dkimVerify(await readFile(path), { resolver: (name, type) => resolver.resolve(name, type) });
    const [first] = results;
    return {
        pass: first.status.result === 'pass',
        why: [first.status.result, first.status.comment].filter(Boolean).join(': '),
        domain: first.signingDomain || '',
        selector: first.selector || '',
    };
}

for await (const path of createInterface({ input: process.stdin })) {
    const verdict = await verify(path).catch((e) => ({ pass: false, why: String(e), domain: '', selector: '' }));
    process.stdout.write(JSON.stringify(verdict) + '\n');
}
