import { Body, Controller, Get, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { RoomEntity } from '../persistence/entities/index.js';
import { RoomReader } from '../rooms/room-reader.js';
import { UnknownRoom } from '../rooms/room-log.js';
import { RoomRefusal, Rooms } from '../rooms/rooms.js';
import { AdminGuard } from './admin.guard.js';
import { Audit } from './audit.js';
import {
  CreateRoomBody,
  InviteBody,
  JoinBody,
  LeaveBody,
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
    private readonly audit: Audit,
  ) {}

  @Get('rooms')
  @ApiOperation({ summary: 'Rooms in which we are, or were' })
  async list() {
    return { rooms: (await this.reader.rooms()).map(view) };
  }

  @Post('rooms')
  @ApiOperation({ summary: 'Makes a room of which we are the hub, and invites' })
  async create(@Body() body: CreateRoomBody) {
    const invites = (body.invites ?? []).map((each) => userId(each, 'invites'));
    const creator = body.creator === undefined ? undefined : userId(body.creator, 'creator');
    const id = await this.rooms.create({
      ...(creator === undefined ? {} : { creator }),
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(body.join_rule === undefined ? {} : { joinRule: body.join_rule }),
    });
    await this.audit.record('room.create', { roomId: id, invites });
    for (const invited of invites) await this.rooms.invite(id, invited, creator);
    return { room_id: id };
  }

  @Get('rooms/:roomId')
  @ApiOperation({ summary: 'One room' })
  async show(@Param('roomId') id: string) {
    return view(await this.find(id));
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
    const joiner = user === undefined ? this.rooms.bot : userId(user);
    await this.rooms.join(roomId(id), joiner, undefined, via === undefined ? undefined : serverName(via, 'via'));
    await this.audit.record('room.join', { roomId: id, userId: joiner });
    return {};
  }

  @Post('rooms/:roomId/leave')
  @HttpCode(200)
  @ApiOperation({ summary: 'Leaves a room, or rejects an invite' })
  async leave(@Param('roomId') id: string, @Body() { user_id: user }: LeaveBody) {
    const leaver = user === undefined ? this.rooms.bot : userId(user);
    await this.rooms.leave(roomId(id), leaver);
    await this.audit.record('room.leave', { roomId: id, userId: leaver });
    return {};
  }

  @Post('rooms/:roomId/send')
  @HttpCode(200)
  @ApiOperation({ summary: 'Says something in a room' })
  async send(@Param('roomId') id: string, @Body() { text, sender }: SendBody) {
    const sent = await this.rooms.send({
      roomId: roomId(id),
      sender: sender === undefined ? this.rooms.bot : userId(sender, 'sender'),
      type: 'm.room.message',
      content: { msgtype: 'm.text', body: text },
    });
    if (sent.kind === 'refused') throw new RoomRefusal(sent.refusal);
    await this.audit.record('room.send', { roomId: id });
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
  @ApiOperation({ summary: 'Invites of our users to rooms that we are not in' })
  async invites() {
    const invites = await this.rooms.invites();
    return {
      invites: invites.map((invite) => ({
        room_id: invite.roomId,
        user_id: invite.userId,
        sender: invite.sender,
        hub_server: invite.hubServer,
        received_at: invite.receivedAt,
        stripped_state: JSON.parse(invite.strippedState) as unknown,
      })),
    };
  }

  private async find(id: string): Promise<RoomEntity> {
    const room = await this.reader.room(roomId(id));
    if (room === null) throw new UnknownRoom(roomId(id));
    return room;
  }
}
