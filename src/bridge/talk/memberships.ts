import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UserMappings } from '../../mapping/user-mappings.js';
import type { RoomMappingEntity } from '../../persistence/entities/index.js';
import type { UserId } from '../../protocol/index.js';
import { Lpdus } from '../../rooms/lpdus.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { RoomRefusal, Rooms } from '../../rooms/rooms.js';
import { type Arrival, InboundHandlers } from '../inbound-handlers.js';
import { Inbox } from '../inbox.js';
import { Submissions } from '../submissions.js';

/** Who comes into a native channel becomes a member of its room when the mapping mirrors; who goes, or is removed, leaves it. */
@Injectable()
export class Memberships implements OnModuleInit {
  constructor(
    private readonly handlers: InboundHandlers,
    private readonly inbox: Inbox,
    private readonly submissions: Submissions,
    private readonly users: UserMappings,
    private readonly rooms: Rooms,
    private readonly reader: RoomReader,
    private readonly lpdus: Lpdus,
  ) {}

  onModuleInit(): void {
    this.handlers.register('membership', {
      lane: 'channel',
      needsMapping: true,
      carry: async (arrival) => {
        const { mapping, event } = arrival;
        if (mapping === null) await this.submissions.ignore(arrival, 'the channel has no room');
        else if (event.change === 'join') await this.came(arrival, mapping);
        else await this.went(arrival, mapping);
        return undefined;
      },
    });
  }

  private async came(arrival: Arrival<'membership'>, mapping: RoomMappingEntity): Promise<void> {
    const { event, row, lease } = arrival;
    const { user } = event;
    if (mapping.membershipMode !== 'mirror' || user.bot === true) {
      return this.submissions.ignore(arrival, 'people become members when they first say something');
    }
    const userId = await this.users.ensure(mapping, user);
    try {
      await this.rooms.ensureJoined(mapping.roomId, userId, user.displayName);
    } catch (error) {
      if (!(error instanceof RoomRefusal)) throw error;
      return this.submissions.refuse(arrival, error.message);
    }
    await lease.transaction((manager) => this.inbox.settle(manager, row, { state: 'carried' }));
  }

  private async went(arrival: Arrival<'membership'>, mapping: RoomMappingEntity): Promise<void> {
    const [known] = await this.users.ofNative(mapping, [arrival.event.user.id]);
    if (known === undefined || !(await this.isMember(mapping, known.userId))) {
      return this.submissions.ignore(arrival, 'they are no member of the room');
    }
    const { userId } = known;
    const { roomId } = mapping;
    const content = { membership: 'leave' };
    const event = { roomId, sender: userId, type: 'm.room.member', stateKey: userId, content };
    return this.submissions.send(arrival, mapping.id, [{ event }]);
  }

  /** Or about to become one. */
  private async isMember({ roomId }: RoomMappingEntity, userId: UserId): Promise<boolean> {
    return (
      ['join', 'invite'].includes(await this.reader.membership(roomId, userId)) ||
      this.lpdus.hasPendingMembership(roomId, userId)
    );
  }
}
