import { Injectable } from '@nestjs/common';
import {
  type EventId,
  type JsonObject,
  PowerLevels,
  type RoomId,
  type UserId,
  parseEventId,
  serverOfUser,
} from '../protocol/index.js';
import { RoomReader, type StoredEvent } from '../rooms/room-reader.js';

export const REDACTION = 'm.room.redaction';
/** Our own name for it: other servers keep `redacts` when they redact, and would give the event another id (docs/adr/0011). */
const REDACTS = 'dev.causeway.redacts';

/** Content of an event that takes another back. */
export const redactionOf = (eventId: EventId): JsonObject => ({ [REDACTS]: eventId });

/** Which event a redaction takes back, by our name or by those of Matrix (room version 11, and before it). */
export function redactedBy({ pdu }: StoredEvent): EventId | undefined {
  if (pdu.type !== REDACTION) return undefined;
  return (
    parseEventId(pdu.content[REDACTS]) ??
    parseEventId(pdu.content.redacts) ??
    parseEventId((pdu as unknown as JsonObject).redacts)
  );
}

/** Who may take what back (docs/adr/0011). */
@Injectable()
export class Redactions {
  constructor(private readonly reader: RoomReader) {}

  /** Anybody of the server of who wrote it, and who has the power level `redact` (client-server API, Redactions). */
  async allows(roomId: RoomId, actor: UserId, author: UserId): Promise<boolean> {
    if (serverOfUser(actor) === serverOfUser(author)) return true;
    const levels = await this.reader.stateEvent(roomId, 'm.room.power_levels', '');
    const create = await this.reader.stateEvent(roomId, 'm.room.create', '');
    const power = new PowerLevels(levels?.pdu.content, create?.pdu.sender);
    return power.of(actor) >= power.toDo('redact');
  }
}
