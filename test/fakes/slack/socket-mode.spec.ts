import { LogLevel, SocketModeClient } from '@slack/socket-mode';
import { WebSocket } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../support/until.js';
import type { Channel } from './model.js';
import { FakeSlack, type FakeTeam } from './slack.js';

interface Received {
  client: number;
  type: string;
  text: string;
  retry: number;
  ack: (answer?: Record<string, unknown>) => Promise<void>;
}

interface SlackEvent {
  type: string;
  body: { event?: { text?: string; type?: string } };
  ack: Received['ack'];
  retry_num?: number;
}

let slack: FakeSlack;
let team: FakeTeam;
let general: Channel;
let clients: SocketModeClient[];
let received: Received[];
/** false: envelopes are left without an acknowledgement. */
let acknowledges: (client: number) => boolean;

beforeEach(async () => {
  slack = await FakeSlack.start({ scale: 0.02, retryScale: 0.002 });
  team = slack.addTeam('acme');
  const ada = team.workspace.addUser({ name: 'ada' });
  // Arranged without events: nobody would hear them.
  general = team.workspace.addChannel({ name: 'general', members: [ada.id, team.workspace.app.botUser] });
  clients = [];
  received = [];
  acknowledges = () => true;
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.disconnect()));
  await slack.close();
});

async function connect(): Promise<SocketModeClient> {
  const client = new SocketModeClient({
    appToken: slack.app.appToken,
    logLevel: LogLevel.ERROR,
    clientOptions: { slackApiUrl: slack.apiUrl },
    clientPingTimeout: 300,
  });
  const number = clients.push(client);
  client.on('slack_event', ({ body, type, ack, retry_num: retry }: SlackEvent) => {
    const { event } = body;
    received.push({ client: number, type: event?.type ?? type, text: event?.text ?? '', retry: retry ?? 0, ack });
    if (acknowledges(number) && type === 'events_api') void ack();
  });
  await client.start();
  return client;
}

const states = (): string[] => slack.outbox.sent.map(({ state }) => state);
const texts = (): string[] => received.filter(({ type }) => type === 'message').map(({ text }) => text);

describe('Socket Mode by the official client', () => {
  it('says hello and carries events that are acknowledged', async () => {
    await connect();
    team.people.say('ada', general, 'hello <@U0>');
    await until('acknowledged', () => states().every((state) => state === 'acknowledged'));
    expect(texts()).toEqual(['hello <@U0>']);
  });

  it('takes only an app-level token', async () => {
    const client = new SocketModeClient({
      appToken: team.botToken,
      logLevel: LogLevel.ERROR,
      autoReconnectEnabled: false,
      clientOptions: { slackApiUrl: slack.apiUrl },
    });
    await expect(client.start()).rejects.toMatchObject({ data: { error: 'not_allowed_token_type' } });
  });

  it('gives each event to one of several connections', async () => {
    await connect();
    await connect();
    for (let index = 0; index < 10; index += 1) team.people.say('ada', general, String(index));
    await until('all there', () => received.length === 10);
    expect(new Set(received.map(({ client }) => client)).size).toBe(2);
    expect([...texts()].sort()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  it('sends on another connection what was not acknowledged within 3 s', async () => {
    await connect();
    await connect();
    let deaf: number | undefined;
    acknowledges = (client) => client !== (deaf ??= client);
    team.people.say('ada', general, 'again');
    team.people.say('ada', general, 'heard at once');
    await until('acknowledged', () => states().every((state) => state === 'acknowledged'));
    const again = received.filter(({ text }) => text === 'again');
    expect(again.map(({ retry }) => retry)).toEqual([0, 1]);
    expect(again[0]?.client).not.toBe(again[1]?.client);
    expect(slack.outbox.sent[0]?.attempts).toMatchObject([
      { outcome: 'failed' },
      { outcome: 'acknowledged', retry: 1, reason: 'timeout' },
    ]);
  });

  it('gives up after three retries', async () => {
    await connect();
    acknowledges = () => false;
    team.people.say('ada', general, 'lost');
    await until('lost', () => states()[0] === 'lost');
    expect(received.map(({ retry }) => retry)).toEqual([0, 1, 2, 3]);
  });

  it.each(['warning', 'refresh_requested'] as const)('goes on after a disconnect by %s', async (reason) => {
    await connect();
    slack.socketMode.disconnect(reason);
    await until('gone', () => slack.socketMode.size === 0);
    team.people.say('ada', general, 'while away');
    await until('back', () => slack.socketMode.size === 1);
    team.people.say('ada', general, 'after');
    await until('both', () => texts().length >= 2);
    expect(new Set(texts())).toEqual(new Set(['while away', 'after']));
  });

  it('sends again what was on the way when the connection broke', async () => {
    await connect();
    acknowledges = () => false;
    team.people.say('ada', general, 'on the way');
    await until('there', () => received.length === 1);
    acknowledges = () => true;
    slack.socketMode.drop();
    await until('there again', () => states()[0] === 'acknowledged');
    expect(received.at(-1)).toMatchObject({ text: 'on the way', retry: expect.any(Number) });
    expect(received.length).toBeGreaterThan(1);
  });

  it('goes on after a connection that hangs, and after one that stays open below', async () => {
    slack.socketMode.lingers = true;
    await connect();
    slack.socketMode.hang();
    team.people.say('ada', general, 'before');
    await until('gone', () => slack.socketMode.size === 0);
    await until('back', () => slack.socketMode.size === 1);
    team.people.say('ada', general, 'after');
    await until('both', () => texts().includes('after'));
    expect(texts()).toContain('before');
  });

  it('refuses the eleventh connection, and an address twice', async () => {
    const url = slack.socketMode.ticket(slack.origin);
    const open = async (address: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = new WebSocket(address);
        socket.onmessage = ({ data }) => {
          const { type, reason } = JSON.parse(String(data)) as { type: string; reason?: string };
          resolve(`${type} ${reason ?? ''}`.trim());
        };
        socket.onerror = () => resolve('refused');
      });
    expect(await open(url)).toBe('hello');
    expect(await open(url)).toBe('refused');
    for (let index = 0; index < 9; index += 1) await open(slack.socketMode.ticket(slack.origin));
    expect(await open(slack.socketMode.ticket(slack.origin))).toBe('disconnect too_many_websockets');
  });

  it('carries commands, their answers, and what comes to the response_url', async () => {
    await connect();
    const call = team.people.slash('ada', general, '/causeway', 'who');
    await until('there', () => received.length === 1);
    await received[0]?.ack({ text: 'a moment' });
    await until('answered', () => call.texts.length === 1);
    const { response_url: address } = call.delivery?.payload as { response_url: string };
    const post = (text: string): Promise<Response> =>
      fetch(address, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text }),
      });
    for (const text of ['1', '2', '3', '4', '5']) await post(text);
    expect((await post('6')).status).toBe(404);
    expect(call.texts).toEqual(['a moment', '1', '2', '3', '4', '5']);
    expect(general.ephemerals).toHaveLength(5);
  });

  it('carries buttons and shortcuts', async () => {
    await connect();
    const message = team.people.say('ada', general, 'x');
    await until('said', () => received.length === 1);
    team.people.press('ada', general, message, { actionId: 'accept', value: '1' });
    team.people.shortcut('ada', 'start');
    await until('all there', () => received.length === 3);
    expect(received.slice(1).map(({ type }) => type)).toEqual(['interactive', 'interactive']);
  });
});
