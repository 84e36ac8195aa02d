import { afterEach, describe, expect, it } from 'vitest';
import { EphemeralLane } from '../../src/bridge/ephemeral-lane.js';
import { Metrics } from '../../src/observability/metrics.js';
import type { EphemeralEvent } from '../../src/platform/port.js';
import { Ephemera } from '../../src/rooms/ephemera.js';
import { person } from '../fakes/visible-channel.js';
import { until } from '../support/until.js';
import { type Side, TwoChannels } from './two-channels.js';

let two: TwoChannels;
afterEach(() => two.close());

const does = ({ gateway, server }: Side, event: EphemeralEvent): void => {
  gateway.app.get(EphemeralLane).fromChat('http', server, event);
};
const types = (side: Side, who: string, typing = true): void => {
  does(side, { type: 'typing', channelId: 'C1', user: person(who), typing });
};
const reads = (side: Side, who: string, nativeId: string): void => {
  does(side, { type: 'read', channelId: 'C1', user: person(who), nativeId });
};
/** Both have spoken, so that both are in the room; the native ids of their words on both sides. */
async function acquainted(): Promise<void> {
  await two.hub.channel.say('ada', 'hello');
  await two.participant.channel.say('grace', 'hi');
  await until('both words', () => two.hub.channel.texts().includes('hi'));
  await until('both words', () => two.participant.channel.texts().includes('hello'));
}
const sent = async ({ gateway }: Side): Promise<Record<string, number>> => {
  const { values } = await gateway.app.get(Metrics).edusSent.get();
  return Object.fromEntries(values.map(({ labels, value }) => [String(labels.outcome), value]));
};

describe('typing and receipts', () => {
  // proves LM-04/transport-edus/1
  it('are shown in the other channel, both ways', async () => {
    two = await TwoChannels.start();
    await acquainted();
    for (const [who, here, there] of [
      ['ada', two.hub, two.participant],
      ['grace', two.participant, two.hub],
    ] as const) {
      types(here, who);
      await until('typing is seen', () => there.channel.typing.has(here.user(who)));
      types(here, who, false);
      await until('its end is seen', () => there.channel.typing.size === 0);
      for (const text of ['hello', 'hi']) {
        reads(here, who, here.channel.saying(text).nativeId);
        const { nativeId } = there.channel.saying(text);
        await until('reading is seen', () => there.channel.read.get(here.user(who)) === nativeId);
      }
    }
  });

  it('are of people who are in the room, whoever says so, and about messages of the channel', async () => {
    two = await TwoChannels.start();
    await acquainted();
    const { hub, participant, roomId } = two;
    types(hub, 'stranger');
    reads(hub, 'ada', 'never shown');
    const { nativeId } = hub.channel.saying('hello');
    reads(hub, 'ada', nativeId);
    await until('the last is seen', () => participant.channel.read.has(hub.user('ada')));
    expect([...participant.channel.typing]).toEqual([]);
    const ephemera = participant.gateway.app.get(Ephemera);
    ephemera.heard({ type: 'typing', roomId, userId: hub.user('stranger'), typing: true });
    ephemera.heard({ type: 'typing', roomId, userId: hub.user('ada'), typing: true });
    await until('the last is seen', () => participant.channel.typing.has(hub.user('ada')));
    expect([...participant.channel.typing]).toEqual([hub.user('ada')]);
  });

  it('are told as far as the operator wants them to be', async () => {
    two = await TwoChannels.start([{ CAUSEWAY_SHARE_ACTIVITY: 'read' }, {}]);
    await acquainted();
    types(two.hub, 'ada');
    reads(two.hub, 'ada', two.hub.channel.saying('hello').nativeId);
    await until('reading is seen', () => two.participant.channel.read.has(two.hub.user('ada')));
    expect([...two.participant.channel.typing]).toEqual([]);
    await until('its answer', async () => (await sent(two.hub)).taken !== undefined);
    expect(await sent(two.hub)).toEqual({ taken: 1 });
  });

  it('are lost where a server is away: no second attempt, and no message waits for them', async () => {
    two = await TwoChannels.start();
    await acquainted();
    const { hub, participant } = two;
    const { directory } = participant.gateway;
    await participant.gateway.close({ keepData: true });
    types(hub, 'ada');
    await until('it is lost', async () => (await sent(hub)).lost === 1);
    types(hub, 'ada', false);
    types(hub, 'ada');
    await hub.channel.say('ada', 'for later');
    await participant.startGateway(directory);
    await until('the message', () => participant.channel.texts().includes('for later'));
    expect(await sent(hub)).toEqual({ lost: 1 });
    expect([...participant.channel.typing]).toEqual([]);
  });
});

describe('a chat that cannot show typing or receipts', () => {
  it('is not asked to', async () => {
    two = await TwoChannels.start([{}, {}], [{}, { can: ['edit', 'delete', 'react'] }]);
    await acquainted();
    types(two.hub, 'ada');
    reads(two.hub, 'ada', two.hub.channel.saying('hello').nativeId);
    await two.hub.channel.say('ada', 'and on');
    await until('the message', () => two.participant.channel.texts().includes('and on'));
    expect([two.participant.channel.typing.size, two.participant.channel.read.size]).toEqual([0, 0]);
  });
});
