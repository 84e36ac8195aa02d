import { Injectable } from '@nestjs/common';
import { RoomMappings } from '../mapping/room-mappings.js';
import { UserMappings } from '../mapping/user-mappings.js';
import {
  type MessageBody,
  type NameOf,
  addressesIn,
  displayName,
  fromMatrix,
  mentionsOf,
  parseMxcUri,
  withAddresses,
} from '../message/index.js';
import type { RoomMappingEntity } from '../persistence/entities/index.js';
import type { RemoteAuthor } from '../platform/port.js';
import {
  type JsonObject,
  type RoomId,
  type UserId,
  localpartOf,
  parseRoomId,
  serverOfUser,
} from '../protocol/index.js';
import { RoomReader } from '../rooms/room-reader.js';

/** More names than this are not looked up for one message. */
const MAX_MENTIONS = 50;

/** Who speaks in a room and who is spoken to, as a native channel shows them. */
@Injectable()
export class People {
  constructor(
    private readonly reader: RoomReader,
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
  ) {}

  async author(roomId: RoomId, userId: UserId): Promise<RemoteAuthor> {
    const member = await this.reader.stateEvent(roomId, 'm.room.member', userId);
    const avatar = parseMxcUri(member?.pdu.content.avatar_url);
    return {
      id: userId,
      displayName: displayName(member?.pdu.content.displayname) ?? localpartOf(userId),
      server: serverOfUser(userId),
      ...(avatar === undefined ? {} : { avatar }),
    };
  }

  /** What an event says, with people and channels by their native ids where they have one; undefined when it says nothing. */
  async bodyOf(mapping: RoomMappingEntity, type: string, content: JsonObject): Promise<MessageBody | undefined> {
    const body = fromMatrix(type, content, await this.namesIn(mapping, content));
    if (body === undefined) return undefined;
    const { users, channels } = addressesIn(body);
    const userIds = users.flatMap((address) => ('userId' in address ? [address.userId] : []));
    const native = new Map((await this.users.ofUsers(mapping, userIds)).map((row) => [row.userId, row] as const));
    const rooms = channels.flatMap((address) => ('room' in address ? [address.room] : []));
    const nativeChannels = await this.channelsOf(mapping, rooms);
    return withAddresses(body, {
      user: (address) => {
        const row = 'userId' in address ? native.get(address.userId) : undefined;
        return row === undefined ? { user: address } : { user: { nativeId: row.nativeUserId }, name: row.displayName };
      },
      channel: (address) => {
        const nativeId = 'room' in address ? nativeChannels.get(address.room) : undefined;
        return nativeId === undefined ? address : { nativeId };
      },
    });
  }

  private async namesIn({ roomId }: RoomMappingEntity, content: JsonObject): Promise<NameOf> {
    const names = new Map<UserId, string>();
    for (const userId of [...mentionsOf(content).users].slice(0, MAX_MENTIONS)) {
      names.set(userId, (await this.author(roomId, userId)).displayName);
    }
    return (userId) => names.get(userId);
  }

  private async channelsOf(
    { platform, workspace }: RoomMappingEntity,
    rooms: readonly string[],
  ): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const room of new Set(rooms)) {
      const roomId = parseRoomId(room);
      if (roomId === undefined || found.size >= MAX_MENTIONS) continue;
      const mapping = (await this.mappings.ofRoom(roomId)).find(
        (each) => each.platform === platform && each.workspace === workspace,
      );
      if (mapping !== undefined) found.set(room, mapping.channelId);
    }
    return found;
  }
}
