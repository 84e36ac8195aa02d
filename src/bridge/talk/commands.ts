import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RoomMappings } from '../../mapping/room-mappings.js';
import { UserMappings } from '../../mapping/user-mappings.js';
import { Clock } from '../../persistence/clock.js';
import { Platforms } from '../../platform/platforms.js';
import { type Arrival, InboundHandlers } from '../inbound-handlers.js';
import { Inbox } from '../inbox.js';
import { Submissions } from '../submissions.js';
import { type Answer, type Asked, NotYet, whyNot } from './asked.js';
import { type Command, helpText, parseCommand } from './command.js';
import { ConversationCommands } from './conversation-commands.js';
import { OutsideCommands } from './outside-commands.js';
import { OwnerCommands } from './owner-commands.js';
import { PersonalNotices, subjectOf } from './personal-notices.js';
import { RoomCommands } from './room-commands.js';

/** How soon to look again whether the hub has confirmed something. */
const ECHO_MS = 300;
/** How soon to look again whether the chat has said what it can. */
const UNREADY_RETRY_MS = 500;
/** After that whoever asked is told that it has not. */
const ECHO_PATIENCE_MS = 30_000;

/**
 * What people ask the gateway for, by words or by buttons (the id of a button is a command). Each is answered once, to this person alone;
 * what it does it does again after a crash, and finds it done.
 */
@Injectable()
export class Commands implements OnModuleInit {
  constructor(
    private readonly handlers: InboundHandlers,
    private readonly inbox: Inbox,
    private readonly submissions: Submissions,
    private readonly platforms: Platforms,
    private readonly mappings: RoomMappings,
    private readonly users: UserMappings,
    private readonly notices: PersonalNotices,
    private readonly room: RoomCommands,
    private readonly outside: OutsideCommands,
    private readonly conversation: ConversationCommands,
    private readonly owner: OwnerCommands,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    const handling = { lane: 'person', needsMapping: false } as const;
    this.handlers.register('command', {
      ...handling,
      carry: (arrival) => this.carry(arrival, (asked) => this.obey(asked, arrival.event.text)),
    });
    this.handlers.register('action', {
      ...handling,
      carry: (arrival) => this.carry(arrival, (asked) => this.obey(asked, arrival.event.action)),
    });
    this.handlers.register('conversation', {
      lane: 'channel', // what is said in it next waits for its room
      needsMapping: false,
      carry: (arrival) =>
        this.carry(arrival, (asked) => this.conversation.inChannel(asked, arrival.event.participants)),
    });
  }

  private async carry(
    arrival: Arrival<'command'> | Arrival<'action'> | Arrival<'conversation'>,
    work: (asked: Asked) => Promise<Answer>,
  ): Promise<number | undefined> {
    const { event, row, lease } = arrival;
    const platform = this.platforms.find(row.platform, row.workspace);
    if (platform === undefined || event.actor.bot === true) {
      await this.submissions.ignore(arrival, 'nobody is answered');
      return undefined;
    }
    if (!platform.ready) return UNREADY_RETRY_MS;
    const { platform: kind, workspace } = row;
    const asked: Asked = {
      key: subjectOf('answer', event.nativeEventId),
      platform,
      person: event.actor,
      user: await this.users.ensure(row, event.actor),
      channel: event.channel,
      mapping: await this.mappings.ofChannel({ platform: kind, workspace, channelId: event.channel.id }),
      lease,
    };
    const answer = await this.answer(() => work(asked), this.clock.now() - row.receivedAt);
    if (answer === undefined) return ECHO_MS;
    const told = { platform: kind, workspace, nativeUserId: event.actor.id, channelId: event.channel.id };
    await lease.transaction(async (manager) => {
      await this.inbox.settle(manager, row, { state: 'carried' });
      await answer.settle?.(manager);
      if (answer.text !== '') await this.notices.tell(manager, { ...told, subject: asked.key }, answer);
    });
    return undefined;
  }

  /** Undefined: it has to wait for the hub. */
  private async answer(work: () => Promise<Answer>, waitedMs: number): Promise<Answer | undefined> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof NotYet) {
        return waitedMs < ECHO_PATIENCE_MS
          ? undefined
          : { text: 'The other company has not confirmed that yet. Try again later.' };
      }
      const why = whyNot(error);
      if (why === undefined) throw error;
      return { text: why };
    }
  }

  private obey(asked: Asked, text: string): Promise<Answer> {
    const parsed = parseCommand(text);
    return parsed.ok ? this.carryOut(asked, parsed.command) : Promise.resolve({ text: parsed.problem });
  }

  private carryOut(asked: Asked, command: Command): Promise<Answer> {
    switch (command.name) {
      case 'help':
        return Promise.resolve({ text: helpText(this.owner.isOwner(asked)) });
      case 'who':
        return this.room.who(asked);
      case 'status':
        return this.room.status(asked);
      case 'invite':
        return this.room.invite(asked, command.users);
      case 'leave':
        return this.room.leave(asked);
      case 'approve':
        return this.room.approve(asked, command.user);
      case 'deny':
        return this.room.deny(asked, command.user);
      case 'dm':
        return this.conversation.dm(asked, command.users);
      case 'join':
        return this.outside.join(asked, command.room);
      case 'knock':
        return this.outside.knock(asked, command.room, command.reason);
      case 'search':
        return this.outside.search(asked, command.target);
      case 'accept':
        return this.outside.accept(asked, command.invite);
      case 'decline':
        return this.outside.decline(asked, command.invite);
      case 'map':
        return this.owner.map(asked, command);
      case 'unmap':
        return this.owner.unmap(asked);
      case 'pause':
        return this.owner.setState(asked, 'paused');
      case 'resume':
        return this.owner.setState(asked, 'active');
    }
  }
}
