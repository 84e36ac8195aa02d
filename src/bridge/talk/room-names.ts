import { Injectable } from '@nestjs/common';
import { displayName } from '../../message/index.js';
import type { InviteEntity } from '../../persistence/entities/index.js';
import { type JsonObject, type RoomId, isJsonObject, localpartOf, serverOfUser } from '../../protocol/index.js';
import type { RemoteAuthor } from '../../platform/port.js';
import { RoomReader } from '../../rooms/room-reader.js';

/** What rooms are called when people are told of them: nothing in it can be taken for words of ours. */
@Injectable()
export class RoomNames {
  constructor(private readonly reader: RoomReader) {}

  /** “Fair”, in quotation marks; without a name the room id. */
  async of(roomId: RoomId): Promise<string> {
    const event = await this.reader.stateEvent(roomId, 'm.room.name', '');
    return quoted(event?.pdu.content.name) ?? roomId;
  }
}

const quoted = (name: unknown): string | undefined => {
  const shown = displayName(name);
  return shown === undefined ? undefined : `“${shown.replace(/[“”"]/g, '')}”`;
};

/** Of the stripped state that came with an invite (LM-04 §Stripped State), which nobody vouches for; undefined when it has no name. */
export function invitedName({ strippedState }: Pick<InviteEntity, 'strippedState'>): string | undefined {
  const state = JSON.parse(strippedState) as unknown;
  const events = Array.isArray(state) ? state.filter((each): each is JsonObject => isJsonObject(each)) : [];
  const event = events.find(({ type, state_key: key }) => type === 'm.room.name' && key === '');
  return isJsonObject(event?.content) ? quoted(event.content.name) : undefined;
}

/** Somebody of whom only the address is known. */
export const strangerOf = (id: RemoteAuthor['id'] & InviteEntity['sender']): RemoteAuthor => ({
  id,
  displayName: localpartOf(id),
  server: serverOfUser(id),
});
