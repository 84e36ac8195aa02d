import { Injectable } from '@nestjs/common';
import { Configuration } from '../config/index.js';
import { type MessageBody, emojiOfKey, keyOf, relationOf, split } from '../message/index.js';
import type { MessageMappingEntity, RoomMappingEntity } from '../persistence/entities/index.js';
import type { NativeThread, OutboundMessage, Platform } from '../platform/port.js';
import type { EventId, JsonObject } from '../protocol/index.js';
import { RoomReader, type StoredEvent } from '../rooms/room-reader.js';
import { Rooms } from '../rooms/rooms.js';
import {
  asNewMessage,
  excerpt,
  filesNamed,
  named,
  notice,
  quoting,
  reactionNotice,
  takenBack,
  textOf,
} from './fallbacks.js';
import { isHistory, shownAsHistory } from './history-mark.js';
import { NativeIds } from './native-ids.js';
import type { Operation } from './operations.js';
import { People } from './people.js';
import { REDACTION, Redactions, redactedBy } from './redactions.js';
import { type ReactionChange, Reactions } from './reactions.js';
import { stateChanges } from './state-changes.js';
import { stateNotice } from './state-notices.js';

/** What a native channel has to be told of an event. */
export interface Plan {
  /** By which its deliveries are known: the event, or what is told once whatever says it. */
  subject: string;
  operations: Operation[];
  /** Noted when all of them are made. */
  reaction?: ReactionChange;
}

export interface Channel {
  mapping: RoomMappingEntity;
  platform: Platform;
}

/** Of which one is told once in a channel. */
const ENCRYPTED = 'm.room.encrypted';

/** How events of a room appear in a native channel: as the platform can, and what it cannot by the fallback for it. */
@Injectable()
export class Plans {
  constructor(
    private readonly configuration: Configuration,
    private readonly reader: RoomReader,
    private readonly rooms: Rooms,
    private readonly people: People,
    private readonly nativeIds: NativeIds,
    private readonly redactions: Redactions,
    private readonly reactions: Reactions,
  ) {}

  /** Undefined when the channel is told nothing: it was said there, its sender may not take part, or it says nothing to people. */
  async of(channel: Channel, event: StoredEvent): Promise<Plan | undefined> {
    const { pdu, eventId, roomId, rejected } = event;
    if (rejected || pdu.sender === this.rooms.bot || !(await this.rooms.admits(roomId, pdu.sender))) return undefined;
    if (await this.nativeIds.isFrom(channel.mapping.id, eventId)) return undefined;
    const plan = await this.plan(channel, event);
    return Array.isArray(plan)
      ? { subject: pdu.type === ENCRYPTED ? `once:${ENCRYPTED}` : eventId, operations: plan }
      : { subject: eventId, ...plan };
  }

  private async plan(channel: Channel, event: StoredEvent): Promise<Operation[] | Omit<Plan, 'subject'>> {
    const { type, content, state_key: stateKey } = event.pdu;
    if (stateKey !== undefined) return this.state(channel, event);
    if (type === REDACTION) return this.redaction(channel, event);
    const relation = relationOf(content);
    if (type === 'm.reaction') {
      return relation.kind === 'annotation' ? this.reaction(channel, event, relation) : [];
    }
    return relation.kind === 'edit' ? this.edit(channel, event, relation) : this.message(channel, event);
  }

  private async state({ platform }: Channel, event: StoredEvent): Promise<Operation[]> {
    const { roomId, position, pdu } = event;
    const before = await this.reader.stateEventBefore(roomId, pdu.type, pdu.state_key ?? '', position);
    const sender = await this.people.author(roomId, pdu.sender);
    const told = stateNotice(pdu, before?.pdu, { sender, serverName: this.configuration.serverName });
    const changes = stateChanges(pdu, before?.pdu, platform.can, this.configuration.serverName);
    if (told === undefined) return changes;
    const { actions, ...words } = told;
    const message = actions === undefined || !platform.capabilities.actions ? words : { ...words, actions };
    return [...changes, { kind: 'notice', message }];
  }

  private async message(channel: Channel, event: StoredEvent): Promise<Operation[]> {
    const { pdu, roomId } = event;
    const body = await this.people.bodyOf(channel.mapping, pdu.type, pdu.content);
    if (body === undefined) return [];
    if (pdu.type === ENCRYPTED) return [{ kind: 'notice', message: { kind: 'notice', body } }];
    const author = await this.people.author(roomId, pdu.sender);
    const { place, shown } = await this.placed(channel, pdu.content, body);
    const asShown = isHistory(pdu.content) ? shownAsHistory : (message: OutboundMessage): OutboundMessage => message;
    return this.inParts(channel, shown).map((part) => ({
      kind: 'message',
      message: asShown({ kind: 'message', body: part, sentAt: pdu.origin_server_ts, author, ...place }),
    }));
  }

