// Tests an implementation of docs/platforms/http.openapi.yaml over the wire, and says in words what is wrong.
//
//   npm run platform:conformance -- --url https://chat.example/causeway --token …
//     --channel ID --write   also writes into that channel (a channel of its own: it is full of test messages then)
//     --person               also asks somebody to write in that channel, and looks whether it is told
//
// Ends with 0 when nothing is wrong, 1 when something is, 2 when it cannot begin.
import { parseArgs } from 'node:util';
import { PERSON } from './platform-conformance/person.mjs';
import { READING } from './platform-conformance/reading.mjs';
import { answered, Defect, Wire } from './platform-conformance/wire.mjs';
import { WRITING } from './platform-conformance/writing.mjs';

const SEEN_WITHIN_MS = 10_000;
const options = readOptions();
const wire = new Wire(options.url, options.token);
const channel = encodeURIComponent(options.channel ?? '');
const at = (path) => `channels/${channel}/${path}`;
const capabilities = async () => answered(await wire.call('GET', 'capabilities'), 200);
const context = { wire, channel, at, capabilities, latest, post, until, say: console.log };

const { capabilities: can = {} } = await capabilities().catch((error) => {
  if (error instanceof Defect) return {};
  throw error;
});
const checks = [...READING, ...(options.write ? WRITING : []), ...(options.person ? PERSON : [])];
let defects = 0;
for (const { title, paragraph, capability, run } of checks) {
  if (capability !== undefined && can[capability] !== true) {
    console.log(`- ${title}: left out, the chat does not have the capability ${capability}`);
    continue;
  }
  try {
    await run(context);
    console.log(`✓ ${title}`);
  } catch (error) {
    defects += 1;
    // What an answer of an unforeseen shape does to a check is a defect of the answer.
    const reason =
      error instanceof Defect ? error.message : `an answer has not the shape of the contract (${error.message})`;
    console.log(`✗ ${title}\n    ${reason}\n    contract: ${paragraph}`);
  }
}
if (!options.write) console.log('- posting and everything behind it: left out; --channel ID --write tests it');
console.log(
  defects === 0 ? 'Nothing is wrong.' : `${String(defects)} of ${String(checks.length)} checks found something.`,
);
process.exitCode = defects === 0 ? 0 : 1;

async function latest() {
  return answered(await wire.call('GET', 'events?cursor=latest'), 200).cursor;
}

/** The id of a new message. */
async function post(body) {
  return answered(await wire.call('POST', at('messages'), { key: wire.newKey(), body }), 201).message_id;
}

/** The first event behind a cursor that is looked for. */
async function until(from, wanted, withinMs = SEEN_WITHIN_MS) {
  const end = performance.now() + withinMs;
  for (let cursor = from; performance.now() < end;) {
    const wait = Math.max(1, Math.min(20, Math.ceil((end - performance.now()) / 1000)));
    const query = `events?cursor=${encodeURIComponent(cursor)}&wait=${String(wait)}`;
    const page = answered(await wire.call('GET', query), 200);
    const found = page.events.find(wanted);
    if (found) return found;
    cursor = page.cursor;
  }
  throw new Defect(`no such event came in /v1/events within ${String(withinMs / 1000)} s`);
}

function readOptions() {
  try {
    const text = { type: 'string' };
    const flag = { type: 'boolean', default: false };
    const { values } = parseArgs({ options: { url: text, token: text, channel: text, write: flag, person: flag } });
    if (!values.url || !URL.canParse(values.url) || !values.token) throw new Error('--url and --token are needed');
    if ((values.write || values.person) && !values.channel) throw new Error('--write and --person need --channel');
    return values;
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}
