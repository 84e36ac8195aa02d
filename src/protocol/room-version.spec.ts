import { describe, expect, it } from 'vitest';
import { ACME, ADA, FIELDS, aKey, aRoom, anEvent } from '../../test/support/events.js';
import { canonicalJson } from './canonical-json.js';
import { parseLpdu, parsePdu } from './events.js';
import { eventIdOf, lpduContentHash, pduContentHash } from './hashes.js';
import { redact } from './redaction.js';
import { DEFAULT_ROOM_VERSION, ROOM_VERSIONS, roomVersion } from './room-version.js';
import { selectAuthEvents } from './auth-events.js';
import { buildOwnPdu } from './signing.js';

describe('room versions', () => {
  // proves LM-04/room-versions/3, 4; profile/versions/1
  it('are the one in the wild, which is the default, and the draft’s', () => {
    expect(DEFAULT_ROOM_VERSION).toBe('org.matrix.i-d.ralston-mimi-linearized-matrix.02');
    expect(ROOM_VERSIONS).toEqual([DEFAULT_ROOM_VERSION, 'I.1']);
    expect(roomVersion(DEFAULT_ROOM_VERSION)).toMatchObject({ id: DEFAULT_ROOM_VERSION, stable: false });
    expect(roomVersion('I.1')).toMatchObject({ id: 'I.1', stable: true });
    for (const other of ['1', 'i.1', '', undefined, null, {}]) expect(roomVersion(other)).toBeUndefined();
  });

  // proves profile/versions/2
  it.each(ROOM_VERSIONS)('%s is made of the algorithms of the draft, for rooms of its own id', (id) => {
    const version = roomVersion(id);
    if (version === undefined) throw new Error('it is known');
    expect(version).toMatchObject({
      parsePdu,
      parseLpdu,
      canonicalJson,
      redact,
      lpduContentHash,
      pduContentHash,
      eventIdOf,
      selectAuthEvents,
    });
    const create = anEvent().state('m.room.create', '', { room_version: id }).build();
    expect(version.checkAuthRules(create, { state: aRoom() })).toEqual({ allowed: true, rule: '3.4' });
    const other = anEvent().state('m.room.create', '', { room_version: 'other' }).build();
    expect(version.checkAuthRules(other, { state: aRoom() })).toMatchObject({ allowed: false, rule: '3.3' });
    expect(version.parsePdu(buildOwnPdu(create, FIELDS, ACME, aKey(1)))).toMatchObject({ ok: true });
  });

  // proves LM-04/hub-selection/1
  it('have as hub the server of the creator', () => {
    const hubOf = (create: Parameters<NonNullable<ReturnType<typeof roomVersion>>['hubOf']>[0]) =>
      roomVersion('I.1')?.hubOf(create);
    expect(hubOf({ sender: ADA })).toBe(ACME);
    expect(hubOf({ sender: 'x' })).toBeUndefined();
    expect(hubOf({})).toBeUndefined();
  });
});
