import { Injectable } from '@nestjs/common';
import { RoomMappings } from '../mapping/room-mappings.js';
import { UserMappings } from '../mapping/user-mappings.js';
import {
  type AddressBook,
  type Attachment,
  type ChannelAddress,
  type MatrixContent,
  type MessageBody,
  type TooLarge,
  addressesIn,
  toMatrix,
  withAddresses,
} from '../message/index.js';
import { Media } from '../media/media.js';
import { MediaError } from '../media/remote-media.js';
import { Platforms } from '../platform/platforms.js';
import { PlatformError } from '../platform/port.js';
import type { RoomMappingEntity } from '../persistence/entities/index.js';
import type { Result, RoomId, UserId } from '../protocol/index.js';

const UNKNOWN_TYPE = 'application/octet-stream';

/** What people write natively, as the contents of events. */
@Injectable()
export class Drafts {
  constructor(
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
    private readonly platforms: Platforms,
    private readonly media: Media,
  ) {}

  /**
   * Mentions become Matrix ids where the person or the channel has one, else text; files become ours, and one that cannot be is named.
   * Rejects while the platform does not give a file, unless it is tried for the last time.
   */
  async contentsOf(
    mapping: RoomMappingEntity,
    body: MessageBody,
    { lastTry = false }: { lastTry?: boolean } = {},
  ): Promise<Result<MatrixContent[], TooLarge>> {
    const addressed = withAddresses(body, await this.addressBook(mapping, body));
    const attachments: Attachment[] = [];
    for (const attachment of body.attachments) attachments.push(await this.shared(mapping, attachment, lastTry));
    return toMatrix({ ...addressed, attachments });
  }

  private async shared(mapping: RoomMappingEntity, attachment: Attachment, lastTry: boolean): Promise<Attachment> {
    const { source, name, mimeType } = attachment;
    const can = this.platforms.find(mapping.platform, mapping.workspace)?.can;
    if (!('nativeId' in source) || can?.openFile === undefined) return attachment;
    const { nativeId } = source;
    try {
      const { mxc, ...known } = await this.media.keep(`${mapping.id}/${nativeId}`, mapping.roomId, async () => {
        const file = await can.openFile?.(nativeId);
        if (file === undefined) throw new MediaError('gone', 'the chat gives no files any more');
        return { stream: file.stream, mimeType: file.mimeType === UNKNOWN_TYPE ? mimeType : file.mimeType, name };
      });
      return { ...attachment, ...known, source: { mxc } };
    } catch (error) {
      const forGood = error instanceof MediaError || (error instanceof PlatformError && !error.retry);
      if (forGood || lastTry) return attachment;
      throw error;
    }
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
