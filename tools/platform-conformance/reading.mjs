import { answered, expectThat, isId, refused, refusedSomehow } from './wire.mjs';

const NOWHERE = 'conformance-nowhere';
const STRANGE_IDS = [NOWHERE, '%00', 'x'.repeat(300), '..%2F..%2Fetc', '%F0%9F%92%A9'];
const MAX_SLOWNESS_MS = 5_000;

/** Checks that change nothing: {title, paragraph, capability?, run(context)}. */
export const READING = [
  {
    title: 'says who it is and what it can',
    paragraph: 'GET /v1/capabilities',
    async run({ wire }) {
      const said = answered(await wire.call('GET', 'capabilities'), 200);
      expectThat(['1.0', '1.1'].includes(said.contract), `contract is ${String(said.contract)}, not 1.0 or 1.1`);
      expectThat(isId(said.workspace?.id), 'workspace.id is not a text of 1 to 255 bytes');
      expectThat(typeof said.workspace.name === 'string', 'workspace.name is no text');
      expectThat(said.capabilities !== null && typeof said.capabilities === 'object', 'capabilities is no object');
      for (const [word, value] of Object.entries(said.capabilities)) {
        expectThat(typeof value === 'boolean', `the capability ${word} is neither true nor false`);
      }
      for (const [word, value] of Object.entries(said.limits ?? {})) {
        expectThat(Number.isSafeInteger(value) && value > 0, `limits.${word} is no whole number above 0`);
      }
    },
  },
  {
    title: 'lets nobody in without the token',
    paragraph: 'info: every request carries the bearer token; responses/Error: 401 unauthorized',
    async run({ wire }) {
      for (const path of ['capabilities', 'events?cursor=latest', `channels/${NOWHERE}`, `users/${NOWHERE}`]) {
        for (const token of ['', 'wrong', `${wire.token}x`]) {
          refused(await wire.call('GET', path, { token }), 401, 'unauthorized');
        }
      }
    },
  },
  {
    title: 'gives the present end at once',
    paragraph: 'GET /v1/events, cursor `latest`',
    async run({ wire }) {
      const answer = await wire.call('GET', 'events?cursor=latest&wait=20');
      const { events, cursor } = answered(answer, 200);
      expectThat(Array.isArray(events) && events.length === 0, 'an answer to `latest` has events');
      expectThat(isId(cursor), 'cursor is not a text of 1 to 255 bytes');
      expectThat(answer.ms < MAX_SLOWNESS_MS, `\`latest\` took ${String(Math.round(answer.ms))} ms`);
    },
  },
  {
    title: 'waits for events, and not too long',
    paragraph: 'GET /v1/events: waits up to `wait` seconds for the first one',
    async run({ wire, latest }) {
      const cursor = await latest();
      const answer = await wire.call('GET', `events?cursor=${encodeURIComponent(cursor)}&wait=2`);
      const { events, ephemeral = [] } = answered(answer, 200);
      const empty = events.length === 0 && ephemeral.length === 0;
      expectThat(!empty || answer.ms > 1_500, 'it does not wait: the gateway would ask without a pause');
      expectThat(answer.ms < 2_000 + MAX_SLOWNESS_MS, `wait=2 took ${String(Math.round(answer.ms))} ms`);
    },
  },
  {
    title: 'refuses a cursor that it never gave',
    paragraph: 'GET /v1/events, 400 invalid_cursor',
    async run({ wire }) {
      for (const cursor of [NOWHERE, '%00', '']) {
        refused(await wire.call('GET', `events?cursor=${cursor}`), 400, 'invalid_cursor');
      }
    },
  },
  {
    title: 'knows what it does not have',
    paragraph: 'responses/Error: 404 unknown_channel, unknown_user',
    async run({ wire }) {
      for (const id of STRANGE_IDS) {
        refused(await wire.call('GET', `channels/${id}`), 404, 'unknown_channel');
        refused(await wire.call('GET', `users/${id}`), 404, 'unknown_user');
      }
      const body = { kind: 'notice', text: 'Nobody reads this.' };
      const nowhere = await wire.call('POST', `channels/${NOWHERE}/messages`, { key: wire.newKey(), body });
      refused(nowhere, 404, 'unknown_channel');
    },
  },
  {
    title: 'takes nonsense in the query calmly',
    paragraph: 'GET /v1/events, parameters; responses/Error: an error that repeating does not help is no 5xx',
    async run({ wire }) {
      for (const query of ['limit=0', 'limit=-1', 'limit=99999999999999999999', 'wait=abc', 'wait=1e9', 'limit[]=1']) {
        await wire.call('GET', `events?cursor=latest&${query}`);
      }
      refusedSomehow(await wire.call('GET', `${NOWHERE}/${NOWHERE}`), 'an address that the contract does not have');
    },
  },
];
