import { Injectable, type OnModuleInit } from '@nestjs/common';
import { UserMappings } from '../mapping/user-mappings.js';
import { type MatrixContent, annotation, asEdit, asReply, asThreaded, keyOf } from '../message/index.js';
import { InboxEntity, ReactionEntity, type RoomMappingEntity } from '../persistence/entities/index.js';
import { Database } from '../persistence/database.js';
import { failpoint } from '../persistence/failpoint.js';
import type { NativeUser } from '../platform/port.js';
import type { JsonObject, UserId } from '../protocol/index.js';
import { RoomReader, type StoredEvent } from '../rooms/room-reader.js';
import { RoomRefusal, Rooms } from '../rooms/rooms.js';
import { Drafts } from './drafts.js';
import { type Arrival, type EventOf, InboundHandlers, type InboundType } from './inbound-handlers.js';
import { asHistory } from './history-mark.js';
import { NativeIds } from './native-ids.js';
import { REDACTION, Redactions, redactionOf } from './redactions.js';
import { type Part, Submissions } from './submissions.js';
import { historyId } from './talk/native-history.js';

/** After so many a message goes without a file that its platform does not give: others wait behind it. */
const MAX_FILE_ATTEMPTS = 4;

type MessageType = 'message' | 'edit' | 'delete' | 'reaction';
type InChannel<T extends MessageType> = Arrival<T> & { mapping: RoomMappingEntity };

/** A part of a native message, and its event. */
interface KnownPart {
  part: number;
  stored: StoredEvent;
}

/** What people say in a native channel, and do to what was said, as events of its room. */
@Injectable()
export class InboundMessages implements OnModuleInit {
  constructor(
    private readonly handlers: InboundHandlers,
    private readonly users: UserMappings,
    private readonly rooms: Rooms,
    private readonly reader: RoomReader,
    private readonly database: Database,
    private readonly drafts: Drafts,
    private readonly nativeIds: NativeIds,
    private readonly redactions: Redactions,
    private readonly submissions: Submissions,
  ) {}

  onModuleInit(): void {
    this.register('message', (arrival) => this.message(arrival));
    this.register('edit', (arrival) => this.edit(arrival));
    this.register('delete', (arrival) => this.delete(arrival));
    this.register('reaction', (arrival) =>
      arrival.event.change === 'add' ? this.addReaction(arrival) : this.removeReaction(arrival),
    );
  }

  private register<T extends MessageType>(type: T, carry: (arrival: InChannel<T>) => Promise<void>): void {
    this.handlers.register(type, {
      lane: 'channel',
      needsMapping: true,
      carry: async (arrival) => {
        const { mapping } = arrival;
        if (mapping === null) await this.submissions.ignore(arrival, 'the channel has no room');
        else await carry({ ...arrival, mapping });
        return undefined;
      },
    });
  }

  private async message(arrival: InChannel<'message'>): Promise<void> {
    const { event, mapping } = arrival;
    const contents = await this.drafts.contentsOf(mapping, event.body, {
      lastTry: arrival.row.attempts >= MAX_FILE_ATTEMPTS,
    });
    if (!contents.ok) return this.refuseTooLarge(arrival, contents.error);
    if (await this.isTwice(event, mapping, contents.value.length)) {
      return this.submissions.ignore(arrival, 'the room has this message already');
    }
    const sender = await this.senderOf(arrival, event.author);
    if (sender === undefined) return;
    const related = await this.relate(arrival);
    const marked = event.history === true ? asHistory : (content: JsonObject): JsonObject => content;
    const parts = contents.value.map(({ type, content }, part): Part => ({
      event: { ...place(mapping, sender, event), type, content: related(marked(content)) },
      message: { nativeId: event.nativeId, part },
    }));
    return this.submissions.send(arrival, mapping.id, parts);
  }

