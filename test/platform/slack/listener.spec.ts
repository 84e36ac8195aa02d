import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../support/until.js';
import { type SlackWorld, slackWorld } from './workspace.js';

let world: SlackWorld;

beforeEach(async () => {
  world = await slackWorld({ events: 'http' });
});

afterEach(async () => {
  await world.close();
});

interface Forgery {
  secret?: string;
  at?: number;
  path?: string;
  method?: string;
  type?: string;
  headers?: Record<string, string>;
}

async function post(body: string, forgery: Forgery = {}): Promise<number> {
  const { secret = world.slack.app.signingSecret, at = Math.floor(Date.now() / 1_000) } = forgery;
  const { path = '/slack/events', method = 'POST', type = 'application/json', headers = {} } = forgery;
  const mac = createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex');
  const response = await fetch(`http://127.0.0.1:${String(world.edge.port)}${path}`, {
    method,
    headers: {
      'content-type': type,
      'x-slack-request-timestamp': String(at),
      'x-slack-signature': `v0=${mac}`,
      ...headers,
    },
    ...(method === 'POST' ? { body } : {}),
  });
  await response.arrayBuffer();
  return response.status;
}

const said = (change: object = {}, event: object = {}): string =>
  JSON.stringify({
    type: 'event_callback',
    event_id: 'Ev1',
    team_id: world.team.workspace.id,
    event: {
      type: 'message',
      channel: world.general.id,
      user: world.ada.id,
      text: 'hello',
      ts: '1700000000.000100',
      event_ts: '1700000000.000100',
      ...event,
    },
    ...change,
  });

describe('a request to the listener for Slack', () => {
  it('that Slack signed is taken', async () => {
    expect(await post(said())).toBe(200);
    expect(world.host.events).toHaveLength(1);
  });

  it.each([
    ['signed with another secret', { secret: 'another' }],
    ['without a signature', { headers: { 'x-slack-signature': '' } }],
    ['with a signature of another version', { headers: { 'x-slack-signature': 'v1=00' } }],
    ['of ten minutes ago', { at: Math.floor(Date.now() / 1_000) - 600 }],
    ['of the future', { at: Math.floor(Date.now() / 1_000) + 600 }],
    ['with a timestamp that is none', { headers: { 'x-slack-request-timestamp': '1e9' } }],
  ])('%s is refused, and nothing of it taken', async (_, forgery) => {
    expect(await post(said(), forgery)).toBe(401);
    expect(world.host.events).toEqual([]);
  });

  it('of another workspace is dropped', async () => {
    expect(await post(said({ team_id: 'T0STRANGER' }))).toBe(200);
    expect(world.host.events).toEqual([]);
  });

  it.each([
    ['no JSON', '{"', 'application/json'],
    ['no object', '[1]', 'application/json'],
    ['no event', '{"type":"event_callback"}', 'application/json'],
    ['a form of nothing', 'a=b', 'application/x-www-form-urlencoded'],
    ['a payload that is none', 'payload=%7B', 'application/x-www-form-urlencoded'],
    ['a check of the certificate', 'ssl_check=1&token=x', 'application/x-www-form-urlencoded'],
  ])('with %s is answered, and gives nothing', async (_, body, type) => {
    expect(await post(body, { type })).toBe(200);
    expect(world.host.events).toEqual([]);
  });

  it('of wrong shape in every field never breaks it', async () => {
    const values = [null, 1, true, [], {}, 'x', ['a'], { a: 1 }];
    for (const value of values) {
      for (const field of [
        'type',
        'channel',
        'user',
        'text',
        'ts',
        'event_ts',
        'subtype',
        'blocks',
        'files',
        'message',
      ]) {
        const subtypes = field === 'message' ? { subtype: 'message_changed' } : {};
        const id = `Ev${field}${JSON.stringify(value)}`;
        expect([200]).toContain(await post(said({ event_id: id }, { ...subtypes, [field]: value })));
      }
    }
    expect(await post(said({ event_id: 'EvLast' }, { ts: '1700000001.000100' }))).toBe(200);
  });

  it('that is too large, elsewhere, or no POST is refused', async () => {
    expect(await post('x'.repeat(1_100_000)).catch(() => 413)).toBe(413);
    expect(await post(said(), { path: '/slack/other' })).toBe(404);
    expect(await post(said(), { path: '/metrics' })).toBe(404);
    expect(await post(said(), { method: 'GET' })).toBe(405);
  });

  it('that cannot be made durable in time is asked for again, and taken once', async () => {
    world.host.slowMs = 3_500;
    expect(await post(said())).toBe(503);
    world.host.slowMs = 0;
    expect(await post(said())).toBe(200);
    await until('it is there', () => world.host.events.length > 0);
    expect(world.host.events).toHaveLength(1);
  });
});
