import { Injectable } from '@nestjs/common';
import { RoomMappings } from '../mapping/room-mappings.js';
import { UserMappings } from '../mapping/user-mappings.js';
import {
  type AddressBook,
  type ChannelAddress,
  type MatrixContent,
  type MessageBody,
  type TooLarge,
  addressesIn,
  toMatrix,
  withAddresses,
} from '../message/index.js';
import type { RoomMappingEntity } from '../persistence/entities/index.js';
import type { Result, RoomId, UserId } from '../protocol/index.js';

/** What people write natively, as the contents of events. */
@Injectable()
export class Drafts {
  constructor(
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
  ) {}

  /** Mentions become Matrix ids where the person or the channel has one, else text. */
  async contentsOf(mapping: RoomMappingEntity, body: MessageBody): Promise<Result<MatrixContent[], TooLarge>> {
    return toMatrix(withAddresses(body, await this.addressBook(mapping, body)));
  }

  private async addressBook(mapping: RoomMappingEntity, body: MessageBody): Promise<AddressBook> {
    const { users, channels } = addressesIn(body);
    const nativeIds = users.flatMap((address) => ('nativeId' in address ? [address.nativeId] : []));
    const known = await this.users.ofNative(mapping, nativeIds);
    const userIds = new Map<string, UserId>(known.map(({ nativeUserId, userId }) => [nativeUserId, userId]));
    const rooms = await this.roomsOf(mapping, channels);
    return {
      user: (address) => {
        const userId = 'userId' in address ? address.userId : userIds.get(address.nativeId);
        return userId === undefined ? undefined : { user: { userId } };
      },
      channel: (address) => {
        const room = 'room' in address ? address.room : rooms.get(address.nativeId);
        return room === undefined ? undefined : { room };
      },
    };
  }

  private async roomsOf(
    { platform, workspace }: RoomMappingEntity,
    channels: readonly ChannelAddress[],
  ): Promise<Map<string, RoomId>> {
    const rooms = new Map<string, RoomId>();
    for (const address of channels) {
      if (!('nativeId' in address) || rooms.has(address.nativeId)) continue;
      const mapping = await this.mappings.ofChannel({ platform, workspace, channelId: address.nativeId });
      if (mapping !== null) rooms.set(address.nativeId, mapping.roomId);
    }
    return rooms;
  }
}
