import { Injectable } from '@nestjs/common';
import type { RoomEntity } from '../../persistence/entities/index.js';
import {
  type JsonValue,
  MatrixError,
  type Pdu,
  type RoomId,
  type ServerName,
  type UserId,
  membershipOf,
  parseUserId,
  serverOfUser,
  signEvent,
} from '../../protocol/index.js';
import { Invites } from '../../rooms/invites.js';
import { PduVerifier } from '../../rooms/pdu-verifier.js';
import { strippedText } from '../../rooms/rooms.js';
import { ServerIdentity } from '../../rooms/server-identity.js';

/** Invites of our users by other servers (LM-04 §POST invite). */
@Injectable()
export class Invitations {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly verifier: PduVerifier,
    private readonly invites: Invites,
  ) {}

  /** Keeps the invite and signs it. Throws M_FORBIDDEN or M_BAD_JSON. */
  async take(origin: ServerName, pdu: Pdu, strippedState: JsonValue | undefined): Promise<Pdu> {
    if (pdu.type !== 'm.room.member' || membershipOf(pdu) !== 'invite') {
      throw new MatrixError('M_BAD_JSON', 400, 'the event is no invite');
    }
    const invited = await this.check(origin, pdu);
    const stripped = strippedText(strippedState);
    if (stripped === undefined) throw new MatrixError('M_BAD_JSON', 400, 'invite_room_state is too large');
    await this.invites.keep({
      roomId: pdu.room_id,
      userId: invited,
      membership: 'invite',
      hubServer: origin,
      sender: pdu.sender,
      strippedState: stripped,
      isDirect: pdu.content.is_direct === true,
    });
    return signEvent(pdu, this.identity.serverName, this.identity.signingKey);
  }

  /** Whether a user of ours has an invite of this server to a room, or a knock at it. */
  async concerns(origin: ServerName, roomId: RoomId): Promise<boolean> {
    return (await this.invites.ofRoom(roomId)).some(({ hubServer }) => hubServer === origin);
  }

  /**
   * An event of a room that we are not in: an invite back to one that we have left (profile §5), an invite or a knock that the
   * room takes back. Anything else is dropped.
   */
  async takeOutside(room: RoomEntity | null, origin: ServerName, pdu: Pdu): Promise<void> {
    if (pdu.type !== 'm.room.member') return;
    const membership = membershipOf(pdu);
    try {
      if (membership === 'invite' && origin === room?.hubServer) await this.take(origin, pdu, undefined);
      if (membership === 'leave' || membership === 'ban') await this.takeBack(origin, pdu);
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
    }
  }

  private async takeBack(origin: ServerName, pdu: Pdu): Promise<void> {
    const userId = await this.check(origin, pdu);
    const held = await this.invites.find(pdu.room_id, userId);
    if (held?.hubServer === origin) await this.invites.withdraw(held);
  }

  /** The user of ours whose membership an event of another server's room changes. */
  private async check(origin: ServerName, pdu: Pdu): Promise<UserId> {
    const user = parseUserId(pdu.state_key);
    if (user === undefined || serverOfUser(user) !== this.identity.serverName) {
      throw forbidden(`${String(pdu.state_key)} is not a user of this server`);
    }
    if ((pdu.hub_server ?? serverOfUser(pdu.sender)) !== origin)
      throw forbidden(`${origin} is not the hub of the event`);
    const [fault] = await this.verifier.pduFaults([pdu], origin);
    if (fault !== undefined) throw forbidden(fault.reason);
    return user;
  }
}

const forbidden = (reason: string): MatrixError => new MatrixError('M_FORBIDDEN', 403, reason);
