import { Injectable } from '@nestjs/common';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { IncidentEntity } from '../persistence/entities/index.js';
import { Sequence } from '../persistence/sequence.js';
import type { EventId, RoomId, ServerName } from '../protocol/index.js';

/**
 * `fork`: a second event after the same one. `bad_signature`, `bad_hash`: a PDU of the hub that does not verify.
 * `key_swap`: another key under a known key id.
 * `forbidden`: an event that the authorization rules refuse. `dissent`: one that only we refuse (profile §2).
 */
export type IncidentKind = 'fork' | 'bad_signature' | 'bad_hash' | 'forbidden' | 'dissent' | 'malformed' | 'key_swap';

export interface Incident {
  kind: IncidentKind;
  server: ServerName;
  roomId: RoomId | null;
  eventId: EventId | null;
  /** What is wrong, in a sentence; no message bodies. */
  detail: string;
}

/** What other servers did against the protocol, kept for the admin. */
@Injectable()
export class Incidents {
  constructor(
    private readonly database: Database,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  async record(incident: Incident): Promise<void> {
    await this.database.transaction((manager) =>
      manager.insert(IncidentEntity, { ...incident, id: this.sequence.next(), at: this.clock.now() }),
    );
  }

  newest(limit: number): Promise<IncidentEntity[]> {
    return this.database.read.find(IncidentEntity, { order: { id: 'DESC' }, take: limit });
  }
}
