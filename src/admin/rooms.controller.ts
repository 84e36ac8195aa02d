import { BadRequestException, Body, Controller, Get, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { RoomEntity } from '../persistence/entities/index.js';
import { Database } from '../persistence/database.js';
import { type UserId, serverOfUser } from '../protocol/index.js';
import { Gaps } from '../rooms/gaps.js';
import { RemoteRefusal, RemoteUnavailable } from '../rooms/remote-servers.js';
import { RoomReader } from '../rooms/room-reader.js';
import { UnknownRoom } from '../rooms/room-log.js';
import { RoomRefusal, Rooms } from '../rooms/rooms.js';
import { AdminGuard } from './admin.guard.js';
import { Audit } from './audit.js';
import {
  CreateRoomBody,
  InviteBody,
  JoinBody,
  KnockBody,
  LeaveBody,
  RemoveBody,
  SendBody,
  limit,
  position,
  roomId,
  serverName,
  userId,
} from './input.js';

const view = (room: RoomEntity) => ({
  room_id: room.roomId,
  version: room.version,
  role: room.role,
  hub_server: room.hubServer,
  standing: room.standing,
  head_position: room.headPosition,
  head_event_id: room.headEventId,
});

@ApiTags('rooms')
@ApiBearerAuth()
@UseGuards(AdminGuard)
@Controller('_causeway/v1')
export class RoomsController {
  constructor(
    private readonly rooms: Rooms,
    private readonly reader: RoomReader,
    private readonly gaps: Gaps,
    private readonly audit: Audit,
    private readonly database: Database,
  ) {}

  @Get('rooms')
  @ApiOperation({ summary: 'Rooms in which we are, or were' })
  async list() {
    return { rooms: (await this.reader.rooms()).map(view) };
  }

  @Post('rooms')
  @ApiOperation({
    summary: 'Makes a room of which we are the hub, and invites',
    description: 'The room stays when an invite fails; `failed_invites` says which and why.',
  })
  async create(@Body() body: CreateRoomBody) {
    const invites = (body.invites ?? []).map((each) => userId(each, 'invites'));
    const creator = this.ours(body.creator, 'creator');
    const id = await this.database.transaction(async () => {
      const made = await this.rooms.create({
        creator,
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.join_rule === undefined ? {} : { joinRule: body.join_rule }),
      });
      await this.audit.record('room.create', { roomId: made, creator, invites });
      return made;
    });
    const failed: { user_id: UserId; error: string }[] = [];
    for (const invited of invites) {
      try {
        await this.rooms.invite(id, invited, creator);
      } catch (error) {
        if (!isAnswer(error)) throw error;
        failed.push({ user_id: invited, error: error.message });
      }
    }
    return { room_id: id, failed_invites: failed };
  }

  @Get('rooms/:roomId')
  @ApiOperation({
    summary: 'One room',
    description:
      '`gap`: its hub was asked in vain for events between what we have and what it sent; null when nothing is missing.',
  })
  async show(@Param('roomId') id: string) {
    const room = await this.find(id);
    const gap = await this.gaps.of(room.roomId);
    const { since, attempts, nextAttemptAt, reason } = gap ?? {};
    return {
      ...view(room),
      gap: gap === null ? null : { since, attempts, next_attempt_at: nextAttemptAt, reason },
    };
  }

  @Post('rooms/:roomId/invite')
  @HttpCode(200)
  @ApiOperation({ summary: 'Invites a user, by our bot' })
  async invite(@Param('roomId') id: string, @Body() body: InviteBody) {
    const invited = userId(body.user_id);
    await this.rooms.invite(roomId(id), invited);
    await this.audit.record('room.invite', { roomId: id, userId: invited });
    return {};
  }

  @Post('rooms/:roomId/join')
  @HttpCode(200)
  @ApiOperation({ summary: 'Joins a room, by the handshake with its hub when none of us is in it' })
  async join(@Param('roomId') id: string, @Body() { user_id: user, via }: JoinBody) {
    const joiner = this.ours(user, 'user_id');
    await this.rooms.join(roomId(id), joiner, undefined, via === undefined ? undefined : serverName(via, 'via'));
    await this.audit.record('room.join', { roomId: id, userId: joiner });
    return {};
  }

  @Post('rooms/:roomId/leave')
  @HttpCode(200)
  @ApiOperation({ summary: 'Leaves a room, rejects an invite, or takes a knock back' })
  async leave(@Param('roomId') id: string, @Body() { user_id: user }: LeaveBody) {
    const leaver = this.ours(user, 'user_id');
    await this.rooms.leave(roomId(id), leaver);
    await this.audit.record('room.leave', { roomId: id, userId: leaver });
    return {};
  }

  @Post('rooms/:roomId/knock')
  @HttpCode(200)
  @ApiOperation({ summary: 'Asks for an invite to a room' })
  async knock(@Param('roomId') id: string, @Body() { user_id: user, via, reason }: KnockBody) {
    const knocker = this.ours(user, 'user_id');
    await this.rooms.knock(roomId(id), {
      userId: knocker,
      ...(via === undefined ? {} : { via: serverName(via, 'via') }),
      ...(reason === undefined ? {} : { reason }),
    });
    await this.audit.record('room.knock', { roomId: id, userId: knocker });
    return {};
  }

  @Post('rooms/:roomId/kick')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Removes a user, by our bot; also takes back an invite or a ban, and refuses a knock',
  })
  async kick(@Param('roomId') id: string, @Body() body: RemoveBody) {
    return this.remove('kick', id, body);
  }

  @Post('rooms/:roomId/ban')
  @HttpCode(200)
  @ApiOperation({ summary: 'Removes a user for good, by our bot' })
  async ban(@Param('roomId') id: string, @Body() body: RemoveBody) {
    return this.remove('ban', id, body);
  }

  @Post('rooms/:roomId/send')
  @HttpCode(200)
  @ApiOperation({ summary: 'Says something in a room' })
  async send(@Param('roomId') id: string, @Body() { text, sender }: SendBody) {
    const from = this.ours(sender, 'sender');
    const content = { msgtype: 'm.text', body: text };
    const sent = await this.rooms.send(
      { roomId: roomId(id), sender: from, type: 'm.room.message', content },
      async (_manager, { kind }) => {
        if (kind !== 'refused') await this.audit.record('room.send', { roomId: id, sender: from });
      },
    );
    if (sent.kind === 'refused') throw new RoomRefusal(sent.refusal);
    return sent.kind === 'appended' ? { event_id: sent.eventId } : { lpdu_hash: sent.lpduHash };
  }

  @Get('rooms/:roomId/events')
  @ApiOperation({ summary: 'The room log, oldest first' })
  @ApiQuery({ name: 'from', required: false, description: 'First position; 0 when absent.' })
  @ApiQuery({ name: 'limit', required: false, description: 'At most 500; 100 when absent.' })
  async events(@Param('roomId') id: string, @Query('from') from?: string, @Query('limit') most?: string) {
    const { roomId: room } = await this.find(id);
    const events = await this.reader.eventsAfter(room, position(from, 'from', 0) - 1, limit(most));
    return {
      events: events.map(({ position: at, eventId, rejected, pdu }) => ({
        position: at,
        event_id: eventId,
        rejected,
        type: pdu.type,
        sender: pdu.sender,
        state_key: pdu.state_key,
        origin_server_ts: pdu.origin_server_ts,
        content: pdu.content,
      })),
    };
  }

  @Get('rooms/:roomId/state')
  @ApiOperation({ summary: 'Current state' })
  async state(@Param('roomId') id: string) {
    const { roomId: room } = await this.find(id);
    const state = await this.reader.currentState(room);
    return {
      state: state.map(({ position: at, eventId, pdu }) => ({
        position: at,
        event_id: eventId,
        type: pdu.type,
        state_key: pdu.state_key,
        sender: pdu.sender,
        content: pdu.content,
      })),
    };
  }

  @Get('rooms/:roomId/members')
  @ApiOperation({ summary: 'Members and former members' })
  async members(@Param('roomId') id: string) {
    const { roomId: room } = await this.find(id);
    const members = await this.reader.members(room);
    return {
      members: members.map(({ userId: user, membership, displayName }) => ({
        user_id: user,
        membership,
        display_name: displayName,
      })),
    };
  }

  @Get('invites')
  @ApiOperation({ summary: 'Invites of our users to rooms that we are not in, and their knocks that wait' })
  async invites() {
    const invites = await this.rooms.invites();
    return {
      invites: invites.map((invite) => ({
        room_id: invite.roomId,
        user_id: invite.userId,
        membership: invite.membership,
        sender: invite.sender,
        hub_server: invite.hubServer,
        received_at: invite.receivedAt,
        stripped_state: JSON.parse(invite.strippedState) as unknown,
      })),
    };
  }

  private async remove(how: 'kick' | 'ban', id: string, { user_id: user, reason }: RemoveBody) {
    const removed = userId(user);
    await this.rooms[how](roomId(id), removed, reason === undefined ? {} : { reason });
    await this.audit.record(`room.${how}`, { roomId: id, userId: removed });
    return {};
  }

  /** One of our users, the bot when absent: we may sign for nobody else. */
  private ours(value: string | undefined, name: string): UserId {
    const { bot } = this.rooms;
    if (value === undefined) return bot;
    const user = userId(value, name);
    if (serverOfUser(user) === serverOfUser(bot)) return user;
    throw new BadRequestException(`${name} must be a user of ${serverOfUser(bot)}`);
  }

  private async find(id: string): Promise<RoomEntity> {
    const room = await this.reader.room(roomId(id));
    if (room === null) throw new UnknownRoom(roomId(id));
    return room;
  }
}

/** The room or the other server said no; anything else is our own failure. */
const isAnswer = (error: unknown): error is Error =>
  error instanceof RoomRefusal || error instanceof RemoteRefusal || error instanceof RemoteUnavailable;