  /** Texts are replaced in their order, new ones added, surplus ones taken back. Files are no part of an edit. */
  private async edit(arrival: InChannel<'edit'>): Promise<void> {
    const { event, mapping } = arrival;
    const known = await this.knownParts(arrival);
    const [first] = known;
    if (first === undefined) return this.submissions.ignore(arrival, 'the room does not have this message');
    const contents = await this.drafts.contentsOf(mapping, event.body, {
      lastTry: arrival.row.attempts >= MAX_FILE_ATTEMPTS,
    });
    if (!contents.ok) return this.refuseTooLarge(arrival, contents.error);
    const base = place(mapping, first.stored.pdu.sender, event); // an edit is by who wrote it, or it is none
    const old = known.filter(({ stored }) => isText(stored.pdu));
    const texts = contents.value.filter(isText);
    let next = Math.max(...known.map(({ part }) => part)) + 1;
    const parts = texts.map(({ type, content }, n): Part => {
      const before = old[n];
      if (before === undefined) {
        return { event: { ...base, type, content }, message: { nativeId: event.nativeId, part: next++ } };
      }
      const { eventId, pdu } = before.stored;
      return { event: { ...base, type, content: asEdit(content, eventId, pdu.content) } };
    });
    const surplus = old
      .slice(texts.length)
      .map(({ stored }): Part => ({ event: { ...base, type: REDACTION, content: redactionOf(stored.eventId) } }));
    return this.submissions.send(arrival, mapping.id, [...parts, ...surplus]);
  }

  private async delete(arrival: InChannel<'delete'>): Promise<void> {
    const { event, mapping } = arrival;
    const known = await this.knownParts(arrival);
    const [first] = known;
    if (first === undefined) return this.submissions.ignore(arrival, 'the room does not have this message');
    const author = first.stored.pdu.sender;
    const sender = await this.deleterOf(arrival, author);
    if (sender === undefined) return;
    if (!(await this.redactions.allows(mapping.roomId, sender, author))) {
      return this.submissions.refuse(arrival, 'what people of other companies wrote can be taken away here only');
    }
    const base = place(mapping, sender, event);
    const parts = known.map(({ stored }): Part => ({
      event: { ...base, type: REDACTION, content: redactionOf(stored.eventId) },
    }));
    return this.submissions.send(arrival, mapping.id, parts);
  }

  /** Who takes it back; of their own messages people need not be members any more for that. */
  private async deleterOf(arrival: InChannel<'delete'>, author: UserId): Promise<UserId | undefined> {
    const { actor } = arrival.event;
    if (actor === undefined) return author;
    const known = await this.users.ensure(arrival.mapping, actor);
    return known === author ? author : this.senderOf(arrival, actor);
  }

  private async addReaction(arrival: InChannel<'reaction'>): Promise<void> {
    const { event, mapping } = arrival;
    const target = await this.nativeIds.firstEvent(mapping.id, event.nativeId, arrival.row);
    if (target === undefined) return this.submissions.ignore(arrival, 'the room does not have this message');
    const sender = await this.senderOf(arrival, event.actor);
    if (sender === undefined) return;
    const row = { mappingId: mapping.id, nativeId: event.nativeId, sender, key: keyOf(event.emoji) };
    if (await this.database.read.existsBy(ReactionEntity, row)) {
      return this.submissions.ignore(arrival, 'this person has reacted so already');
    }
    const part: Part = {
      event: { ...place(mapping, sender, event), type: 'm.reaction', content: annotation(target, row.key) },
      settle: async (manager, reference) => {
        await manager.insert(ReactionEntity, { ...row, ...reference, direction: 'in' });
      },
    };
    return this.submissions.send(arrival, mapping.id, [part]);
  }

