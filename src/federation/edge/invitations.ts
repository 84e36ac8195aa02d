import { Injectable } from '@nestjs/common';
import type { RoomEntity } from '../../persistence/entities/index.js';
import {
  type JsonValue,
  MatrixError,
  type Pdu,
  type ServerName,
  type UserId,
  membershipOf,
  parseUserId,
  serverOfUser,
  signEvent,
} from '../../protocol/index.js';
import { PduVerifier } from '../../rooms/pdu-verifier.js';
import { Rooms } from '../../rooms/rooms.js';
import { ServerIdentity } from '../../rooms/server-identity.js';

const MAX_STRIPPED_BYTES = 256 * 1024;

/** Invites of our users by other servers (LM-04 §POST invite). */
@Injectable()
export class Invitations {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly verifier: PduVerifier,
    private readonly rooms: Rooms,
  ) {}

  /** Keeps the invite and signs it. Throws M_FORBIDDEN or M_BAD_JSON. */
  async take(origin: ServerName, pdu: Pdu, strippedState: JsonValue | undefined): Promise<Pdu> {
    const invited = await this.check(origin, pdu);
    const stripped = JSON.stringify(Array.isArray(strippedState) ? strippedState : []);
    if (Buffer.byteLength(stripped) > MAX_STRIPPED_BYTES) {
      throw new MatrixError('M_BAD_JSON', 400, 'invite_room_state is too large');
    }
    await this.rooms.keepInvite({
      roomId: pdu.room_id,
      userId: invited,
      hubServer: origin,
      sender: pdu.sender,
      strippedState: stripped,
    });
    return signEvent(pdu, this.identity.serverName, this.identity.signingKey);
  }

  /** An invite to a room that we have left, sent as an event of the room (profile §5). Anything else is dropped. */
  async takeBack(room: RoomEntity, origin: ServerName, pdu: Pdu): Promise<void> {
    if (pdu.type !== 'm.room.member' || membershipOf(pdu) !== 'invite' || origin !== room.hubServer) return;
    try {
      await this.take(origin, pdu, undefined);
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
    }
  }

  private async check(origin: ServerName, pdu: Pdu): Promise<UserId> {
    const invited = parseUserId(pdu.state_key);
    if (pdu.type !== 'm.room.member' || membershipOf(pdu) !== 'invite' || invited === undefined) {
      throw new MatrixError('M_BAD_JSON', 400, 'the event is no invite');
    }
    if (serverOfUser(invited) !== this.identity.serverName) throw forbidden(`${invited} is not a user of this server`);
    if ((pdu.hub_server ?? serverOfUser(pdu.sender)) !== origin)
      throw forbidden(`${origin} is not the hub of the event`);
    const [fault] = await this.verifier.pduFaults([pdu]);
    if (fault !== undefined) throw forbidden(fault.reason);
    return invited;
  }
}

const forbidden = (reason: string): MatrixError => new MatrixError('M_FORBIDDEN', 403, reason);
