import { Injectable } from '@nestjs/common';
import { Database } from '../persistence/database.js';
import { EventEntity, LpduOutEntity, type RoomEntity } from '../persistence/entities/index.js';
import {
  type JsonObject,
  type JsonValue,
  type ParsedJson,
  type Pdu,
  checkLpduHash,
  isJsonObject,
  lpduOf,
  serverOfUser,
} from '../protocol/index.js';
import { algorithmsOf } from './bad-hub-answer.js';
import { type IncidentKind, Incidents } from './incidents.js';
import { Lpdus } from './lpdus.js';
import { PduVerifier, type VerificationFault } from './pdu-verifier.js';
import { ServerIdentity } from './server-identity.js';

export type FollowedRoom = Pick<RoomEntity, 'roomId' | 'version' | 'hubServer'>;

/** What came of one event that a hub gave: how it is kept, or why it is not. */
export type Judged = { pdu: Pdu; fault?: undefined } | { pdu?: undefined; fault: string };

const PUBLISHED_CHANGED = 'the hub published it in a form that does not verify; others may not see what was written';

/**
 * Verifies what a hub gives, pushed or asked for (LM-04 §Receiving Events, steps 1 to 3), against what we sent too. Whatever does
 * not verify is an incident.
 */
@Injectable()
export class HubEvents {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly database: Database,
    private readonly verifier: PduVerifier,
    private readonly lpdus: Lpdus,
    private readonly incidents: Incidents,
  ) {}

  /** Each PDU as it is kept: dropped without its signatures, redacted without its content hashes. */
  async judge(room: FollowedRoom, pdus: readonly Pdu[]): Promise<Judged[]> {
    const faults = await this.verifier.pduFaults(pdus, room.hubServer);
    return Promise.all(
      pdus.map(async (pdu, index): Promise<Judged> => {
        const fault = faults[index];
        if (fault === undefined) return { pdu };
        await this.record(room, pdu, fault);
        if (fault.kind === 'bad_signature') return { fault: fault.reason };
        await this.tellSender(pdu);
        return { pdu: algorithmsOf(room.version).redact(pdu) as Pdu };
      }),
    );
  }

  /** The events of a list in an answer, as far as they are any; `limit` bounds what is looked at. */
  async parse(room: FollowedRoom, list: JsonValue | undefined, { defects }: ParsedJson, limit: number): Promise<Pdu[]> {
    const pdus: Pdu[] = [];
    for (const value of Array.isArray(list) ? list.slice(0, limit) : []) {
      const pdu = algorithmsOf(room.version).parsePdu(value, defects);
      if (!pdu.ok) await this.noteMalformed(room, value, pdu.error.reason);
      else if (pdu.value.room_id !== room.roomId) await this.noteMalformed(room, value, 'an event of another room');
      else pdus.push(pdu.value);
    }
    return pdus;
  }

  noteMalformed({ roomId, hubServer: server }: FollowedRoom, value: JsonValue, detail: string): Promise<void> {
    const received: JsonObject[] = [isJsonObject(value) ? value : { value }];
    return this.incidents.record({ kind: 'malformed', server, roomId, eventId: null, detail, evidence: { received } });
  }

  private async record(room: FollowedRoom, pdu: Pdu, fault: VerificationFault): Promise<void> {
    const { roomId, hubServer: server } = room;
    const sent = this.isOurs(pdu) ? await this.asSent(room, pdu) : undefined;
    const kind = this.kindOf(pdu, fault, sent !== undefined);
    await this.incidents.record({
      kind,
      server,
      roomId,
      eventId: algorithmsOf(room.version).eventIdOf(pdu),
      detail: kind === fault.kind ? fault.reason : `${DETAILS[kind] ?? kind}: ${fault.reason}`,
      evidence: { received: [pdu], ...(sent === undefined ? {} : { known: [sent] }) },
    });
  }

  private kindOf(pdu: Pdu, fault: VerificationFault, wasSent: boolean): IncidentKind {
    if (!this.isOurs(pdu)) return fault.kind;
    if (!fault.senderSigned) return wasSent ? 'altered' : 'forged';
    const lpdu = lpduOf(pdu);
    return lpdu !== undefined && checkLpduHash(lpdu) === 'ok' ? fault.kind : 'altered';
  }

  private isOurs({ sender }: Pdu): boolean {
    return serverOfUser(sender) === this.identity.serverName;
  }

  /** What we know under the LPDU hash that an event names: our LPDU, or the event that it has become. */
  private async asSent({ roomId }: FollowedRoom, pdu: Pdu): Promise<JsonObject | undefined> {
    const lpduHash = pdu.hashes.lpdu?.sha256;
    if (lpduHash === undefined) return undefined;
    const row =
      (await this.database.read.findOneBy(LpduOutEntity, { lpduHash, roomId })) ??
      (await this.database.read.findOneBy(EventEntity, { lpduHash, roomId }));
    return row === null ? undefined : (JSON.parse(row.json) as JsonObject);
  }

  /** What others hold redacted did not reach them, though its place in the chain is taken. */
  private async tellSender(pdu: Pdu): Promise<void> {
    const lpduHash = pdu.hashes.lpdu?.sha256;
    if (lpduHash === undefined || !this.isOurs(pdu)) return;
    await this.database.transaction((manager) => this.lpdus.noteRefused(manager, lpduHash, PUBLISHED_CHANGED));
  }
}

const DETAILS: Partial<Record<IncidentKind, string>> = {
  altered: 'an event of ours that is not as we signed it',
  forged: 'an event in the name of one of our users that we did not sign',
};
