import { Injectable } from '@nestjs/common';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { RoomEntity, RoomStateEntity } from '../persistence/entities/index.js';
import { failpoint } from '../persistence/failpoint.js';
import {
  DEFAULT_ROOM_VERSION,
  type EventId,
  type JsonDefects,
  type JsonValue,
  type Pdu,
  type RoomId,
  type ServerName,
  isJsonObject,
} from '../protocol/index.js';
import { BadHubAnswer, algorithmsOf } from './bad-hub-answer.js';
import { Gaps } from './gaps.js';
import { Lpdus } from './lpdus.js';
import type { NewEvent } from './new-event.js';
import { PduVerifier } from './pdu-verifier.js';
import { RemoteServers } from './remote-servers.js';
import { type AppendedEvent, RoomLog } from './room-log.js';
import { insertEvents, writeState } from './room-rows.js';
import { RoomReader } from './room-reader.js';

/** How the first of our users enters a room of another hub (LM-04 §Joins). */
@Injectable()
export class Joins {
  constructor(
    private readonly database: Database,
    private readonly log: RoomLog,
    private readonly reader: RoomReader,
    private readonly verifier: PduVerifier,
    private readonly lpdus: Lpdus,
    private readonly gaps: Gaps,
    private readonly remote: RemoteServers,
    private readonly clock: Clock,
  ) {}

  /**
   * Joins by the handshake with the hub. PDUs that it pushes before it has answered are kept and applied afterwards
   * (profile §5). Rejects with RemoteRefusal, RemoteUnavailable or BadHubAnswer.
   */
  async join(roomId: RoomId, hub: ServerName, event: NewEvent): Promise<void> {
    // Some hubs name no version; m.room.create is checked against it below.
    const { roomVersion: version = DEFAULT_ROOM_VERSION } = await this.remote.makeMember(
      'join',
      hub,
      roomId,
      event.sender,
    );
    await this.beginJoin(roomId, hub, version);
    const lpdu = this.lpdus.sign(hub, event);
    const reference = algorithmsOf(version).eventIdOf(lpdu);
    const answer = await this.remote.sendMember('join', hub, lpdu, reference);
    failpoint('participant.join-answered');
    const body = isJsonObject(answer.value) ? answer.value : {};
    const [join] = await this.accept(version, hub, [body.event ?? null], answer.defects);
    const snapshot = await this.accept(version, hub, Array.isArray(body.state) ? body.state : [], answer.defects);
    if (join?.hashes.lpdu?.sha256 !== lpdu.hashes.lpdu.sha256) throw new BadHubAnswer('the join event is not ours');
    if (snapshot.some((pdu) => pdu.room_id !== roomId)) throw new BadHubAnswer('state of another room');
    const create = snapshot.find((pdu) => pdu.type === 'm.room.create');
    if (create === undefined || algorithmsOf(version).hubOf(create) !== hub) {
      throw new BadHubAnswer(`${hub} is not the hub by the m.room.create event`);
    }
    if (create.content.room_version !== version) throw new BadHubAnswer('the room has another version');
    await this.enter(roomId, version, snapshot, join);
    this.gaps.loops.start(roomId);
  }

  private async beginJoin(roomId: RoomId, hub: ServerName, version: string | undefined): Promise<void> {
    const known = algorithmsOf(version);
    await this.database.transaction(async (manager) => {
      const room = await manager.findOneBy(RoomEntity, { roomId });
      if (room === null) {
        await manager.insert(RoomEntity, {
          roomId,
          version: known.id,
          role: 'participant',
          hubServer: hub,
          standing: 'joining',
          headPosition: -1,
          headEventId: null,
          createdAt: this.clock.now(),
        });
      } else if (room.standing !== 'joined') {
        await manager.update(RoomEntity, { roomId }, { standing: 'joining', hubServer: hub });
      }
    });
  }

  /** Events of an answer, verified; what does not verify fails the whole answer. */
  private async accept(
    version: string | undefined,
    hub: ServerName,
    values: readonly JsonValue[],
    defects: JsonDefects,
  ): Promise<Pdu[]> {
    const pdus = values.map((value) => {
      const pdu = algorithmsOf(version).parsePdu(value, defects);
      if (!pdu.ok) throw new BadHubAnswer(`${hub} sent an event that is none: ${pdu.error.reason}`);
      return pdu.value;
    });
    const faults = await this.verifier.pduFaults(pdus, hub);
    return pdus.map((pdu, index) => {
      const fault = faults[index];
      if (fault?.kind === 'bad_signature')
        throw new BadHubAnswer(`${hub} sent an event that does not verify: ${fault.reason}`);
      return fault === undefined ? pdu : (algorithmsOf(version).redact(pdu) as Pdu);
    });
  }

  /** Writes the state before our join and the join itself, and is in the room. */
  private async enter(roomId: RoomId, version: string | undefined, snapshot: readonly Pdu[], join: Pdu): Promise<void> {
    const algorithms = algorithmsOf(version);
    await this.database.transaction(async (manager) => {
      const room = await manager.findOneByOrFail(RoomEntity, { roomId });
      if (room.standing === 'joined') return; // another of our users was faster; the join comes by the log
      const known = new Map<EventId, number>();
      for (const pdu of [...snapshot, join]) {
        const before = await this.reader.event(algorithms.eventIdOf(pdu));
        if (before !== undefined) known.set(before.eventId, before.position);
      }
      let position = room.headPosition;
      const place = (pdu: Pdu): AppendedEvent => {
        const eventId = algorithms.eventIdOf(pdu);
        return {
          roomId,
          eventId,
          pdu,
          position: known.get(eventId) ?? ++position,
          lpduHash: pdu.hashes.lpdu?.sha256 ?? null,
          rejected: false,
        };
      };
      const isNew = ({ eventId }: AppendedEvent): boolean => !known.has(eventId);
      // An event that the hub names twice is one event.
      const named = new Map(snapshot.map((pdu) => [algorithms.eventIdOf(pdu), pdu]));
      const state = [...named.values()].filter((pdu) => pdu.state_key !== undefined).map(place);
      const joined = place(join);
      await insertEvents(manager, state.filter(isNew), this.clock.now(), true);
      await insertEvents(manager, [joined].filter(isNew), this.clock.now());
      await manager.delete(RoomStateEntity, { roomId });
      await writeState(manager, [...state, joined]);
      await manager.update(
        RoomEntity,
        { roomId },
        { standing: 'joined', headPosition: position, headEventId: joined.eventId },
      );
      await this.log.announce(manager, roomId, [joined]);
    });
  }
}
