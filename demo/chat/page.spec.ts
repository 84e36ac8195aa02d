import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { aCompany, contractCall, GRACE, postToChannel } from './a-chat.js';
import { type Chat, type ChatOptions, startChat } from './server.js';

const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
const REQUIRED = (process.env.CAUSEWAY_REQUIRE ?? '').split(/[\s,]+/).includes('chromium');
const ABSENT = !existsSync(CHROMIUM);
const FLAGS =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

if (ABSENT && !REQUIRED) console.warn(`SKIPPED: the page's tests need Chromium, and there is none at ${CHROMIUM}.`);

describe.skipIf(ABSENT && !REQUIRED)('the page in a browser', { timeout: 30_000 }, () => {
  let browser: Browser;
  let options: ChatOptions;
  let chat: Chat;
  let problems: string[];

  beforeAll(async () => {
    if (ABSENT) throw new Error(`CAUSEWAY_REQUIRE asks for chromium, and there is none at ${CHROMIUM}.`);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS.split(' ') });
  }, 30_000);
  afterAll(() => browser?.close());

  beforeEach(async () => {
    problems = [];
    options = aCompany();
    chat = await startChat(options);
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await chat.close();
  });

  async function open(address: string, settings: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1180, height: 760 }, ...settings });
    const page = await context.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (line) => {
      if (/Content.Security.Policy/i.test(line.text())) problems.push(line.text());
    });
    await page.goto(`${chat.url}/${address}`);
    return page;
  }

  const message = (page: Page, text: string): Locator => page.getByTestId('message').filter({ hasText: text });

  it('what one person types, another reads at once', async () => {
    const ada = await open('?as=ada#general');
    const charles = await open('?as=charles#general', { colorScheme: 'dark' });
    await ada.getByTestId('composer').fill('Good morning,');
    await ada.getByTestId('composer').press('Shift+Enter');
    await ada.getByTestId('composer').pressSequentially('Charles!');
    await ada.getByTestId('composer').press('Enter');
    const read = message(charles, 'Good morning,');
    await read.waitFor();
    expect(await read.getAttribute('data-author')).toBe('Ada Lovelace');
    expect(await read.getAttribute('data-server')).toBe('');
    expect(await read.getByTestId('message-text').textContent()).toBe('Good morning,\nCharles!');

    await charles.getByTestId('composer').fill('Good morning, Ada.');
    await charles.getByTestId('send').click();
    await message(ada, 'Good morning, Ada.').waitFor();
    expect(await ada.getByTestId('message').count()).toBe(2);
    expect(await ada.title()).toBe('#general · Acme Industries');
    expect(problems).toEqual([]);
  });

  it('a message of another company appears live with its server; a private notice only to its addressee', async () => {
    const ada = await open('?as=ada#general');
    const charles = await open('?as=charles#general');
    await ada.getByTestId('empty').waitFor();
    await postToChannel(chat, 'C1', 'key-1', { kind: 'notice', text: 'Only for Ada', visible_to: ['U1'] });
    await postToChannel(chat, 'C1', 'key-2', { kind: 'message', text: 'Hello from Globex', author: GRACE });
    for (const page of [ada, charles]) {
      await message(page, 'Hello from Globex').waitFor();
      expect(await message(page, 'Hello from Globex').getAttribute('data-server')).toBe('globex.example');
      expect(await page.getByTestId('message-author').last().textContent()).toBe('Grace Hopper');
      expect(await page.getByTestId('message-server').textContent()).toBe('globex.example');
      expect(await page.getByTestId('message-server').isVisible()).toBe(true);
    }
    expect(await message(ada, 'Only for Ada').textContent()).toContain('Only visible to you');
    expect(await message(charles, 'Only for Ada').count()).toBe(0);
    expect(problems).toEqual([]);
  });

  it('a channel is shown as shared once somebody of another company has written there, and who that is', async () => {
    const ada = await open('?as=ada#general');
    const mark = ada.locator('[data-channel=general][data-shared=true]');
    await ada.getByTestId('empty').waitFor();
    expect(await mark.count()).toBe(0);
    expect(await ada.getByTestId('guest-list').isVisible()).toBe(false);
    await postToChannel(chat, 'C1', 'key-1', { kind: 'message', text: 'Hello from Globex', author: GRACE });
    for (const again of [false, true]) {
      if (again) await ada.reload();
      await mark.waitFor();
      expect(await ada.getByTestId('channel-detail').textContent()).toBe('Shared with globex.example');
      expect(await ada.getByTestId('guest-list').innerText()).toBe('GH\nGrace Hopper\nglobex.example');
      expect(await ada.getByLabel('Message #general and globex.example').isVisible()).toBe(true);
    }
    await ada.getByTestId('channel').filter({ hasText: 'random' }).click();
    await ada.getByTestId('guest-list').waitFor({ state: 'hidden' });
  });

  it('markup in a text or a name is shown as it was typed, and nothing of it runs', async () => {
    const markup = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
    const author = { ...GRACE, display_name: '<b>Grace</b>' };
    await postToChannel(chat, 'C1', 'key-1', { kind: 'message', text: markup, author });
    const ada = await open('?as=ada#general');
    await ada.getByTestId('message').waitFor();
    expect(await ada.getByTestId('message-text').textContent()).toBe(markup);
    expect(await ada.getByTestId('message').getAttribute('data-author')).toBe('<b>Grace</b>');
    expect(await ada.locator('#log img, #log b, #log script').count()).toBe(0);
    expect(await ada.title()).not.toBe('owned');
  });

  it('after the chat was away, missed messages appear and unsent ones are sent, each once', async () => {
    const ada = await open('?as=ada#general');
    await ada.getByTestId('empty').waitFor();
    await chat.close();
    await ada.getByTestId('banner').getByText('Connection lost').waitFor();
    await ada.getByTestId('composer').fill('Are you there?');
    await ada.getByTestId('composer').press('Enter');
    await ada.getByTestId('retry').waitFor();

    const back = await startChat({ ...options, port: chat.port });
    chat = back;
    await postToChannel(back, 'C1', 'key-1', { kind: 'message', text: 'Written meanwhile', author: GRACE });
    await message(ada, 'Written meanwhile').waitFor();
    await ada.locator('[data-testid=message][data-state=shown]', { hasText: 'Are you there?' }).waitFor();
    await sleep(300);
    expect(await ada.getByTestId('message').count()).toBe(2);
    expect(await ada.getByTestId('banner').textContent()).toBe('');
  });

  it('what was written while the chat was away keeps its order, once it is back', async () => {
    const ada = await open('?as=ada#general');
    await ada.getByTestId('empty').waitFor();
    await chat.close();
    const texts = ['one', 'two', 'three'];
    for (const text of texts) {
      await ada.getByTestId('composer').fill(text);
      await ada.getByTestId('composer').press('Enter');
    }
    await ada.locator('[data-state=failed]').nth(2).waitFor();
    chat = await startChat({ ...options, port: chat.port });
    await ada.locator('[data-state=shown]').nth(2).waitFor();
    expect(await ada.getByTestId('message-text').allTextContents()).toEqual(texts);
  });

  it('a channel that was opened while the chat was away is loaded once it is back', async () => {
    await postToChannel(chat, 'C2', 'key-1', { kind: 'message', text: 'Lunch?', author: GRACE });
    const ada = await open('?as=ada#general');
    await ada.getByTestId('empty').waitFor();
    await chat.close();
    await ada.getByTestId('channel').filter({ hasText: 'random' }).click();
    await ada.getByText('The messages could not be loaded').waitFor();
    chat = await startChat({ ...options, port: chat.port });
    await message(ada, 'Lunch?').waitFor();
    expect(await ada.getByTestId('empty').isVisible()).toBe(false);
  });

  it('a message says that it is being sent, that it was not, and why; trying again sends it once', async () => {
    const ada = await open('?as=ada#general');
    await ada.getByTestId('empty').waitFor();
    const posts = '**/api/channels/C1/messages?as=ada';
    let answer = (): Promise<void> => Promise.reject(new Error('Nothing was sent.'));
    await ada.route(posts, (route) => void (answer = () => route.fulfill({ status: 503, body: '{}' })));
    await ada.getByTestId('composer').fill('Hello?');
    await ada.getByTestId('send').click();
    await message(ada, 'Hello?').getByText('Sending…').waitFor();
    await answer();
    await message(ada, 'Hello?').getByText('Not sent. The chat cannot be reached.').waitFor();
    await ada.unroute(posts);
    await ada.getByTestId('retry').click();
    await ada.locator('[data-state=shown]', { hasText: 'Hello?' }).waitFor();

    await ada.getByTestId('composer').fill('x'.repeat(16_385));
    await ada.getByTestId('composer').press('Enter');
    await ada.getByText('The text is longer than 16384 bytes.').waitFor();
    await ada.getByTestId('discard').click();
    expect(await ada.getByTestId('message').count()).toBe(1);
  });

  it('a message whose answer was lost is shown once', async () => {
    const ada = await open('?as=ada#general');
    await ada.getByTestId('empty').waitFor();
    await ada.route('**/api/channels/C1/messages?as=ada', async (route) => {
      await route.fetch();
      await route.abort();
    });
    await ada.getByTestId('composer').fill('Only once');
    await ada.getByTestId('composer').press('Enter');
    await ada.locator('[data-state=shown]', { hasText: 'Only once' }).waitFor();
    await sleep(300);
    expect(await ada.getByTestId('message').count()).toBe(1);
  });

  it('who reads further up is not moved, but told of new messages; who reads at the end stays there', async () => {
    for (let n = 1; n <= 40; n++) {
      await postToChannel(chat, 'C1', `key-${n}`, { kind: 'message', text: `line ${n}.`, author: GRACE });
    }
    const ada = await open('?as=ada#general');
    await message(ada, 'line 40.').waitFor();
    const scroller = "document.getElementById('scroller')";
    const place = (): Promise<number> => ada.evaluate(`${scroller}.scrollTop`);
    const fromEnd = (): Promise<number> =>
      ada.evaluate(`${scroller}.scrollHeight - ${scroller}.scrollTop - ${scroller}.clientHeight`);

    await postToChannel(chat, 'C1', 'key-41', { kind: 'message', text: 'line 41.', author: GRACE });
    await message(ada, 'line 41.').waitFor();
    await expect.poll(fromEnd).toBeLessThan(2);
    expect(await ada.getByTestId('jump').isVisible()).toBe(false);

    await ada.evaluate(`${scroller}.scrollTop = 100`);
    await postToChannel(chat, 'C1', 'key-42', { kind: 'message', text: 'line 42.', author: GRACE });
    await ada.getByTestId('jump').waitFor();
    expect(await place()).toBe(100);
    await ada.getByTestId('jump').click();
    await expect.poll(fromEnd).toBeLessThan(2);
    await ada.getByTestId('jump').waitFor({ state: 'hidden' });
  });

  it('a channel that is not open gets a dot, and loses it when it is read', async () => {
    const ada = await open('?as=ada#general');
    const random = ada.getByTestId('channel').filter({ hasText: 'random' });
    await ada.getByTestId('empty').waitFor();
    await postToChannel(chat, 'C2', 'key-1', { kind: 'message', text: 'Lunch?', author: GRACE });
    await ada.locator('[data-channel=random][data-unread=true]').waitFor();
    expect(await ada.title()).toBe('● #general · Acme Industries');
    await random.click();
    await message(ada, 'Lunch?').waitFor();
    await ada.locator('[data-channel=random][data-unread=false]').waitFor();

    const general = ada.getByTestId('channel').filter({ hasText: 'general' });
    await general.click();
    await postToChannel(chat, 'C2', 'key-2', { kind: 'message', text: 'At noon?', author: GRACE });
    await ada.locator('[data-channel=random][data-unread=true]').waitFor();
    await random.click();
    await message(ada, 'At noon?').waitFor();
    await general.click();
    await ada.locator('[data-channel=random][data-unread=false]').waitFor();
    await ada.goto(`${chat.url}/?as=ada#general`);
    await ada.locator('[data-channel=random][data-unread=false]').waitFor();
  });

  it('whoever comes without a name chooses one, and the browser remembers', async () => {
    const page = await open('');
    await page.getByTestId('choice').filter({ hasText: 'Charles' }).click();
    await page.getByTestId('composer').fill('It is me');
    await page.getByTestId('composer').press('Enter');
    await message(page, 'It is me').waitFor();
    await page.goto(chat.url);
    await message(page, 'It is me').waitFor();
    expect(await page.getByTestId('identity').inputValue()).toBe('charles');
    await page.getByTestId('identity').selectOption('ada');
    await page.waitForURL(/as=ada#general$/);
    expect(await message(page, 'It is me').getAttribute('data-author')).toBe('Charles Babbage');
  });

  it('an archived channel takes no messages until it is restored', async () => {
    const ada = await open('?as=ada#general');
    await ada.getByTestId('archive').click();
    await ada.getByTestId('archived-note').waitFor();
    expect(await ada.getByTestId('composer').isVisible()).toBe(false);
    await ada.getByRole('button', { name: 'Restore' }).click();
    await ada.getByTestId('composer').waitFor();
  });

  it('a long history is loaded page by page, and stays where it was read', async () => {
    for (let n = 1; n <= 120; n++) {
      await postToChannel(chat, 'C1', `key-${n}`, { kind: 'message', text: `line ${n}.`, author: GRACE });
    }
    const ada = await open('?as=ada#general');
    await message(ada, 'line 120.').waitFor();
    expect(await message(ada, 'line 120.').isVisible()).toBe(true);
    await ada.getByRole('button', { name: 'Show earlier messages' }).click();
    await message(ada, 'line 21.').waitFor({ state: 'attached' });
    await ada.getByRole('button', { name: 'Show earlier messages' }).click();
    await message(ada, 'line 1.').waitFor({ state: 'attached' });
    expect(await ada.getByTestId('message').count()).toBe(120);
    expect(await ada.getByRole('button', { name: 'Show earlier messages' }).isVisible()).toBe(false);
  });

  it('on a narrow screen the channels stand in a drawer', async () => {
    const ada = await open('?as=ada#general', { viewport: { width: 390, height: 780 } });
    const random = ada.getByTestId('channel').filter({ hasText: 'random' });
    await ada.getByTestId('empty').waitFor();
    expect(await random.isVisible()).toBe(false);
    await ada.getByRole('button', { name: 'Channels and people' }).click();
    await random.click();
    await ada.getByRole('heading', { name: '#random', exact: true }).waitFor();
    await random.waitFor({ state: 'hidden' });
  });

  describe('what people do with messages', () => {
    const say = async (page: Page, text: string): Promise<Locator> => {
      await page.getByTestId('composer').fill(text);
      await page.getByTestId('composer').press('Enter');
      const said = page.locator('#messages').getByTestId('message').last();
      await until(async () => (await said.getAttribute('data-state')) === 'shown');
      await page.locator('#outbox').getByTestId('message').waitFor({ state: 'detached' });
      return said;
    };
    const until = async (condition: () => Promise<boolean>): Promise<void> => {
      const end = Date.now() + 10_000;
      while (!(await condition())) {
        if (Date.now() > end) throw new Error('it did not happen');
        await sleep(20);
      }
    };

    it('is rich text without markup, edited with the arrow key and deleted, for everybody at once', async () => {
      const ada = await open('?as=ada#general');
      const charles = await open('?as=charles#general');
      await say(ada, 'It is **bold** and `code` for @charles <b>no tag</b>');
      const read = charles.getByTestId('message-text');
      await read.waitFor();
      expect(await read.locator('strong').textContent()).toBe('bold');
      expect(await read.locator('.mention-me').textContent()).toBe('@Charles Babbage');
      expect(await read.textContent()).toContain('<b>no tag</b>');
      await ada.getByTestId('composer').press('ArrowUp');
      await ada.getByTestId('composer').fill('Better');
      await ada.getByTestId('composer').press('Enter');
      await message(charles, 'Better').waitFor();
      expect(await message(charles, 'Better').textContent()).toContain('(edited)');
      expect(await charles.getByTestId('message').count()).toBe(1);
      expect(await message(charles, 'Better').getByTestId('tool-edit').count()).toBe(0);
      ada.on('dialog', (dialog) => {
        void dialog.accept();
      });
      await message(ada, 'Better').hover();
      await message(ada, 'Better').getByTestId('tool-delete').click();
      await charles.getByTestId('message').waitFor({ state: 'detached' });
      expect(problems).toEqual([]);
    });

    it('is answered in a thread, which counts its answers', async () => {
      const ada = await open('?as=ada#general');
      const charles = await open('?as=charles#general');
      const root = await say(ada, 'Who comes?');
      await root.hover();
      await root.getByTestId('tool-thread').click();
      await ada.getByTestId('thread-composer').fill('I do');
      await ada.getByTestId('thread-composer').press('Enter');
      await charles.getByTestId('thread-line').waitFor();
      expect(await charles.getByTestId('thread-line').textContent()).toBe('1 answer');
      expect(await charles.locator('#messages').getByTestId('message').count()).toBe(1);
      await charles.getByTestId('thread-line').click();
      await charles.locator('#thread-messages').getByText('I do').waitFor();
      await charles.locator('#also-to-channel').check();
      await charles.getByTestId('thread-composer').fill('So do I');
      await charles.getByTestId('thread-composer').press('Enter');
      await ada.locator('#thread-messages').getByText('So do I').waitFor();
      await ada.locator('#messages').getByText('So do I').waitFor();
      await ada.keyboard.press('Escape');
      await ada.getByTestId('thread-panel').waitFor({ state: 'hidden' });
      expect(problems).toEqual([]);
    });

    it('is reacted to by keyboard alone, each person once', async () => {
      const ada = await open('?as=ada#general');
      const charles = await open('?as=charles#general');
      await say(ada, 'Done!');
      await charles.getByTestId('tool-react').focus();
      await charles.keyboard.press('Enter');
      await charles.keyboard.press('ArrowRight');
      await charles.keyboard.press('Enter');
      await ada.getByTestId('reaction').click();
      await charles.locator('[data-testid=reaction]', { hasText: '2' }).waitFor();
      expect(await charles.getByTestId('reaction').getAttribute('aria-label')).toContain('Ada Lovelace');
      await charles.getByTestId('reaction').click();
      await ada.locator('[data-testid=reaction]', { hasText: '1' }).waitFor();
      expect(await ada.getByTestId('reaction').getAttribute('aria-pressed')).toBe('true');
      expect(problems).toEqual([]);
    });

    it('carries files: a picture is shown, anything else is a download', async () => {
      const ada = await open('?as=ada#general');
      const charles = await open('?as=charles#general');
      const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
      await ada.getByTestId('composer-file').setInputFiles([
        { name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(dot, 'base64') },
        { name: 'evil.html', mimeType: 'text/html', buffer: Buffer.from('<script>alert(1)</script>') },
      ]);
      await until(async () => (await ada.locator('[data-testid=upload][data-state=ready]').count()) === 2);
      await ada.getByTestId('send').click();
      await charles.getByTestId('picture').waitFor();
      const picture = charles.locator('.picture');
      await until(() => ada.evaluate<boolean>(`document.querySelector('.picture').naturalWidth > 0`));
      await picture.waitFor();
      expect(await charles.getByTestId('file').textContent()).toContain('evil.html');
      const href = (await charles.getByTestId('file').getAttribute('href')) ?? '';
      const answer = await fetch(`${chat.url}/${href}`);
      expect(answer.headers.get('content-type')).toBe('application/octet-stream');
      expect(problems).toEqual([]);
    });

    it('shows who types, also of another company', async () => {
      const ada = await open('?as=ada#general');
      await ada.getByTestId('composer').waitFor();
      await until(async () => {
        await contractCall(chat, 'channels/C1/typing', {
          method: 'POST',
          body: JSON.stringify({ author: GRACE, typing: true }),
        }).catch(() => undefined); // an answer without a body
        return (await ada.getByTestId('typing').textContent()) === 'Grace Hopper (globex.example) is typing…';
      });
      await postToChannel(chat, 'C1', 'k', { kind: 'message', text: 'here', author: GRACE });
      await until(async () => (await ada.getByTestId('typing').textContent()) === '');
    });

    it('shows who has read the newest message, also of another company, and tells the gateway', async () => {
      const ada = await open('?as=ada#general');
      await ada.getByTestId('composer').fill('read this');
      await ada.getByTestId('send').click();
      const charles = await open('?as=charles#general');
      await message(charles, 'read this').waitFor();
      await until(async () => (await ada.getByTestId('seen').textContent()) === 'Seen by Charles Babbage');
      const { body } = await contractCall(chat, 'events?cursor=0');
      const { events, ephemeral } = body as { events: { message: { id: string } }[]; ephemeral: { type: string }[] };
      const id = events[0]?.message.id;
      expect(ephemeral.filter(({ type }) => type === 'read')).toMatchObject([
        { channel_id: 'C1', user: { username: 'charles' }, message_id: id },
      ]);
      await contractCall(chat, 'channels/C1/read', {
        method: 'POST',
        body: JSON.stringify({ author: GRACE, message_id: id }),
      }).catch(() => undefined); // an answer without a body
      await until(
        async () =>
          (await ada.getByTestId('seen').textContent()) === 'Seen by Charles Babbage, Grace Hopper (globex.example)',
      );
      await charles.getByTestId('composer').fill('and this');
      await charles.getByTestId('send').click();
      await until(async () => (await charles.getByTestId('seen').textContent()) === 'Seen by Ada Lovelace');
      expect(problems).toEqual([]);
    });

    it('a conversation with another company is seen by its people alone, and the gateway is asked to invite', async () => {
      const ada = await open('?as=ada#general');
      const charles = await open('?as=charles#general');
      await ada.getByTestId('new-conversation').click();
      await ada.getByTestId('dialog-remote').fill('nobody');
      await ada.getByTestId('dialog-start').click();
      await ada.locator('#dialog-problem', { hasText: '@name:company.example' }).waitFor();
      await ada.getByTestId('dialog-remote').fill(GRACE.id);
      await ada.getByTestId('dialog-start').click();
      await ada.locator('[data-testid=channel][aria-current=page]', { hasText: 'Ada, grace' }).waitFor();
      const { body } = await contractCall(chat, 'events?cursor=0');
      expect((body as { events: unknown[] }).events).toMatchObject([
        { type: 'conversation', participants: [{ user_id: GRACE.id }], channel: { kind: 'direct' } },
      ]);
      expect(await charles.getByTestId('channel').count()).toBe(2);
      expect(problems).toEqual([]);
    });

    it('an invitation has buttons; the press is told to the gateway', async () => {
      const ada = await open('?as=ada#general');
      const actions = [{ id: 'accept:1', label: 'Accept', style: 'primary' }];
      await postToChannel(chat, 'C1', 'k', { kind: 'notice', text: 'An invitation', visible_to: ['U1'], actions });
      await ada.getByTestId('action').click();
      await until(async () => {
        const { body } = await contractCall(chat, 'events?cursor=1');
        return (body as { events: { type: string; action?: string }[] }).events.some(
          ({ type, action }) => type === 'action' && action === 'accept:1',
        );
      });
    });

    it('the theme is chosen by hand, and stays', async () => {
      const ada = await open('?as=ada#general', { colorScheme: 'light' });
      const background = () => ada.evaluate<string>('getComputedStyle(document.body).backgroundColor');
      await ada.getByTestId('composer').waitFor();
      expect(await background()).toBe('rgb(255, 255, 255)');
      await ada.getByTestId('theme').click();
      expect(await background()).not.toBe('rgb(255, 255, 255)');
      await ada.reload();
      await ada.getByTestId('composer').waitFor();
      expect(await background()).not.toBe('rgb(255, 255, 255)');
    });
  });
});
