// What the algorithms of one event cost by themselves: no network, no database.
import { randomBytes } from 'node:crypto';
import * as lm from '../dist/src/protocol/index.js';

const EVENTS = 2_000;

/** µs per event of each step that a hub cannot do without. */
export function limits() {
  const server = 'a.example';
  const hub = 'b.example';
  const key = lm.createSigningKey('ed25519:1', randomBytes(32));
  const verifyKey = lm.createVerifyKey(key.publicKey);
  const keysOf = () => new Map([['ed25519:1', verifyKey]]);
  const fields = {
    auth_events: ['$a', '$b', '$c'].map((id) => id.padEnd(44, 'x')),
    prev_events: ['$p'.padEnd(44, 'x')],
  };
  const lpdus = Array.from({ length: EVENTS }, (_, n) =>
    lm.buildLpdu(
      {
        room_id: '!room:b.example',
        type: 'm.room.message',
        sender: '@bench:a.example',
        origin_server_ts: 1_700_000_000_000 + n,
        content: { msgtype: 'm.text', body: 'x'.repeat(100), n },
      },
      hub,
      server,
      key,
    ),
  );
  const texts = lpdus.map((lpdu) => Buffer.from(JSON.stringify(lpdu)));
  const pdus = lpdus.map((lpdu) => lm.completeLpdu(lpdu, fields, hub, key));
  const steps = {
    'parse (strict scanner)': (n) => lm.parseJson(texts[n]),
    'schema and size': (n) => lm.parseLpdu(lpdus[n]),
    'content hash of the LPDU': (n) => lm.checkLpduHash(lpdus[n]),
    'signature of the LPDU checked': (n) => lm.checkLpduSignature(lpdus[n], keysOf),
    'completed, hashed and signed as PDU': (n) => lm.completeLpdu(lpdus[n], fields, hub, key),
    'event id': (n) => lm.eventIdOf(pdus[n]),
    'canonical form': (n) => lm.canonicalJson(pdus[n]),
  };
  const measured = {};
  for (const [step, run] of Object.entries(steps)) {
    for (let n = 0; n < EVENTS / 4; n++) run(n); // compiled before it counts
    const before = process.cpuUsage();
    for (let n = 0; n < EVENTS; n++) run(n);
    const { user, system } = process.cpuUsage(before);
    measured[step] = (user + system) / EVENTS;
  }
  return measured;
}
