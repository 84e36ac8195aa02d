import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type Page, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TwoCompanies, startTwoCompanies } from '../../demo/two-companies.js';
import { until } from '../support/gateway.js';

const FIRST_PORT = 14_100;
const CHROMIUM = '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
const required = (process.env.CAUSEWAY_REQUIRE ?? '').split(',').includes('chromium');

interface LogEvent {
  event_id: string;
  type: string;
  content: { body?: string };
}

let data: string;
let companies: TwoCompanies;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'causeway-demo-'));
  companies = await startTwoCompanies(data, FIRST_PORT);
});

afterAll(async () => {
  await companies.stop();
  rmSync(data, { recursive: true, force: true });
});

/** Bodies of the shared room's log, as a gateway has it. */
async function logOf(site: TwoCompanies['acme']): Promise<string[]> {
  const [room] = (await site.admin<{ rooms: { room_id: string }[] }>('GET', 'rooms')).rooms;
  const bodies: string[] = [];
  for (let from = 0; ; from += 500) {
    const path = `rooms/${encodeURIComponent(room?.room_id ?? '')}/events?from=${String(from)}&limit=500`;
    const { events } = await site.admin<{ events: LogEvent[] }>('GET', path);
    bodies.push(...events.flatMap(({ type, content }) => (type === 'm.room.message' ? [content.body ?? ''] : [])));
    if (events.length < 500) return bodies;
  }
}

async function write(page: string, username: string, text: string): Promise<void> {
  const response = await fetch(`${new URL(page).origin}/api/channels/C1/messages?as=${username}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: text, text }),
  });
  expect(response.ok).toBe(true);
}

async function shown(page: string, username: string): Promise<string[]> {
  const url = `${new URL(page).origin}/api/channels/C1/messages?as=${username}&limit=200`;
  const { messages } = (await (await fetch(url)).json()) as { messages: { text: string }[] };
  return messages.map(({ text }) => text).filter((text) => text.startsWith('#'));
}

describe('the demo', () => {
  it('goes on after both gateways were killed in the middle of a burst: nothing lost, nothing twice, one order', async () => {
    const { acme, globex } = companies;
    const burst = async (page: string, username: string): Promise<void> => {
      for (let n = 0; n < 60; n++) {
        await write(page, username, `#${username} ${String(n)}`);
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
    };
    const bursts = [burst(acme.page, 'ada'), burst(globex.page, 'grace')];
    for (const site of [acme, globex, acme]) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      await site.stop('gateway', 'SIGKILL');
      await site.startGateway();
    }
    await Promise.all(bursts);
    const expected = ['ada', 'grace'].flatMap((name) => Array.from({ length: 60 }, (_, n) => `#${name} ${String(n)}`));
    for (const [site, username] of [
      [acme, 'ada'],
      [globex, 'grace'],
    ] as const) {
      await until('everything has arrived', async () => (await shown(site.page, username)).length >= 120, 60_000);
      const texts = await shown(site.page, username);
      expect([...texts].sort()).toEqual([...expected].sort());
      for (const name of ['ada', 'grace']) {
        expect(texts.filter((text) => text.startsWith(`#${name} `))).toEqual(
          expected.filter((text) => text.startsWith(`#${name} `)),
        );
      }
    }
    expect((await logOf(globex)).filter((text) => text.startsWith('#'))).toEqual(
      (await logOf(acme)).filter((text) => text.startsWith('#')),
    );
  });

  it('finds its history at the next start', async () => {
    const before = await shown(companies.acme.page, 'ada');
    await companies.stop();
    companies = await startTwoCompanies(data, FIRST_PORT);
    expect(await shown(companies.acme.page, 'ada')).toEqual(before);
    await write(companies.globex.page, 'grace', '#after the restart');
    await until('it arrives', async () => (await shown(companies.acme.page, 'ada')).includes('#after the restart'));
  });

  describe.skipIf(!required && !existsSync(CHROMIUM))('in a browser', () => {
    let browser: Browser;

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    });

    afterAll(() => browser.close());

    const open = async (url: string): Promise<Page> => {
      const page = await browser.newPage();
      await page.goto(url);
      await page.getByTestId('composer').waitFor();
      return page;
    };

    it('shows in each page what was typed in the other, with name and company', async () => {
      const ada = await open(companies.acme.page);
      const grace = await open(companies.globex.page);
      for (const [from, to, text, name, server] of [
        [ada, grace, 'Typed by Ada', 'Ada Lovelace', 'acme.example'],
        [grace, ada, 'Typed by Grace', 'Grace Hopper', 'globex.example'],
      ] as const) {
        await from.getByTestId('composer').fill(text);
        await from.getByTestId('composer').press('Enter');
        const message = to.getByTestId('message').filter({ hasText: text });
        await message.waitFor();
        expect(await message.count()).toBe(1);
        expect(await to.getByText(name).count()).toBeGreaterThan(0);
        expect(await to.getByText(server).count()).toBeGreaterThan(0);
      }
    });
  });
});
