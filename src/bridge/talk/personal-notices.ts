import { createHash, randomUUID } from 'node:crypto';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { RoomMappings, channelKey, channelOfKey } from '../../mapping/room-mappings.js';
import { UserMappings } from '../../mapping/user-mappings.js';
import { asAsked, backoff } from '../../persistence/backoff.js';
import { Clock } from '../../persistence/clock.js';
import { Database } from '../../persistence/database.js';
import { PersonalNoticeEntity } from '../../persistence/entities/index.js';
import { type Lease, Leases } from '../../persistence/leases.js';
import { Loops } from '../../persistence/loops.js';
import { Tasks } from '../../persistence/tasks.js';
import { Wakeups } from '../../persistence/wakeups.js';
import { Platforms } from '../../platform/platforms.js';
import { type MessageAction, type OutboundMessage, type Platform, PlatformError } from '../../platform/port.js';
import { RoomReader } from '../../rooms/room-reader.js';
import { notice } from '../fallbacks.js';

const RETRY = { firstMs: 500, longestMs: 300_000 };
/** How soon to look again whether the chat has said what it can. */
const UNREADY_RETRY_MS = 500;
const FAILED_RETRY_MS = 5_000;
/** A wake-up may be lost; this is how long it can matter. */
const POLL_MS = 5_000;
const PAGE = 50;
const MAX_REASON = 500;

export interface Person {
  platform: string;
  workspace: string;
  nativeUserId: string;
}

export interface Told extends Person {
  /** Where they asked; null: they did not. */
  channelId: string | null;
  /** Of one subject they are told once. */
  subject: string;
}

/** What somebody is told; `actions`: commands that stand on buttons, and in words where the chat has none. */
export interface PersonalText {
  text: string;
  actions?: MessageAction[];
}

export const subjectOf = (kind: string, ...ids: readonly string[]): string =>
  `${kind}:${createHash('sha256').update(JSON.stringify(ids)).digest('hex')}`;