  /** Where a message stands, and what it shows there: of an answer that the platform cannot make, what is answered too. */
  private async placed(
    channel: Channel,
    content: JsonObject,
    body: MessageBody,
  ): Promise<{ place: { replyTo?: string; thread?: NativeThread }; shown: MessageBody }> {
    const { capabilities } = channel.platform;
    const relation = relationOf(content);
    const native = async (eventId: EventId): Promise<string | undefined> =>
      (await this.nativeIds.ofEvent(channel.mapping.id, eventId))[0]?.nativeId;
    if (relation.kind === 'thread') {
      const root = capabilities.threads ? await native(relation.root) : undefined;
      const answered = relation.inReplyTo;
      if (root === undefined) {
        return { place: {}, shown: quoting(body, await this.quoted(channel, answered ?? relation.root)) };
      }
      const thread = { root, ...(relation.alsoToRoom ? { alsoToChannel: true } : {}) };
      if (answered === undefined || answered === relation.root) return { place: { thread }, shown: body };
      const replyTo = capabilities.replies ? await native(answered) : undefined;
      return replyTo === undefined
        ? { place: { thread }, shown: quoting(body, await this.quoted(channel, answered)) }
        : { place: { thread, replyTo }, shown: body };
    }
    if (relation.kind !== 'reply') return { place: {}, shown: body };
    const replyTo = capabilities.replies ? await native(relation.eventId) : undefined;
    return replyTo === undefined
      ? { place: {}, shown: quoting(body, await this.quoted(channel, relation.eventId)) }
      : { place: { replyTo }, shown: body };
  }

  private async quoted({ mapping }: Channel, eventId: EventId): Promise<{ author: string; text: string } | undefined> {
    const event = await this.eventHere(mapping, eventId);
    if (event === undefined) return undefined;
    const { type, content, sender } = event.pdu;
    const author = await this.people.author(event.roomId, sender);
    return { author: author.displayName, text: textOf(await this.people.bodyOf(mapping, type, content)) };
  }

  /** An event of the mapping's room: what other rooms say is not shown here, whoever refers to it. */
  private async eventHere({ roomId }: RoomMappingEntity, eventId: EventId): Promise<StoredEvent | undefined> {
    const event = await this.reader.event(eventId);
    return event?.roomId === roomId && !event.rejected ? event : undefined;
  }

  private inParts({ platform }: Channel, body: MessageBody): MessageBody[] {
    const { attachments, maxTextBytes } = platform.capabilities;
    return split(attachments ? body : filesNamed(body), maxTextBytes);
  }

  /** Edits are by who wrote the message (client-server API, Event replacements); those of others say nothing. */
  private async edit(
    channel: Channel,
    event: StoredEvent,
    { eventId, newContent }: { eventId: EventId; newContent: JsonObject },
  ): Promise<Operation[]> {
    const { pdu, roomId } = event;
    const original = await this.eventHere(channel.mapping, eventId);
    if (original?.pdu.sender !== pdu.sender || original.pdu.state_key !== undefined) return [];
    const shown = await this.shown(channel, eventId);
    if (shown.length === 0) return [];
    const body = await this.people.bodyOf(channel.mapping, pdu.type, newContent);
    if (body === undefined) return [];
    const author = await this.people.author(roomId, pdu.sender);
    const placed = await this.placed(channel, original.pdu.content, body);
    const asMessage = (part: MessageBody): OutboundMessage => ({
      kind: 'message',
      body: part,
      sentAt: original.pdu.origin_server_ts,
      author,
      ...placed.place,
    });
    if (channel.platform.can.edit === undefined) {
      return this.inParts(channel, asNewMessage(placed.shown)).map((part) => ({
        kind: 'message',
        message: asMessage(part),
        of: eventId,
      }));
    }
    const parts = this.inParts(channel, placed.shown);
    const changed = parts.map((part, n): Operation => {
      const row = shown[n];
      return row === undefined
        ? { kind: 'message', message: asMessage(part), of: eventId }
        : { kind: 'edit', nativeId: row.nativeId, to: asMessage(part) };
    });
    const surplus = shown.slice(parts.length).map((row) => this.removal(channel, row, asMessage(takenBack)));
    return [...changed, ...surplus.filter((operation) => operation !== undefined)];
  }

