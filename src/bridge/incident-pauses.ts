import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RoomMappings } from '../mapping/room-mappings.js';
import type { PauseOn } from '../persistence/entities/index.js';
import { FORGERIES, type Incident, Incidents } from '../rooms/incidents.js';

/** Pauses mappings on incidents in their room, in the transaction that records them; the admin resumes them. */
@Injectable()
export class IncidentPauses implements OnModuleInit {
  constructor(
    private readonly incidents: Incidents,
    private readonly mappings: RoomMappings,
  ) {}

  onModuleInit(): void {
    this.incidents.onRecord(async (_manager, incident) => {
      // The admin has seen it when the mapping is active again.
      if (!incident.repeated) await this.pause(incident);
    });
  }

  private async pause({ roomId, kind, server, detail }: Incident): Promise<void> {
    if (roomId === null) return;
    for (const mapping of await this.mappings.ofRoom(roomId)) {
      if (mapping.state !== 'active' || !pausesOn(mapping.pauseOn, kind)) continue;
      await this.mappings.setState(mapping, 'paused', `${server} is not to be trusted (${kind}): ${detail}`);
    }
  }
}

function pausesOn(pauseOn: PauseOn, kind: Incident['kind']): boolean {
  return pauseOn === 'any' || (pauseOn === 'forgery' && FORGERIES.has(kind));
}
