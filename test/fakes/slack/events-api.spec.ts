import { once } from 'node:events';
import { type IncomingHttpHeaders, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../support/until.js';
import type { Channel } from './model.js';
import { signatureOf } from './signature.js';
import { FakeSlack, type FakeTeam } from './slack.js';

const CASES = new URL('../../../../shared/vectors/slack/slack-cases.json', import.meta.url);

interface Heard {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

type Reply = { status: number; headers?: Record<string, string>; body?: string } | 'never';

let slack: FakeSlack;
let team: FakeTeam;
let general: Channel;
let app: Server;
let heard: Heard[];
let reply: (request: Heard) => Reply;

beforeEach(async () => {
  heard = [];
  reply = ({ body }) => {
    const { challenge = '' } = body.startsWith('{') ? (JSON.parse(body) as { challenge?: string }) : {};
    return { status: 200, body: challenge };
  };
  app = createServer((request, response) => {
    void text(request).then((body) => {
      const one = { path: request.url ?? '', headers: request.headers, body };
      heard.push(one);
      const answer = reply(one);
      if (answer !== 'never') response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  slack = await FakeSlack.start({ scale: 0.02, retryScale: 0.001 });
  team = slack.addTeam('acme');
  team.workspace.addUser({ name: 'ada' });
  const origin = `http://127.0.0.1:${String((app.address() as AddressInfo).port)}`;
  const verified = await slack.useEventsApi({
    events: `${origin}/events`,
    commands: `${origin}/commands`,
    interactivity: `${origin}/interactivity`,
  });
  expect(verified).toBe(true);
  general = team.people.create('ada', 'general');
  team.people.inviteApp('ada', general);
  await until('the channel is told', () => slack.outbox.sent.every(({ state }) => state === 'acknowledged'));
  heard.length = 0;
  slack.outbox.sent.length = 0;
});

afterEach(async () => {
  await slack.close();
  app.closeAllConnections();
  app.close();
  await once(app, 'close');
});

describe('the signature', () => {
  const cases = JSON.parse(readFileSync(CASES, 'utf8')) as {
    request_signatures: {
      id: string;
      secret: string;
      timestamp: string | null;
      body: string;
      signature: string | null;
      valid: boolean;
    }[];
  };
  it.each(cases.request_signatures.filter((each) => each.id === 'valid' || each.id === 'modified-body'))(
    'is Slack’s: $id',
    ({ secret, timestamp, body, signature, valid }) => {
      expect(signatureOf(secret, timestamp ?? '', body) === signature).toBe(valid);
    },
  );

  it('is over the raw body, with the time of the workspace', async () => {
    slack.clock.hold(1_700_000_000_000);
    team.people.say('ada', general, 'ünïcödé');
    await until('told', () => heard.length === 1);
    const { headers, body = '' } = heard[0] ?? {};
    expect(headers?.['x-slack-request-timestamp']).toBe('1700000000');
    expect(headers?.['x-slack-signature']).toBe(signatureOf(slack.app.signingSecret, '1700000000', body));
  });
});

describe('the Events API', () => {
  it('wraps an event, and knows when the app took it', async () => {
    team.people.say('ada', general, 'hello');
    await until('taken', () => slack.outbox.sent[0]?.state === 'acknowledged');
    expect(JSON.parse(heard[0]?.body ?? '')).toMatchObject({
      type: 'event_callback',
      team_id: team.workspace.id,
      event_id: expect.stringMatching(/^Ev/),
      authorizations: [{ user_id: team.workspace.app.botUser, is_bot: true }],
      event: { type: 'message', text: 'hello', channel: general.id, channel_type: 'channel' },
    });
  });

  it('asks again after a refusal and after 3 s of silence, under the same event_id', async () => {
    const replies: Reply[] = [{ status: 500 }, 'never', { status: 200 }];
    reply = () => replies.shift() ?? { status: 200 };
    team.people.say('ada', general, 'hello');
    await until('taken', () => slack.outbox.sent[0]?.state === 'acknowledged');
    expect(heard.map(({ headers }) => [headers['x-slack-retry-num'], headers['x-slack-retry-reason']])).toEqual([
      [undefined, undefined],
      ['1', 'http_error'],
      ['2', 'http_timeout'],
    ]);
    expect(new Set(heard.map(({ body }) => (JSON.parse(body) as { event_id: string }).event_id)).size).toBe(1);
  });

  it('gives up after three retries, and at once when the app says so', async () => {
    reply = () => ({ status: 503, headers: { 'x-slack-no-retry': '1' } });
    team.people.say('ada', general, 'no more');
    await until('lost', () => slack.outbox.sent[0]?.state === 'lost');
    expect(heard).toHaveLength(1);
    reply = () => ({ status: 503 });
    team.people.say('ada', general, 'lost');
    await until('lost', () => slack.outbox.sent[1]?.state === 'lost', 15_000);
    expect(heard).toHaveLength(5);
  });

  it('carries commands and buttons as forms', async () => {
    reply = () => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '{"text":"done"}' });
    const call = team.people.slash('ada', general, '/causeway', 'help');
    await until('answered', () => call.texts.length === 1);
    expect(call.texts).toEqual(['done']);
    team.people.shortcut('ada', 'start');
    await until('pressed', () => heard.length === 2);
    expect(Object.fromEntries(new URLSearchParams(heard[0]?.body))).toMatchObject({
      command: '/causeway',
      text: 'help',
    });
    const payload = new URLSearchParams(heard[1]?.body).get('payload') ?? '';
    expect([heard[1]?.path, (JSON.parse(payload) as { type: string }).type]).toEqual(['/interactivity', 'shortcut']);
  });
});

describe('what goes wrong on the way', () => {
  const texts = (): string[] => heard.map(({ body }) => (JSON.parse(body) as { event: { text: string } }).event.text);

  it('repeats events under their event_id', async () => {
    slack.outbox.duplicate(1);
    team.people.say('ada', general, 'twice');
    await until('twice', () => heard.length === 2);
    expect(heard[0]?.body).toBe(heard[1]?.body);
  });

  it('lets channels overtake each other, each in its order', async () => {
    const other = team.people.create('ada', 'other');
    team.people.inviteApp('ada', other);
    await until('told', () => slack.outbox.sent.every(({ state }) => state === 'acknowledged'));
    slack.outbox.sent.length = 0;
    slack.outbox.reorder({ seed: 7, window: 8 });
    for (let index = 0; index < 10; index += 1) {
      team.people.say('ada', general, `a${index}`);
      team.people.say('ada', other, `b${index}`);
    }
    await until('all there', () => slack.outbox.sent.length === 20);
    const sent = slack.outbox.sent.map(({ payload }) => (payload.event as { text: string }).text);
    const of = (letter: string): string[] => sent.filter((each) => each.startsWith(letter));
    expect(of('a')).toEqual([...of('a')].sort());
    expect(of('b')).toEqual([...of('b')].sort());
    expect(sent).not.toEqual([...sent].sort((a, b) => a.slice(1).localeCompare(b.slice(1)) || a.localeCompare(b)));
  });

  it('keeps back while it is paused', async () => {
    slack.outbox.pause();
    team.people.say('ada', general, 'later');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(heard).toHaveLength(0);
    slack.outbox.resume();
    await until('there', () => heard.length === 1);
    expect(texts()).toEqual(['later']);
  });
});
