import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RoomId } from '../../src/protocol/index.js';
import { TestCompany, share } from '../support/company.js';
import { until } from '../support/gateway.js';

const FEDERATION = { acme: 18_448, globex: 18_449 };
const PEERS = {
  'acme.example': `http://127.0.0.1:${String(FEDERATION.acme)}`,
  'globex.example': `http://127.0.0.1:${String(FEDERATION.globex)}`,
};

let directory: string;
let acme: TestCompany;
let globex: TestCompany;
let roomId: RoomId;

const listen = (port: number) => ({ CAUSEWAY_FEDERATION_LISTEN: `127.0.0.1:${String(port)}` });
const startAcme = () => acme.startGateway(listen(FEDERATION.acme));
const startGlobex = () => globex.startGateway(listen(FEDERATION.globex));

const written = (texts: readonly string[]) => texts.filter((text) => text.startsWith('#'));
const logOf = async (company: TestCompany): Promise<unknown[]> =>
  (await company.gateway.reader.eventsAfter(roomId, -1, 10_000))
    .filter(({ pdu }) => pdu.type === 'm.room.message')
    .map(({ eventId }) => eventId);

const arrived = (company: TestCompany, count: number, ms = 30_000): Promise<void> =>
  until(
    `${String(count)} messages in ${company.server}`,
    async () => written(await company.texts()).length >= count,
    ms,
  );

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'causeway-e2e-'));
  acme = new TestCompany('acme.example', 'acme', directory, PEERS);
  globex = new TestCompany('globex.example', 'globex', directory, PEERS);
  await Promise.all([acme.startChat(), globex.startChat()]);
  await Promise.all([startAcme(), startGlobex()]);
  roomId = await share(acme, globex);
});

afterEach(async () => {
  await Promise.all([acme.close(), globex.close()]);
  rmSync(directory, { recursive: true, force: true });
});

describe('two companies that share a channel', () => {
  it('read each other, with name and company, and answer', async () => {
    await acme.write('#1 hello Globex');
    await arrived(globex, 1);
    expect(await globex.messages()).toContainEqual(
      expect.objectContaining({
        text: '#1 hello Globex',
        author: expect.objectContaining({ display_name: 'Ada of acme', server: 'acme.example' }) as unknown,
      }),
    );
    await globex.write('#2 hello Acme', 'bob');
    await arrived(acme, 2);
    expect(written(await acme.texts())).toEqual(['#1 hello Globex', '#2 hello Acme']);
    expect(written(await globex.texts())).toEqual(['#1 hello Globex', '#2 hello Acme']);
  });

  it('carry nothing of a channel that is not mapped, and nothing that was said before', async () => {
    await acme.write('#secret', 'ada', 'C2');
    await acme.write('#1 public');
    await arrived(globex, 1);
    expect(written(await globex.texts())).toEqual(['#1 public']);
    expect(await globex.texts('ada', 'C2')).toEqual([]);
  });

  it('lose nothing, double nothing and keep one order when 200 messages are written on both sides at once', async () => {
    const count = 100;
    await Promise.all(
      [acme, globex].flatMap((company) =>
        ['ada', 'bob'].map(async (username) => {
          for (let n = 0; n < count / 2; n++)
            await company.write(`#${company.server} ${username} ${String(n)}`, username);
        }),
      ),
    );
    await Promise.all([arrived(acme, 2 * count), arrived(globex, 2 * count)]);
    await until('both logs are of one length', async () => (await logOf(acme)).length === (await logOf(globex)).length);
    const log = await logOf(acme);
    expect(log).toHaveLength(2 * count);
    expect(await logOf(globex)).toEqual(log);
    for (const company of [acme, globex]) {
      const texts = written(await company.texts());
      expect(texts).toHaveLength(2 * count);
      expect(new Set(texts).size).toBe(2 * count);
      for (const author of ['acme.example ada', 'acme.example bob', 'globex.example ada', 'globex.example bob']) {
        const ofAuthor = texts.filter((text) => text.startsWith(`#${author} `));
        expect(ofAuthor).toEqual(Array.from({ length: count / 2 }, (_, n) => `#${author} ${String(n)}`));
      }
    }
  });

  it('deliver what was written while the other gateway was stopped: in order, once', async () => {
    await globex.gateway.close({ keepData: true });
    for (let n = 0; n < 10; n++) await acme.write(`#${String(n)}`);
    await until('all are in the log of Acme', async () => (await logOf(acme)).length === 10);
    await startGlobex();
    await arrived(globex, 10);
    expect(written(await globex.texts())).toEqual(Array.from({ length: 10 }, (_, n) => `#${String(n)}`));
  });

  it('go on after the hub was restarted in the middle of a burst from both sides', async () => {
    const burst = async (company: TestCompany): Promise<void> => {
      for (let n = 0; n < 40; n++) {
        await company.write(`#${company.server} ${String(n)}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const bursts = [burst(acme), burst(globex)];
    await new Promise((resolve) => setTimeout(resolve, 200));
    await acme.gateway.close({ keepData: true });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await startAcme();
    await Promise.all(bursts);
    await Promise.all([arrived(acme, 80), arrived(globex, 80)]);
    for (const company of [acme, globex]) {
      const texts = written(await company.texts());
      expect(texts).toHaveLength(80);
      for (const server of ['acme.example', 'globex.example']) {
        expect(texts.filter((text) => text.startsWith(`#${server}`))).toEqual(
          Array.from({ length: 40 }, (_, n) => `#${server} ${String(n)}`),
        );
      }
    }
    expect(await logOf(globex)).toEqual(await logOf(acme));
  });

  it('tell the author in plain words when the hub refuses a message', async () => {
    const kick = { roomId, sender: acme.gateway.rooms.bot, type: 'm.room.power_levels', stateKey: '' };
    await acme.gateway.rooms.send({
      ...kick,
      content: { users: { [acme.gateway.rooms.bot]: 100 }, events: { 'm.room.message': 50 } },
    });
    await globex.write('#forbidden');
    await until('a notice', async () => (await globex.texts()).some((text) => text.includes('did not reach')));
    expect(written(await acme.texts())).toEqual([]);
    const notices = (await globex.texts()).filter((text) => text.includes('did not reach'));
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain('#forbidden');
    expect((await globex.texts('bob')).some((text) => text.includes('did not reach'))).toBe(false);
  });
});
