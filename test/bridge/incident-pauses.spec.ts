import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RoomMappings } from '../../src/mapping/room-mappings.js';
import type { PauseOn } from '../../src/persistence/entities/index.js';
import type { EventId, RoomId, ServerName } from '../../src/protocol/index.js';
import { type IncidentKind, Incidents } from '../../src/rooms/incidents.js';
import { forEachDatabase } from '../postgres/databases.js';
import { type TestGateway, startGateway } from '../support/gateway.js';

forEachDatabase(({ createUrl }) => {
  let acme: TestGateway;
  let mappings: RoomMappings;
  let incidents: Incidents;
  let channels = 0;

  beforeAll(async () => {
    const platform = { kind: 'http', workspace: 'acme', url: 'http://127.0.0.1:1', token: 'nobody-listens-there' };
    const env = { CAUSEWAY_DATABASE_URL: await createUrl(), CAUSEWAY_PLATFORMS: JSON.stringify([platform]) };
    acme = await startGateway('acme.example', {}, { env });
    mappings = acme.app.get(RoomMappings);
    incidents = acme.app.get(Incidents);
  });

  afterAll(() => acme.close());

  async function aMapping(pauseOn?: PauseOn): Promise<{ roomId: RoomId; state: () => Promise<unknown> }> {
    const roomId = await acme.rooms.create({});
    const channelId = `C${String(channels++)}`;
    const channel = { platform: 'http', workspace: 'acme', channelId, channelName: channelId };
    const mapping = await mappings.create(channel, roomId);
    if (pauseOn !== undefined) await mappings.setPauseOn(mapping, pauseOn);
    const state = async () => {
      const { state: current, reason } = (await mappings.find(mapping.id)) ?? {};
      return { state: current, reason };
    };
    return { roomId, state };
  }

  const happens = (roomId: RoomId, kind: IncidentKind, eventId = '$e') =>
    incidents.record({ kind, server: 'hub.example' as ServerName, roomId, eventId: eventId as EventId, detail: 'why' });

  describe('a mapping', () => {
    it('pauses on a forgery in its room, and says why', async () => {
      const { roomId, state } = await aMapping();
      await happens(roomId, 'fork');
      expect(await state()).toEqual({ state: 'active', reason: null });
      await happens(roomId, 'altered');
      expect(await state()).toEqual({
        state: 'paused',
        reason: 'hub.example is not to be trusted (altered): why',
      });
    });

    it('pauses on any incident, or on none, when it is told so', async () => {
      const any = await aMapping('any');
      const none = await aMapping('none');
      await happens(any.roomId, 'fork', '$any');
      await happens(none.roomId, 'forged', '$none');
      expect(await any.state()).toMatchObject({ state: 'paused' });
      expect(await none.state()).toMatchObject({ state: 'active' });
    });

    it('does not pause on an incident in another room', async () => {
      const one = await aMapping();
      const other = await aMapping();
      await happens(one.roomId, 'equivocation', '$elsewhere');
      expect(await other.state()).toMatchObject({ state: 'active' });
    });

    it('that the admin has resumed pauses on another incident, not on a repetition of the same', async () => {
      const { roomId, state } = await aMapping();
      await happens(roomId, 'forged', '$first');
      const [mapping] = await mappings.ofRoom(roomId);
      if (mapping === undefined) throw new Error('the mapping is gone');
      await mappings.setState(mapping, 'active');
      await happens(roomId, 'forged', '$first');
      expect(await state()).toMatchObject({ state: 'active' });
      await happens(roomId, 'forged', '$second');
      expect(await state()).toMatchObject({ state: 'paused' });
    });

    it('is not paused when the incident is not recorded', async () => {
      const { roomId, state } = await aMapping();
      const failing = acme.database.transaction(async () => {
        await happens(roomId, 'altered', '$undone');
        throw new Error('the transaction fails');
      });
      await expect(failing).rejects.toThrow('fails');
      expect(await state()).toMatchObject({ state: 'active' });
      expect(await incidents.list({ roomId }, 10)).toEqual([]);
    });
  });
});
