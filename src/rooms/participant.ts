import { Injectable } from '@nestjs/common';
import type { RoomEntity } from '../persistence/entities/index.js';
import type { JsonValue, Pdu, ServerName } from '../protocol/index.js';
import { Gaps } from './gaps.js';
import { HubChain } from './hub-chain.js';
import { HubEvents } from './hub-events.js';

/** A participant's part of a room: it follows the log that the hub sends (LM-04 §Receiving Events). */
@Injectable()
export class Participant {
  constructor(
    private readonly events: HubEvents,
    private readonly chain: HubChain,
    private readonly gaps: Gaps,
  ) {}

  /**
   * Takes PDUs of one room that its hub sent, in their order. Per PDU what is wrong with it, if anything (LM-04 §send). What
   * cannot be applied yet (a join under way, a gap) is kept.
   */
  async receive(room: RoomEntity, origin: ServerName, pdus: readonly Pdu[]): Promise<(string | undefined)[]> {
    if (origin !== room.hubServer) return pdus.map(() => `${origin} is not the hub of the room`);
    const judged = await this.events.judge(room, pdus);
    const kept: Pdu[] = [];
    // All are queued at once: they are committed together, and in this order.
    const answers = await Promise.all(
      judged.map(async ({ pdu, fault }): Promise<string | undefined> => {
        if (pdu === undefined) return fault;
        const outcome = room.standing === 'joining' ? undefined : await this.chain.append(room, pdu);
        if (outcome === undefined || outcome.kind === 'gap') kept.push(pdu);
        return outcome?.kind === 'refused' ? outcome.refusal.reason : undefined;
      }),
    );
    await this.gaps.keep(room, kept);
    if (kept.length > 0 || (await this.gaps.isWaiting(room.roomId))) this.gaps.loops.start(room.roomId);
    return answers;
  }

  /** What the hub sent as an event of the room is none. */
  async noteMalformed(room: RoomEntity, origin: ServerName, value: JsonValue, reason: string): Promise<void> {
    if (origin === room.hubServer) await this.events.noteMalformed(room, value, reason);
  }
}
