import { afterEach, describe, expect, it } from 'vitest';
import { type Abilities, type Call, PlatformError } from '../../../src/platform/port.js';
import type { SlackPlatform } from '../../../src/platform/slack/slack-platform.js';
import { seeded } from '../../fakes/slack/clock.js';
import { EVERY_FAULT } from '../../fakes/slack/faults.js';
import { GRACE, type SlackWorld, platformOf, says, slackWorld } from './workspace.js';

let world: SlackWorld | undefined;

afterEach(async () => {
  await world?.close();
});

const OPERATIONS = 150;
const WRITES = [
  'chat.postMessage',
  'chat.update',
  'chat.delete',
  'reactions.add',
  'reactions.remove',
  'conversations.history',
  'conversations.replies',
  'files.getUploadURLExternal',
  'files.completeUploadExternal',
  'files.info',
];

interface Expected {
  nativeId: string;
  text: string;
  root?: string;
  reacted: boolean;
}

/** What the bridge does: one call after the other, each under its key until it is done; and a process that dies at any time. */
class Caller {
  private calls = 0;
  crashes = 0;

  constructor(
    private readonly here: SlackWorld,
    private platform: SlackPlatform,
    private readonly random: () => number,
  ) {}

  async done<T>(call: (platform: SlackPlatform, call: Call) => Promise<T>): Promise<T> {
    this.calls += 1;
    const key = `call ${this.calls}`;
    for (let attempt = 0; attempt < 50; attempt += 1) {
      try {
        const result = await call(this.platform, { key, repeated: attempt > 0 });
        // Dead between the call and the commit of its result.
        if (this.random() >= 0.05) return result;
        await this.crash();
      } catch (error) {
        if (!(error instanceof PlatformError && error.code === 'unavailable')) throw error;
        if (this.random() < 0.3) await this.crash();
      }
    }
    throw new Error(`${key} is never done`);
  }

  async close(): Promise<void> {
    if (this.platform !== this.here.platform) await this.platform.stop();
  }

  private async crash(): Promise<void> {
    this.crashes += 1;
    await this.close();
    this.platform = platformOf(this.here.slack, this.here.team, this.here.edge, { events: 'socket', messageMs: 1 });
    this.platform.start(this.here.host);
  }
}

async function ability<K extends keyof Abilities>(
  platform: SlackPlatform,
  name: K,
): Promise<NonNullable<Abilities[K]>> {
  const found = platform.can[name];
  if (found === undefined) throw new Error(`Slack cannot ${name}`);
  return found;
}

describe('a conversation into Slack, with every tenth call failing and processes dying', () => {
  it.each([1, 2, 3, 4])(
    'is there once, whole and in order (seed %i)',
    async (seed) => {
      world = await slackWorld();
      const { slack, team, general } = world;
      const random = seeded(seed);
      slack.faults.random(0.1, seed, EVERY_FAULT, WRITES);
      const caller = new Caller(world, world.platform, random);
      const bytes = Buffer.from('a file');
      world.host.files.set('mxc://globex.example/f', { bytes, mimeType: 'text/plain', name: 'f.txt' });
      const expected: Expected[] = [];
      const pick = (): Expected | undefined => expected[Math.floor(random() * expected.length)];
      for (let n = 0; n < OPERATIONS; n += 1) {
        const dice = random();
        const chosen = dice < 0.6 ? undefined : pick();
        const ref = { channelId: general.id, nativeId: chosen?.nativeId ?? '' };
        if (chosen === undefined) {
          const root = random() < 0.2 ? expected.find((each) => each.root === undefined)?.nativeId : undefined;
          const message = says(`message ${n}`, root === undefined ? {} : { thread: { root } });
          const file = {
            kind: 'file' as const,
            name: 'f.txt',
            mimeType: 'text/plain',
            source: { mxc: 'mxc://globex.example/f' },
          };
          if (random() < 0.1) message.body.attachments.push(file);
          const { nativeId } = await caller.done((platform, call) => platform.sendMessage(general.id, message, call));
          const text = message.body.attachments.length > 0 ? `Grace · globex.example\nmessage ${n}` : `message ${n}`;
          expected.push({ nativeId, text, reacted: false, ...(root === undefined ? {} : { root }) });
        } else if (dice < 0.75) {
          await caller.done(async (platform, call) => (await ability(platform, 'edit'))(ref, says(`edit ${n}`), call));
          chosen.text = `edit ${n}`;
        } else if (dice < 0.9) {
          const emoji = { type: 'emoji' as const, shortcode: 'wave', unicode: '👋' };
          const change = chosen.reacted ? 'remove' : 'add';
          await caller.done(async (platform, call) =>
            (await ability(platform, 'react'))(ref, emoji, change, GRACE, call),
          );
          chosen.reacted = !chosen.reacted;
        } else if (!expected.some(({ root }) => root === chosen.nativeId)) {
          await caller.done(async (platform, call) => (await ability(platform, 'delete'))(ref, call));
          expected.splice(expected.indexOf(chosen), 1);
        }
      }
      slack.faults.clear();
      await caller.close();
      const shown = team.visible('general').flatMap((message) => [message, ...message.replies]);
      const wanted = expected.map(({ nativeId, text, reacted }) => [nativeId, text, reacted]);
      expect(shown.map(({ ts, text, reactions }) => [ts, text, 'wave' in reactions]).sort()).toEqual(
        [...wanted].sort(),
      );
      const top = expected.filter(({ root }) => root === undefined).map(({ nativeId }) => nativeId);
      expect(team.visible('general').map(({ ts }) => ts)).toEqual(top);
      expect(slack.faults.happened.length).toBeGreaterThan(5);
      expect(caller.crashes).toBeGreaterThan(3);
    },
    60_000,
  );
});
