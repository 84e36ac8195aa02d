import {
  ConflictException,
  Controller,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Post,
  Query,
  UseGuards,
} from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { DELIVERY_STATES, Deliveries, DeliveryConflict } from '../bridge/deliveries.js';
import { INBOX_STATES, Inbox } from '../bridge/inbox.js';
import { Database } from '../persistence/database.js';
import { LpduOutEntity, type LpduState } from '../persistence/entities/index.js';
import { AdminGuard } from './admin.guard.js';
import { Audit } from './audit.js';
import { limit, oneOf } from './input.js';

const LPDU_STATES: readonly LpduState[] = ['pending', 'sent', 'refused'];

/** What is on its way, in each direction, and what got stuck; never what was said. */
@ApiTags('deliveries')
@ApiBearerAuth()
@UseGuards(AdminGuard)
@Controller('_causeway/v1')
export class DeliveriesController {
  constructor(
    private readonly all: Deliveries,
    private readonly inbox: Inbox,
    private readonly database: Database,
    private readonly audit: Audit,
  ) {}

  @Get('deliveries')
  @ApiOperation({ summary: 'Calls to chats: dead ones when no state is given' })
  @ApiQuery({ name: 'state', required: false, enum: DELIVERY_STATES })
  @ApiQuery({ name: 'limit', required: false })
  async list(@Query('state') state = 'dead', @Query('limit') most?: string) {
    const rows = await this.all.list(oneOf(DELIVERY_STATES, state, 'state'), limit(most));
    return {
      deliveries: rows.map((row) => ({
        id: row.id,
        mapping_id: row.mappingId,
        kind: row.kind,
        subject: row.subject,
        state: row.state,
        attempts: row.attempts,
        next_attempt_at: row.nextAttemptAt,
        reason: row.reason,
        created_at: row.createdAt,
      })),
    };
  }

  @Post('deliveries/:id/retry')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Tries a call now',
    description: 'A dead one is made as a late message at the end of its channel: its place is behind others.',
  })
  retry(@Param('id') id: string) {
    return this.change('retry', id);
  }

  @Post('deliveries/:id/discard')
  @HttpCode(200)
  @ApiOperation({ summary: 'Gives a call up: what comes after it goes on, and the channel is told in its place' })
  discard(@Param('id') id: string) {
    return this.change('discard', id);
  }

  @Get('inbox')
  @ApiOperation({
    summary: 'Native messages: those that wait when no state is given. One that fails stops its channel',
  })
  @ApiQuery({ name: 'state', required: false, enum: INBOX_STATES })
  @ApiQuery({ name: 'limit', required: false })
  async listInbox(@Query('state') state = 'waiting', @Query('limit') most?: string) {
    const rows = await this.inbox.list(oneOf(INBOX_STATES, state, 'state'), limit(most));
    return {
      inbox: rows.map((row) => ({
        platform: row.platform,
        workspace: row.workspace,
        native_event_id: row.nativeEventId,
        channel: row.channelId,
        state: row.state,
        attempts: row.attempts,
        failing_since: row.failingSince,
        reason: row.reason,
        received_at: row.receivedAt,
      })),
    };
  }

  @Post('inbox/:platform/:workspace/:nativeEventId/discard')
  @HttpCode(200)
  @ApiOperation({ summary: 'Takes out a native message that waits: its channel goes on, and its author is told' })
  async discardInbox(
    @Param('platform') platform: string,
    @Param('workspace') workspace: string,
    @Param('nativeEventId') nativeEventId: string,
  ) {
    return this.database.transaction(async () => {
      const key = { platform, workspace, nativeEventId };
      if (!(await this.inbox.discard(key))) throw new NotFoundException(`no native event ${nativeEventId} waits`);
      await this.audit.record('inbox.discard', key);
      return {};
    });
  }

  @Get('lpdus')
  @ApiOperation({
    summary: 'What we sent to hubs: refused when no state is given',
    description: '`pending`: not taken yet; `sent`: taken, and its PDU has not come back; `refused`: with the reason.',
  })
  @ApiQuery({ name: 'state', required: false, enum: LPDU_STATES })
  @ApiQuery({ name: 'limit', required: false })
  async listLpdus(@Query('state') state = 'refused', @Query('limit') most?: string) {
    const rows = await this.database.read.find(LpduOutEntity, {
      where: { state: oneOf(LPDU_STATES, state, 'state') },
      order: { sequence: 'DESC' },
      take: limit(most),
    });
    return {
      lpdus: rows.map((row) => ({
        lpdu_hash: row.lpduHash,
        room_id: row.roomId,
        hub_server: row.hubServer,
        type: row.type,
        state: row.state,
        reason: row.refusal,
        created_at: row.createdAt,
      })),
    };
  }

  private async change(how: 'retry' | 'discard', id: string) {
    try {
      await this.database.transaction(async () => {
        await this.all[how](id);
        await this.audit.record(`delivery.${how}`, { id });
      });
      return {};
    } catch (error) {
      if (!(error instanceof DeliveryConflict)) throw error;
      throw error.unknown ? new NotFoundException(error.message) : new ConflictException(error.message);
    }
  }
}
