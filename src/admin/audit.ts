import { Injectable } from '@nestjs/common';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { AuditLogEntity } from '../persistence/entities/index.js';
import { Sequence } from '../persistence/sequence.js';

/** Who changed what by the admin API; never message bodies. */
@Injectable()
export class Audit {
  constructor(
    private readonly database: Database,
    private readonly sequence: Sequence,
    private readonly clock: Clock,
  ) {}

  async record(action: string, detail: Record<string, string | string[] | undefined>): Promise<void> {
    const row = {
      id: await this.sequence.next(),
      actor: 'admin',
      action,
      detail: JSON.stringify(detail),
      at: this.clock.now(),
    };
    await this.database.transaction((manager) => manager.insert(AuditLogEntity, row));
  }

  newest(limit: number): Promise<AuditLogEntity[]> {
    return this.database.read.find(AuditLogEntity, { order: { id: 'DESC' }, take: limit });
  }
}
