// Verifies messages with mailauth, asking one name server.
//
// Usage: verify.mjs ADDRESS PORT. Each line of standard input is the path of a message; each line of standard
// output is a JSON object that says what mailauth made of its first signature; of the ARC chain where "arc:" stands
// before the path.
import { readFile } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

// It is installed for the tests, and not beside this file.
const installed = createRequire(process.argv[2] + '/');
const { dkimVerify } = installed('mailauth/lib/dkim/verify');
const { arc } = installed('mailauth/lib/arc');

const resolver = new Resolver({ timeout: 5000, tries: 3 });
resolver.setServers([`${process.argv[3]}:${process.argv[4]}`]);

const asking = { resolver: (name, type) => resolver.resolve(name, type) };

async function verifyArc(path) {
    const found = await dkimVerify(await readFile(path), asking);
    const { status } = await arc(found.arc, asking);
    const newest = found.arc?.chain?.at(-1)?.['arc-message-signature']?.parsed;
    return {
        pass: status.result === 'pass',
        why: [status.result, status.comment].filter(Boolean).join(': '),
        domain: newest?.d?.value || '',
        selector: newest?.s?.value || '',
    };
}

async function verify(path) {
    const { results } = await dkimVerify(await readFile(path), asking);
    const [first] = results;
    return {
        pass: first.status.result === 'pass',
        why: [first.status.result, first.status.comment].filter(Boolean).join(': '),
        domain: first.signingDomain || '',
        selector: first.selector || '',
    };
}

for await (const path of createInterface({ input: process.stdin })) {
    const asked = path.startsWith('arc:') ? verifyArc(path.slice(4)) : verify(path);
    const verdict = await asked.catch((e) => ({ pass: false, why: String(e), domain: '', selector: '' }));
    process.stdout.write(JSON.stringify(verdict) + '\n');
}