/** What the gateway says to one person alone: where they asked, otherwise in a conversation of its own with them. */
@Injectable()
export class PersonalNotices implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('PersonalNotices');
  private readonly loops: Loops<string>;
  /** What fails here is looked for again by the poll. */
  private readonly background = new Tasks((error) => {
    this.logger.error({ err: error }, 'looking for notices failed');
  });
  private poll: NodeJS.Timeout | undefined;

  constructor(
    leases: Leases,
    private readonly database: Database,
    private readonly platforms: Platforms,
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
    private readonly reader: RoomReader,
    private readonly wakeups: Wakeups,
    private readonly clock: Clock,
  ) {
    this.loops = new Loops<string>(
      leases,
      'person',
      (key, lease) => this.run(key, lease),
      (person, error) => {
        this.logger.error({ person, err: error }, 'telling somebody something failed');
        return FAILED_RETRY_MS;
      },
    );
  }

  onApplicationBootstrap(): void {
    const look = (): void => {
      if (!this.loops.stopped) this.background.add(this.startWaiting());
    };
    this.wakeups.on('person', (key) => {
      this.loops.start(key);
    });
    this.wakeups.on('lease', look);
    this.wakeups.onMissed(look);
    this.poll = setInterval(look, POLL_MS);
    look();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.poll);
    await this.loops.stop();
    await this.background.settled();
  }

  /** Written in the transaction of what it is about. */
  async tell(manager: EntityManager, told: Told, text: PersonalText): Promise<void> {
    const { platform, workspace, nativeUserId, channelId, subject } = told;
    const row: PersonalNoticeEntity = {
      id: randomUUID(),
      platform,
      workspace,
      nativeUserId,
      channelId,
      subject,
      payload: JSON.stringify(text),
      state: 'intent',
      attempts: 0,
      nextAttemptAt: 0,
      reason: null,
      createdAt: this.clock.now(),
    };
    await manager.createQueryBuilder().insert().into(PersonalNoticeEntity).values(row).orIgnore().execute();
    this.wakeups.wake('person', keyOf(told));
  }

  private async startWaiting(): Promise<void> {
    const rows = await this.database.read
      .createQueryBuilder(PersonalNoticeEntity, 'row')
      .select(['row.platform AS "platform"', 'row.workspace AS "workspace"', 'row.nativeUserId AS "nativeUserId"'])
      .distinct(true)
      .where('row.state = :state AND row.nextAttemptAt <= :now', { state: 'intent', now: this.clock.now() })
      .getRawMany<Person>();
    for (const person of rows) this.loops.startUnlessWaiting(keyOf(person));
  }

  private async run(key: string, lease: Lease): Promise<number | undefined> {
    const { platform, workspace, channelId: nativeUserId } = channelOfKey(key);
    while (!this.loops.stopped) {
      const rows = await this.database.read.find(PersonalNoticeEntity, {
        where: { platform, workspace, nativeUserId, state: 'intent' },
        order: { createdAt: 'ASC' },
        take: PAGE,
      });
      if (rows.length === 0) return undefined;
      for (const row of rows) {
        const wait = this.loops.stopped ? 0 : await this.attempt(row, lease);
        if (wait !== undefined) return wait;
      }
    }
    return undefined;
  }

  /** The ms after which to come again; undefined: it is settled. */
  private async attempt(row: PersonalNoticeEntity, lease: Lease): Promise<number | undefined> {
    const early = row.nextAttemptAt - this.clock.now();
    if (early > 0) return early;
    const note = (change: Partial<PersonalNoticeEntity>): Promise<unknown> =>
      lease.transaction((manager) => manager.update(PersonalNoticeEntity, { id: row.id, state: 'intent' }, change));
    const platform = this.platforms.find(row.platform, row.workspace);
    if (platform === undefined) {
      await note({ state: 'dead', reason: 'the chat is not configured any more' });
      return undefined;
    }
    if (!platform.ready) return UNREADY_RETRY_MS;
    try {
      const reached = await this.say(platform, row);
      await note(reached ? { state: 'done', reason: null } : { state: 'dead', reason: 'the chat has no way to them' });
      return undefined;
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      if (this.loops.stopped) return 0;
      return this.failed(row, error, note);
    }
  }

  private async failed(
    row: PersonalNoticeEntity,
    error: PlatformError,
    note: (change: Partial<PersonalNoticeEntity>) => Promise<unknown>,
  ): Promise<number | undefined> {
    const reason = error.message.slice(0, MAX_REASON);
    const attempts = row.attempts + 1;
    this.logger.warn({ noticeId: row.id, code: error.code, attempts, reason }, 'somebody could not be told something');
    if (error.retry) {
      const { retryAfterMs } = error.options;
      const wait = retryAfterMs === undefined ? backoff(RETRY, attempts) : asAsked(retryAfterMs);
      await note({ attempts, reason, nextAttemptAt: this.clock.now() + wait });
      return wait;
    }
    // Where they asked nothing can be said: to them alone it may.
    await note(row.channelId === null ? { state: 'dead', attempts, reason } : { channelId: null, attempts, reason });
    return row.channelId === null ? undefined : 0;
  }

  /** False: there is no way to this person. */
  private async say(platform: Platform, row: PersonalNoticeEntity): Promise<boolean> {
    const message = messageOf(JSON.parse(row.payload) as PersonalText, platform);
    const call = { key: row.channelId === null ? row.id : `${row.id}:here`, repeated: true };
    const toThemAlone = { ...message, visibleTo: [row.nativeUserId] };
    if (row.channelId !== null) {
      await platform.sendMessage(row.channelId, toThemAlone, call);
      return true;
    }
    if (platform.can.openConversation !== undefined) {
      const conversation = { name: 'Causeway', users: [row.nativeUserId], remote: [] };
      const key = subjectOf('person', row.platform, row.workspace, row.nativeUserId);
      const { id } = await platform.can.openConversation(conversation, { key, repeated: true });
      await platform.sendMessage(id, message, call);
      return true;
    }
    const shared = platform.capabilities.privateNotices ? await this.sharedChannel(row) : undefined;
    if (shared === undefined) return false;
    await platform.sendMessage(shared, toThemAlone, call);
    return true;
  }

  /** A channel with a room in which this person is. */
  private async sharedChannel(person: Person): Promise<string | undefined> {
    const [known] = await this.users.ofNative(person, [person.nativeUserId]);
    if (known === undefined) return undefined;
    for (const mapping of await this.mappings.all()) {
      const { platform, workspace, roomId, channelId } = mapping;
      if (platform !== person.platform || workspace !== person.workspace) continue;
      if ((await this.reader.membership(roomId, known.userId)) === 'join') return channelId;
    }
    return undefined;
  }
}

const keyOf = ({ platform, workspace, nativeUserId }: Person): string =>
  channelKey({ platform, workspace, channelId: nativeUserId });

/** The id of an action is the command that it is: where there are no buttons, it can be written. */
function messageOf({ text, actions = [] }: PersonalText, { capabilities }: Platform): OutboundMessage {
  if (actions.length === 0) return notice(text);
  if (capabilities.actions) return { ...notice(text), actions };
  const inWords = actions.map(({ id, label }) => `${label}: /causeway ${id}`);
  return notice([text, ...inWords].join('\n'));
}
