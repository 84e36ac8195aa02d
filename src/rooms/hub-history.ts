import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { Clock } from '../persistence/clock.js';
import { Database } from '../persistence/database.js';
import { EventEntity } from '../persistence/entities/index.js';
import { type EventId, type Pdu, isJsonObject } from '../protocol/index.js';
import { BadHubAnswer, algorithmsOf } from './bad-hub-answer.js';
import { type FollowedRoom, HubEvents } from './hub-events.js';
import { RemoteServers } from './remote-servers.js';

const PAGE = 100;
/** How far back a gap is followed: 500 answers, or five minutes. */
const MAX_PAGES = 500;
const MAX_MS = 300_000;
/** How much of a longer gap is kept at once: what is nearest to what we have. */
const MAX_EVENTS = 5_000;
const MAX_STATE_EVENTS = 100_000;
const MAX_CHARACTERS = 32 * 1024 * 1024;

interface Given {
  id: EventId;
  pdu: Pdu;
  characters: number;
}

/** Asks hubs for the history that we do not have (LM-04 §backfill). */
@Injectable()
export class HubHistory {
  constructor(
    private readonly database: Database,
    private readonly events: HubEvents,
    private readonly remote: RemoteServers,
    private readonly clock: Clock,
  ) {}

  /**
   * What the hub gives of the chain from what we have to an event (with it), oldest first: all that verifies, or the older part
   * of what is too much at once. Rejects with RemoteRefusal, RemoteUnavailable, or BadHubAnswer when it does not lead to what we
   * have or holds nothing that is new.
   */
  async upTo(room: FollowedRoom, eventId: EventId): Promise<Pdu[]> {
    const { hubServer } = room;
    const until = this.clock.now() + MAX_MS;
    const asked = new Set<EventId>();
    let window: Given[] = [];
    let from: EventId | undefined = eventId;
    for (let pages = 0; pages < MAX_PAGES && this.clock.now() < until; pages++) {
      if (from === undefined || asked.has(from)) throw new BadHubAnswer(`${hubServer} leads us in a circle`);
      asked.add(from);
      const page = await this.page(room, from);
      const known = await this.known(page.map(({ id }) => id));
      const reached = page.findLastIndex(({ id }) => known.has(id));
      window = olderPart([...page.slice(reached + 1), ...window]);
      if (reached >= 0) return this.verified(room, window);
      from = page[0]?.pdu.prev_events[0];
    }
    throw new BadHubAnswer(`${hubServer} does not lead us from ${eventId} to what we have`);
  }

  /** Of the hub's state before an event what is not in our log, as far as it verifies. */
  async newState(room: FollowedRoom, eventId: EventId): Promise<Pdu[]> {
    const algorithms = algorithmsOf(room.version);
    const state = (await this.stateBefore(room, eventId)).map((pdu) => ({ id: algorithms.eventIdOf(pdu), pdu }));
    const known = await this.known(state.map(({ id }) => id));
    return state.flatMap(({ id, pdu }) => (known.has(id) ? [] : [pdu]));
  }

  /** The hub's state before an event, as far as it verifies. Rejects with RemoteRefusal or RemoteUnavailable. */
  async stateBefore(room: FollowedRoom, eventId: EventId): Promise<Pdu[]> {
    const answer = await this.remote.state(room.hubServer, room.roomId, eventId);
    const list = isJsonObject(answer.value) ? answer.value.pdus : undefined;
    const pdus = await this.events.parse(room, list, answer, MAX_STATE_EVENTS);
    // An event that the hub names twice is one event.
    const named = new Map(pdus.map((pdu) => [algorithmsOf(room.version).eventIdOf(pdu), pdu]));
    const judged = await this.events.judge(room, [...named.values()]);
    return judged.flatMap(({ pdu }) => (pdu?.state_key === undefined ? [] : [pdu]));
  }

  /** What the hub's log holds from one event to a later one that is not in ours: of a fork, the events between its branches. */
  async between(room: FollowedRoom, since: EventId, upTo: EventId): Promise<Pdu[]> {
    const unknown: Given[] = [];
    const asked = new Set<EventId>();
    let from: EventId | undefined = upTo;
    for (let pages = 0; pages < MAX_PAGES && from !== undefined && !asked.has(from); pages++) {
      asked.add(from);
      const page = await this.page(room, from);
      const ids = page.map(({ id }) => id);
      const known = await this.known(ids);
      const start = ids.indexOf(since);
      unknown.unshift(...page.slice(start + 1).filter(({ id }) => !known.has(id)));
      if (unknown.length > MAX_EVENTS) break;
      from = start >= 0 ? undefined : ids[0];
    }
    const pdus = unknown.map(({ pdu }) => pdu);
    return (await this.events.judge(room, pdus)).flatMap(({ pdu }) => pdu ?? []);
  }

  /** One answer, oldest first; it holds `from`. */
  private async page(room: FollowedRoom, from: EventId): Promise<Given[]> {
    const answer = await this.remote.backfill(room.hubServer, room.roomId, from, PAGE);
    const list = isJsonObject(answer.value) ? answer.value.pdus : undefined;
    const algorithms = algorithmsOf(room.version);
    const page = (await this.events.parse(room, list, answer, PAGE)).map((pdu) => ({
      id: algorithms.eventIdOf(pdu),
      pdu,
      characters: JSON.stringify(pdu).length,
    }));
    if (page[0]?.id === from) page.reverse(); // the reference server answers newest first
    if (page.at(-1)?.id !== from) throw new BadHubAnswer(`${room.hubServer} does not give ${from}`);
    return page;
  }

  private async known(ids: readonly EventId[]): Promise<Set<EventId>> {
    const rows = await this.database.read.find(EventEntity, {
      select: { eventId: true },
      where: { eventId: In([...ids]) },
    });
    return new Set(rows.map(({ eventId }) => eventId));
  }

  private async verified(room: FollowedRoom, given: readonly Given[]): Promise<Pdu[]> {
    const pdus = given.map(({ pdu }) => pdu);
    const kept = (await this.events.judge(room, pdus)).flatMap(({ pdu }) => pdu ?? []);
    if (kept.length === 0) throw new BadHubAnswer(`${room.hubServer} gives nothing that we could take`);
    return kept;
  }
}

/** As much of the beginning of a list as may be kept. */
function olderPart(list: readonly Given[]): Given[] {
  let characters = 0;
  const end = list.findIndex((each, index) => {
    characters += each.characters;
    return index >= MAX_EVENTS || (index > 0 && characters > MAX_CHARACTERS);
  });
  return list.slice(0, end === -1 ? list.length : end);
}