  /** What the channel shows of an event that came from outside. */
  private async shown({ mapping }: Channel, eventId: EventId): Promise<MessageMappingEntity[]> {
    return (await this.nativeIds.ofEvent(mapping.id, eventId)).filter(({ direction }) => direction === 'out');
  }

  /** Undefined where nothing can be taken away. */
  private removal(
    { platform }: Channel,
    { nativeId }: MessageMappingEntity,
    without: OutboundMessage,
  ): Operation | undefined {
    if (platform.can.delete !== undefined) return { kind: 'delete', nativeId, author: without.author };
    return platform.can.edit === undefined ? undefined : { kind: 'edit', nativeId, to: without };
  }

  private async redaction(channel: Channel, event: StoredEvent): Promise<Operation[] | Omit<Plan, 'subject'>> {
    const redacts = redactedBy(event);
    const target = redacts === undefined ? undefined : await this.eventHere(channel.mapping, redacts);
    if (target === undefined || target.pdu.state_key !== undefined) return [];
    if (!(await this.redactions.allows(event.roomId, event.pdu.sender, target.pdu.sender))) return [];
    if (target.pdu.type === 'm.reaction') return this.reactionTakenBack(channel, target);
    const author = await this.people.author(event.roomId, target.pdu.sender);
    const rows = await this.nativeIds.ofEvent(channel.mapping.id, target.eventId);
    if (rows.length === 0) return [];
    const without: OutboundMessage = { kind: 'message', body: takenBack, author };
    const removals = rows
      .filter(({ direction }) => direction === 'out')
      .map((row) => this.removal(channel, row, without))
      .filter((operation) => operation !== undefined);
    if (removals.length > 0) return removals;
    const actor = named(await this.people.author(event.roomId, event.pdu.sender));
    const text = excerpt(textOf(await this.people.bodyOf(channel.mapping, target.pdu.type, target.pdu.content)));
    return [{ kind: 'notice', message: notice(`${actor} took back “${text}”, which can still be read here.`) }];
  }

  private async reaction(
    channel: Channel,
    event: StoredEvent,
    { eventId, key }: { eventId: EventId; key: string },
  ): Promise<Omit<Plan, 'subject'>> {
    const { roomId, pdu } = event;
    const { mapping, platform } = channel;
    const target = await this.eventHere(mapping, eventId);
    const [row] = target === undefined ? [] : await this.nativeIds.ofEvent(mapping.id, eventId);
    const emoji = emojiOfKey(key);
    if (target === undefined || row === undefined || emoji === undefined) return { operations: [] };
    const reaction = { mappingId: mapping.id, nativeId: row.nativeId, sender: pdu.sender, key: keyOf(emoji) };
    const others = await this.reactions.others(reaction);
    if (others.same) return { operations: [] };
    const change: ReactionChange = { change: 'add', reaction, eventId: event.eventId };
    const author = await this.people.author(roomId, pdu.sender);
    if (platform.can.react === undefined) {
      const text = textOf(await this.people.bodyOf(mapping, target.pdu.type, target.pdu.content));
      const shown = emoji.unicode ?? `:${emoji.shortcode}:`;
      return { operations: [{ kind: 'notice', message: reactionNotice(author, shown, text) }], reaction: change };
    }
    if (!platform.capabilities.personalReactions && others.any) return { operations: [], reaction: change };
    return { operations: [{ kind: 'react', nativeId: row.nativeId, emoji, change: 'add', author }], reaction: change };
  }

  private async reactionTakenBack(channel: Channel, { eventId, pdu }: StoredEvent): Promise<Omit<Plan, 'subject'>> {
    const { mapping, platform } = channel;
    const row = await this.reactions.of(mapping.id, eventId);
    const emoji = row === null ? undefined : emojiOfKey(row.key);
    if (row === null || emoji === undefined) return { operations: [] };
    const { nativeId, sender, key } = row;
    const reaction = { mappingId: mapping.id, nativeId, sender, key };
    const change: ReactionChange = { change: 'remove', reaction, eventId };
    const { any } = await this.reactions.others(reaction);
    if (platform.can.react === undefined || (!platform.capabilities.personalReactions && any)) {
      return { operations: [], reaction: change };
    }
    const author = await this.people.author(mapping.roomId, pdu.sender);
    return { operations: [{ kind: 'react', nativeId, emoji, change: 'remove', author }], reaction: change };
  }
}
