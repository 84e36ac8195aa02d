import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Media } from '../media/media.js';
import { MediaError } from '../media/remote-media.js';
import { type AdmissionLists, RoomMappings, channelKey } from '../mapping/room-mappings.js';
import type { RoomMappingEntity } from '../persistence/entities/index.js';
import { Tasks } from '../persistence/tasks.js';
import { Wakeups } from '../persistence/wakeups.js';
import { Platforms } from '../platform/platforms.js';
import {
  type CapabilityDocument,
  type Platform,
  PlatformError,
  type PlatformHost,
  type RemoteFile,
} from '../platform/port.js';
import type { RoomId } from '../protocol/index.js';
import { EphemeralLane } from './ephemeral-lane.js';
import { Inbound } from './inbound.js';
import { Inbox } from './inbox.js';
import { Outbound } from './outbound.js';

/** A wake-up may be lost; this is how long it can matter. */
const POLL_MS = 5_000;

/** How a chat fares, as this process knows it. */
export interface ChatState {
  kind: string;
  workspace: string;
  /** It has said what it can. */
  ready: boolean;
  /** Why it cannot be reached as it is configured, in a sentence. */
  trouble: string | undefined;
  capabilities: CapabilityDocument;
}

/** There is no such chat in the configuration. */
export class UnknownPlatform extends Error {}

/** Carries between rooms and native channels, both ways. */
@Injectable()
export class Bridge implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Bridge');
  /** What fails here is looked for again by the poll. */
  private readonly background = new Tasks((error) => {
    this.logger.error({ err: error }, 'looking for what is to be carried failed');
  });
  private poll: NodeJS.Timeout | undefined;
  private readonly troubles = new Map<Platform, string>();
  private stopping = false;

  constructor(
    private readonly platforms: Platforms,
    private readonly mappings: RoomMappings,
    private readonly inbox: Inbox,
    private readonly inbound: Inbound,
    private readonly outbound: Outbound,
    private readonly ephemeral: EphemeralLane,
    private readonly media: Media,
    private readonly wakeups: Wakeups,
  ) {}

  onApplicationBootstrap(): void {
    this.wakeups.on('inbox', (channel) => {
      this.inbound.loops.start(channel);
    });
    this.wakeups.on('delivery', (mappingId) => {
      this.outbound.loops.start(mappingId);
    });
    this.wakeups.on('room', (roomId) => {
      if (!this.stopping) this.background.add(this.startRoom(roomId as RoomId));
    });
    this.ephemeral.start();
    for (const platform of this.platforms.all) {
      platform.start(this.hostFor(platform));
    }
    const lookForWork = (): void => {
      if (!this.stopping) this.background.add(this.startWaiting());
    };
    this.wakeups.on('lease', lookForWork);
    this.wakeups.onMissed(lookForWork);
    this.poll = setInterval(lookForWork, POLL_MS);
    lookForWork();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearInterval(this.poll);
    const stopped = [this.inbound.loops.stop(), this.outbound.loops.stop(), this.ephemeral.stop()];
    this.inbox.stopWaiting();
    await Promise.all(this.platforms.all.map((platform) => platform.stop()));
    await this.inbox.release();
    await Promise.all(stopped);
    await this.background.settled();
  }

  chats(): ChatState[] {
    return this.platforms.all.map((platform) => {
      const { kind, workspace, ready, capabilities } = platform;
      return { kind, workspace, ready, trouble: this.troubles.get(platform), capabilities };
    });
  }

  /** Maps a native channel to a room. Throws UnknownPlatform, PlatformError (no such channel) or MappingConflict. */
  async map(
    kind: string,
    workspace: string,
    channelId: string,
    roomId: RoomId,
    lists?: AdmissionLists,
    options?: { history?: number },
  ): Promise<RoomMappingEntity> {
    const platform = this.platforms.find(kind, workspace);
    if (platform === undefined) throw new UnknownPlatform(`${kind}/${workspace} is not in PLATFORMS`);
    const { name } = await platform.resolveChannel(channelId);
    return this.mappings.create({ platform: kind, workspace, channelId, channelName: name }, roomId, lists, options);
  }

  private hostFor(platform: Platform): PlatformHost {
    const { kind, workspace } = platform;
    return {
      ...this.inbox.sinkFor(kind, workspace),
      ephemeral: (event) => {
        this.ephemeral.fromChat(kind, workspace, event);
      },
      openFile: (mxc, maxBytes) => this.openFile(mxc, maxBytes),
      avatarUrl: () => undefined,
      trouble: (problem) => {
        if (problem === undefined) this.troubles.delete(platform);
        else this.troubles.set(platform, problem);
        this.logger.warn({ kind, workspace, problem }, 'a chat cannot be reached as it is configured');
      },
    };
  }

  private async openFile(mxc: string, maxBytes: number): Promise<RemoteFile> {
    try {
      return await this.media.open(mxc, maxBytes);
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      const code = error.code === 'unavailable' ? 'unavailable' : 'invalid';
      throw new PlatformError(code, error.message, { certainlyNotDone: true });
    }
  }

  private async startRoom(roomId: RoomId): Promise<void> {
    for (const id of await this.mappings.idsOfRoom(roomId)) this.outbound.loops.start(id);
  }

  private async startWaiting(): Promise<void> {
    for (const id of await this.outbound.waiting()) this.outbound.loops.start(id);
    for (const channel of await this.inbox.waitingLanes()) this.inbound.loops.start(channelKey(channel));
  }
}