  private async removeReaction(arrival: InChannel<'reaction'>): Promise<void> {
    const { event, mapping } = arrival;
    const sender = await this.users.ensure(mapping, event.actor);
    const row = { mappingId: mapping.id, nativeId: event.nativeId, sender, key: keyOf(event.emoji) };
    const known = await this.database.read.findOneBy(ReactionEntity, row);
    const eventId = known === null ? undefined : await this.nativeIds.eventOf(known);
    if (eventId === undefined) return this.submissions.ignore(arrival, 'the room does not have this reaction');
    const part: Part = {
      event: { ...place(mapping, sender, event), type: REDACTION, content: redactionOf(eventId) },
      settle: async (manager) => {
        await manager.delete(ReactionEntity, row);
      },
    };
    return this.submissions.send(arrival, mapping.id, [part]);
  }

  /** Makes a person a member; undefined when the room refuses, which is told. */
  private async senderOf(arrival: InChannel<MessageType>, person: NativeUser): Promise<UserId | undefined> {
    const { mapping } = arrival;
    const sender = await this.users.ensure(mapping, person);
    try {
      await this.rooms.ensureJoined(mapping.roomId, sender, person.displayName);
    } catch (error) {
      if (!(error instanceof RoomRefusal)) throw error;
      await this.submissions.refuse(arrival, error.message);
      return undefined;
    }
    failpoint('inbound.joined');
    return sender;
  }

  /** What was said just before the channel was shared may come by itself, and by history. */
  private async isTwice(
    { nativeId, time, history }: EventOf<'message'>,
    { id, platform, workspace, createdAt }: RoomMappingEntity,
    parts: number,
  ): Promise<boolean> {
    if (history === true) return (await this.nativeIds.parts(id, nativeId)).length >= parts;
    const byHistory = { platform, workspace, nativeEventId: historyId(id, nativeId) };
    return time < createdAt && this.database.read.existsBy(InboxEntity, byHistory);
  }

  /** What is answered and not known in the room is left out: the message goes all the same. */
  private async relate({
    mapping: { id },
    event: { thread, replyTo },
    row: asked,
  }: InChannel<'message'>): Promise<(content: JsonObject) => JsonObject> {
    const answered = replyTo === undefined ? undefined : await this.nativeIds.firstEvent(id, replyTo, asked);
    const root = thread === undefined ? undefined : await this.nativeIds.firstEvent(id, thread.root, asked);
    if (root !== undefined) {
      const alsoToRoom = thread?.alsoToChannel === true;
      return (content) =>
        asThreaded(content, { root, alsoToRoom, ...(answered === undefined ? {} : { inReplyTo: answered }) });
    }
    return answered === undefined ? (content) => content : (content) => asReply(content, answered);
  }

  /** The parts of a native message that the room has. Rejects with OnItsWay while one of them is with the hub. */
  private async knownParts({ mapping, event, row: asked }: InChannel<'edit' | 'delete'>): Promise<KnownPart[]> {
    const out: KnownPart[] = [];
    for (const row of await this.nativeIds.partsShown(mapping.id, event.nativeId, asked)) {
      const eventId = await this.nativeIds.eventOf(row);
      const stored = eventId === undefined ? undefined : await this.reader.event(eventId);
      if (stored !== undefined) out.push({ part: row.part, stored });
    }
    return out;
  }

  private refuseTooLarge(arrival: Arrival, { bytes, limit }: { bytes: number; limit: number }): Promise<void> {
    return this.submissions.refuse(arrival, `it is too large (${String(bytes)} bytes of ${String(limit)})`);
  }
}

const place = (
  { roomId }: RoomMappingEntity,
  sender: UserId,
  { time }: EventOf<InboundType>,
): { roomId: RoomMappingEntity['roomId']; sender: UserId; originServerTs: number } => ({
  roomId,
  sender,
  originServerTs: time,
});

const TEXTS = new Set<unknown>(['m.text', 'm.notice', 'm.emote']);

/** A text, or a file with a caption: what an edit can change. */
const isText = ({ type, content }: { type: string; content: JsonObject } | MatrixContent): boolean =>
  type === 'm.room.message' &&
  (TEXTS.has(content.msgtype) || (typeof content.filename === 'string' && content.filename !== content.body));
