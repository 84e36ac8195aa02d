import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plainText } from '../../../src/message/index.js';
import { until } from '../../support/until.js';
import { type SlackWorld, first, platformOf, says, slackWorld } from './workspace.js';

let world: SlackWorld;

const texts = (): string[] => world.host.of('message').map(({ body }) => plainText(body));

describe.each(['http', 'socket'] as const)('events by %s', (events) => {
  beforeEach(async () => {
    world = await slackWorld({ events });
  });

  afterEach(async () => {
    await world.close();
  });

  it('are what people say, in their order, once, however often Slack sends them', async () => {
    const { slack, team, general, host } = world;
    slack.outbox.duplicate(0.5, 7);
    for (let n = 0; n < 40; n += 1) team.people.say('ada', general, `say ${n}`);
    await until('all are there', () => host.events.length >= 40);
    expect(texts()).toEqual(Array.from({ length: 40 }, (_, n) => `say ${n}`));
    expect(host.of('message')[0]).toMatchObject({
      author: { username: 'ada', displayName: 'Ada Lovelace' },
      channel: { id: general.id, name: 'general' },
    });
  });

  it('are not acknowledged before they are durable, and keep their order when the database fails', async () => {
    const { team, general, host, slack } = world;
    host.failures = 2;
    for (let n = 0; n < 5; n += 1) team.people.say('ada', general, `say ${n}`);
    await until('all are there', () => host.events.length === 5);
    expect(texts()).toEqual(['say 0', 'say 1', 'say 2', 'say 3', 'say 4']);
    host.slowMs = 400;
    team.people.say('ada', general, 'slow');
    const delivery = slack.outbox.sent.at(-1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(delivery?.state).toBe('waiting');
    await until('it is acknowledged', () => delivery?.state === 'acknowledged');
    expect(texts().at(-1)).toBe('slow');
  });

  it('are edits and deletes of what somebody wrote, and not previews of links', async () => {
    const { team, general, host } = world;
    const message = team.people.say('ada', general, 'see https://example.org');
    team.people.unfurl(general, message, 'https://example.org');
    team.people.edit('ada', general, message, 'do see https://example.org');
    const parent = team.people.say('ada', general, 'parent');
    team.people.say('ada', general, { text: 'reply', thread: parent.ts });
    team.people.delete(general, parent);
    team.people.delete(general, message);
    await until('both are deleted', () => host.of('delete').length === 2);
    expect(host.of('edit').map(({ nativeId, body }) => [nativeId, plainText(body)])).toEqual([
      [message.ts, 'do see https://example.org'],
    ]);
    expect(host.of('delete').map(({ nativeId }) => nativeId)).toEqual([parent.ts, message.ts]);
  });

  it('are threads, /me, files, reactions with their skin', async () => {
    const { team, general, host } = world;
    const root = team.people.say('ada', general, 'root');
    team.people.say('ada', general, { text: 'in it', thread: root.ts });
    team.people.say('ada', general, { text: 'to all', thread: root.ts, broadcast: true });
    team.people.emote('ada', general, 'waves');
    const file = team.people.upload('ada', { name: 'a.txt', mimetype: 'text/plain', bytes: Buffer.from('abc') });
    team.people.say('ada', general, { text: 'look', files: [file] });
    team.people.react('ada', general, root, 'wave::skin-tone-3');
    team.people.unreact('ada', general, root, 'wave::skin-tone-3');
    await until('all are there', () => host.events.length === 7);
    const said = host.of('message');
    expect(said.map(({ thread }) => thread)).toEqual([
      undefined,
      { root: root.ts },
      { root: root.ts, alsoToChannel: true },
      undefined,
      undefined,
    ]);
    expect(said[3]?.body.style).toBe('emote');
    expect(said[4]?.body.attachments).toMatchObject([
      { name: 'a.txt', mimeType: 'text/plain', size: 3, source: { nativeId: file.id } },
    ]);
    const opened = await world.platform.can.openFile?.(file.id);
    expect(Buffer.concat((await opened?.stream.toArray()) ?? []).toString()).toBe('abc');
    expect(host.of('reaction')).toMatchObject([
      { change: 'add', nativeId: root.ts, emoji: { shortcode: 'wave', unicode: '👋🏼' } },
      { change: 'remove' },
    ]);
  });

  it('are never what we said ourselves, and a program’s words are those of a program', async () => {
    const { platform, team, general, host } = world;
    const { nativeId } = await platform.sendMessage(general.id, says('ours'), first());
    await platform.can.edit?.({ channelId: general.id, nativeId }, says('ours, edited'), first());
    await platform.sendMessage(general.id, says('a notice', { kind: 'notice' }), first());
    team.people.otherBot(general, 'Weather', 'Rain');
    team.people.noise('ada', general);
    await until('the weather is there', () => host.events.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(texts()).toEqual(['Rain']);
    expect(host.of('message')[0]).toMatchObject({
      author: { displayName: 'Weather', bot: true },
      body: { style: 'notice' },
    });
  });

  it('are who comes and goes, and what becomes of a channel', async () => {
    const { team, general, host } = world;
    const bob = team.workspace.addUser({ name: 'bob', realName: 'Bob' });
    team.people.invite('ada', general, bob);
    team.people.leave('bob', general);
    team.people.setTopic('ada', general, 'Ships & <things>');
    team.people.rename('ada', general, 'ships');
    team.people.makePrivate('ada', general);
    team.people.archive('ada', general);
    team.people.unarchive('ada', general);
    const old = general.id;
    team.people.connect(general, 'T0OTHER', true);
    team.people.removeApp(general);
    const seen = (change: string): boolean => host.of('channel').some((each) => each.change === change);
    await until('all is told', () => ['bot_removed', 'unarchived', 'moved'].every(seen));
    expect(host.of('membership')).toMatchObject([
      { change: 'join', user: { id: bob.id }, actor: { username: 'ada' } },
      { change: 'leave', user: { id: bob.id } },
    ]);
    const changes = host.of('channel');
    expect(changes.map(({ change }) => change)).toEqual(
      expect.arrayContaining(['topic', 'name', 'visibility', 'archived', 'unarchived', 'moved', 'bot_removed']),
    );
    expect(changes.find(({ change }) => change === 'topic')?.channel.topic).toBe('Ships & <things>');
    expect(changes.find(({ change }) => change === 'name')?.channel).toMatchObject({ id: old, name: 'ships' });
    expect(changes.find(({ change }) => change === 'moved')).toMatchObject({
      formerId: old,
      channel: { id: general.id },
    });
  });

  it('are profiles when a name changes, and no statuses', async () => {
    const { team, host, general } = world;
    team.people.say('ada', general, 'hello');
    await until('it is there', () => host.events.length === 1);
    team.people.setStatus('ada', 'away', ':palm_tree:');
    team.people.changeProfile('ada', { displayName: 'Countess' });
    await until('the profile is there', () => host.of('profile').length > 0);
    expect(host.of('profile')).toMatchObject([{ user: { displayName: 'Countess' } }]);
  });

  it('are commands: by slash, by a mention at the beginning, and in the app’s own direct conversation', async () => {
    const { team, general, host, slack } = world;
    const call = team.people.slash('ada', general, '/causeway', 'invite @grace:globex.example');
    team.people.say('ada', general, `<@${team.workspace.app.botUser}> help`);
    team.people.say('ada', general, `I asked <@${team.workspace.app.botUser}> help`);
    team.people.say('ada', team.people.directWithApp('ada'), 'status');
    await until('all are there', () => host.events.length === 4);
    expect(
      host
        .of('command')
        .map(({ text }) => text)
        .sort(),
    ).toEqual(['help', 'invite @grace:globex.example', 'status']);
    expect(host.of('message')).toHaveLength(1);
    await until('the command is acknowledged', () => call.delivery?.state === 'acknowledged');
    await until('all is acknowledged', () => slack.outbox.sent.every(({ state }) => state === 'acknowledged'));
  });

  it('are pressed buttons', async () => {
    const { platform, team, general, host } = world;
    const actions = [{ id: 'accept:1', label: 'Accept' }];
    const { nativeId } = await platform.sendMessage(general.id, says('Come?', { kind: 'notice', actions }), first());
    const message = general.messages.find(({ ts }) => ts === nativeId);
    if (message === undefined) throw new Error('not posted');
    team.people.press('ada', general, message, { actionId: 'accept:1', value: 'accept:1' });
    await until('it is there', () => host.of('action').length === 1);
    expect(host.of('action')).toMatchObject([{ action: 'accept:1', actor: { username: 'ada' }, nativeId }]);
  });

  it('are of people of other companies in a shared channel under their company’s name', async () => {
    const { team, general, host } = world;
    const eve = team.workspace.addUser({ name: 'eve', realName: 'Eve', teamId: 'T0OTHER' });
    general.members.add(eve.id);
    team.people.say(eve, general, 'hi from outside');
    await until('it is there', () => host.events.length === 1);
    expect(host.of('message')[0]?.author.displayName).toMatch(/^Eve \(.+\)$/);
  });

  it('tell of a removed app', async () => {
    world.team.people.uninstallApp();
    await until('it is told', () => world.host.troubles.some((each) => each !== undefined));
    expect(world.host.troubles.at(-1)).toMatch(/removed|revoked/);
  });
});

describe('Socket Mode', () => {
  beforeEach(async () => {
    world = await slackWorld({ events: 'socket' });
  });

  afterEach(async () => {
    await world.close();
  });

  it.each(['warning', 'refresh_requested'] as const)(
    'loses nothing when Slack renews connections (%s)',
    async (reason) => {
      const { slack, team, general, host } = world;
      for (let n = 0; n < 60; n += 1) {
        team.people.say('ada', general, `say ${n}`);
        if (n % 20 === 5) slack.socketMode.disconnect(reason, n % 2);
        if (n % 20 === 12) slack.socketMode.drop(0);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await until('all are there', () => host.events.length >= 60, 20_000);
      expect([...texts()].sort()).toEqual(Array.from({ length: 60 }, (_, n) => `say ${n}`).sort());
      await until('two connections stand again', () => slack.socketMode.size === 2);
    },
  );

  it('loses nothing when all connections break at once', async () => {
    const { slack, team, general, host } = world;
    slack.socketMode.drop();
    await until('they are gone', () => slack.socketMode.size === 0);
    await until('they stand again', () => slack.socketMode.size === 2);
    team.people.say('ada', general, 'still there');
    await until('it is there', () => host.events.length === 1);
  });

  it('connects again after errors of the network and of Slack', async () => {
    const { slack, team, general, host } = world;
    slack.faults.next('apps.connections.open', { kind: 'reset' }, 2);
    slack.faults.next('apps.connections.open', { kind: 'http', status: 503 }, 2);
    slack.faults.next('apps.connections.open', { kind: 'ratelimited', seconds: 1 }, 1);
    slack.socketMode.drop();
    await until('they are gone', () => slack.socketMode.size === 0);
    await until('they stand again', () => slack.socketMode.size === 2, 20_000);
    team.people.say('ada', general, 'still there');
    await until('it is there', () => host.events.length === 1);
  });
});

describe('after an outage', () => {
  beforeEach(async () => {
    world = await slackWorld({ events: 'socket' });
  });

  afterEach(async () => {
    await world.close();
  });

  const restart = async (): Promise<() => Promise<void>> => {
    const { slack, team, edge, host } = world;
    const platform = platformOf(slack, team, edge, { events: 'socket', messageMs: 1 });
    platform.start(host);
    return () => platform.stop();
  };

  it('what Slack has given up is read from the channels: once, with edits and threads', async () => {
    const { team, general, host, platform, slack } = world;
    const root = team.people.say('ada', general, 'known');
    const edited = team.people.say('ada', general, 'to be edited');
    await until('both are there', () => host.events.length === 2);
    await until('the cursor is kept', () => host.left !== undefined);
    await platform.sendMessage(general.id, says('ours'), first());
    await platform.stop();
    slack.outbox.pause();
    for (let n = 0; n < 250; n += 1) team.people.say('ada', general, `missed ${n}`);
    team.people.say('ada', general, { text: 'a missed reply', thread: root.ts });
    team.people.edit('ada', general, edited, 'edited');
    slack.faults.random(0.1, 3, undefined, ['conversations.history', 'conversations.replies', 'users.conversations']);
    host.failures = 3;
    const stop = await restart();
    await until('all is there', () => host.of('message').length >= 253 && host.of('edit').length > 0, 20_000);
    expect(texts().slice(0, 2)).toEqual(['known', 'to be edited']);
    expect(texts().filter((text) => text.startsWith('missed'))).toEqual(
      Array.from({ length: 250 }, (_, n) => `missed ${n}`),
    );
    expect(host.of('message').at(-1)).toMatchObject({ thread: { root: root.ts } });
    expect(host.of('edit')).toMatchObject([{ nativeId: edited.ts }]);
    // Slack sends some of it after all.
    slack.outbox.resume();
    team.people.say('ada', general, 'now');
    await until('it goes on', () => texts().includes('now'));
    expect(new Set(texts()).size).toBe(texts().length);
    expect(host.of('edit')).toHaveLength(1);
    await stop();
  });

  it('the cursor stands still until all that was missed is read', async () => {
    const { team, general, host, platform, slack } = world;
    team.people.say('ada', general, 'known');
    await until('the cursor is kept', () => host.left !== undefined);
    const { left } = host;
    await platform.stop();
    slack.faults.next('users.conversations', { kind: 'ratelimited', seconds: 1 });
    const stop = await restart();
    await until('Slack reaches us', () => slack.socketMode.size === 2);
    team.people.say('ada', general, 'live');
    await until('it is there', () => host.events.length === 2);
    expect(host.left).toBe(left);
    await until('it moves on', () => {
      team.people.say('ada', general, 'more');
      return host.left !== left;
    });
    await stop();
  });
});
