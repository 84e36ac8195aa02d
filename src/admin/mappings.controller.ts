import {
  BadRequestException,
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Patch,
  Post,
  UseGuards,
} from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Bridge } from '../bridge/bridge.js';
import { MappingsHealth } from '../bridge/mapping-health.js';
import { RoomMappings, admissionOf } from '../mapping/room-mappings.js';
import { Database } from '../persistence/database.js';
import type { RoomMappingEntity } from '../persistence/entities/index.js';
import { AdminGuard } from './admin.guard.js';
import { Audit } from './audit.js';
import { ChangeMappingBody, CreateMappingBody, roomId } from './input.js';

const view = (mapping: RoomMappingEntity) => ({
  id: mapping.id,
  platform: mapping.platform,
  workspace: mapping.workspace,
  channel: mapping.channelId,
  channel_name: mapping.channelName,
  room_id: mapping.roomId,
  state: mapping.state,
  reason: mapping.reason,
  pause_on: mapping.pauseOn,
  kind: mapping.kind,
  membership_mode: mapping.membershipMode,
  history_left: mapping.historyLeft,
  ...admissionOf(mapping),
  carried_position: mapping.carriedPosition,
});

@ApiTags('mappings')
@ApiBearerAuth()
@UseGuards(AdminGuard)
@Controller('_causeway/v1/mappings')
export class MappingsController {
  constructor(
    private readonly bridge: Bridge,
    private readonly mappings: RoomMappings,
    private readonly health: MappingsHealth,
    private readonly audit: Audit,
    private readonly database: Database,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Which native channel is which room' })
  async list() {
    return { mappings: (await this.mappings.all()).map(view) };
  }

  @Get(':id')
  @ApiOperation({
    summary: 'One mapping, and how it fares',
    description:
      '`blocked`: what stops a direction; everything behind it waits. `failing_servers`: who of the room does not answer, since when.',
  })
  async show(@Param('id') id: string) {
    const mapping = await this.find(id);
    const { outbound, inbound, failingServers } = await this.health.of(mapping);
    return {
      ...view(mapping),
      outbound: { behind: outbound.behind, dead: outbound.dead, blocked: outbound.blocked ?? null },
      inbound: { waiting: inbound.waiting, blocked: inbound.blocked ?? null },
      failing_servers: failingServers.map(({ server, since, lastError }) => ({ server, since, last_error: lastError })),
    };
  }

  @Post()
  @ApiOperation({ summary: 'Maps a native channel to a room in which we are; what is said from now on is carried' })
  async create(
    @Body() { platform, workspace, channel, room_id: room, history, allow = [], deny = [] }: CreateMappingBody,
  ) {
    const lists = { allow, deny };
    const mapping = await this.bridge.map(platform, workspace, channel, roomId(room), lists, { history: history ?? 0 });
    await this.audit.record('mapping.create', { id: mapping.id, platform, workspace, channel, roomId: room, ...lists });
    return view(mapping);
  }

  @Patch(':id')
  @ApiOperation({
    summary: 'Pauses or resumes, says which incidents pause it, who becomes a member, or who may take part in its room',
    description: 'What comes while it is paused is carried afterwards.',
  })
  async change(
    @Param('id') id: string,
    @Body() { state, pause_on: pauseOn, membership_mode: mode, allow, deny }: ChangeMappingBody,
  ) {
    if ([state, pauseOn, mode, allow, deny].every((each) => each === undefined)) {
      throw new BadRequestException('state, pause_on, membership_mode, allow or deny is needed');
    }
    return this.database.transaction(async () => {
      const mapping = await this.find(id);
      if (state !== undefined) await this.mappings.setState(mapping, state);
      if (pauseOn !== undefined) await this.mappings.setPauseOn(mapping, pauseOn);
      if (mode !== undefined) await this.mappings.setMembershipMode(mapping, mode);
      if (allow !== undefined || deny !== undefined) {
        const before = admissionOf(mapping);
        await this.mappings.setAdmission(mapping, { allow: allow ?? before.allow, deny: deny ?? before.deny });
      }
      await this.audit.record('mapping.change', { id, state, pauseOn, mode, allow, deny });
      return view(await this.find(id));
    });
  }

  @Delete(':id')
  @HttpCode(200)
  @ApiOperation({ summary: 'Takes channel and room apart; both keep what they have' })
  async remove(@Param('id') id: string) {
    await this.database.transaction(async () => {
      await this.mappings.remove(await this.find(id));
      await this.audit.record('mapping.remove', { id });
    });
    return {};
  }

  private async find(id: string): Promise<RoomMappingEntity> {
    const mapping = await this.mappings.find(id);
    if (mapping === null) throw new NotFoundException(`there is no mapping ${id}`);
    return mapping;
  }
}
