import { Controller, Get, HttpCode, NotFoundException, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { Bridge } from '../bridge/bridge.js';
import { Configuration } from '../config/index.js';
import { Destinations } from '../federation/delivery/destinations.js';
import { Refusals } from '../federation/refusals.js';
import { Backlog } from '../observability/backlog.js';
import { Database } from '../persistence/database.js';
import { type IncidentEntity, UserMappingEntity } from '../persistence/entities/index.js';
import { INCIDENT_KINDS, Incidents } from '../rooms/incidents.js';
import { ServerIdentity } from '../rooms/server-identity.js';
import { AdminGuard } from './admin.guard.js';
import { Audit } from './audit.js';
import { limit, oneOf, position, roomId, serverName } from './input.js';

const NEWEST_INCIDENTS = 5;

const incidentView = ({ id, kind, server, roomId, eventId, detail, count, at, lastAt }: IncidentEntity) => ({
  id,
  kind,
  server,
  room_id: roomId,
  event_id: eventId,
  detail,
  count,
  at,
  last_at: lastAt,
});

@ApiTags('operations')
@ApiBearerAuth()
@UseGuards(AdminGuard)
@Controller('_causeway/v1')
export class OperationsController {
  constructor(
    private readonly configuration: Configuration,
    private readonly identity: ServerIdentity,
    private readonly database: Database,
    private readonly backlog: Backlog,
    private readonly destinations: Destinations,
    private readonly incidents: Incidents,
    private readonly refusals: Refusals,
    private readonly audit: Audit,
    private readonly bridge: Bridge,
  ) {}

  @Get('status')
  @ApiOperation({ summary: 'Who we are, and what waits where' })
  async status() {
    return {
      server_name: this.identity.serverName,
      key_id: this.identity.signingKey.keyId,
      uptime_s: Math.round(process.uptime()),
      engine: this.database.engine,
      platforms: this.configuration.platforms.map(({ kind, workspace }) => ({ kind, workspace })),
      backlog: await this.backlog.counts(),
      newest_incidents: (await this.incidents.newest(NEWEST_INCIDENTS)).map(incidentView),
    };
  }

  @Get('platforms')
  @ApiOperation({
    summary: 'The chats, and what each can do',
    description:
      'As this process knows it. `ready`: the chat has said what it can. `trouble`: why it cannot be reached as it is configured. What is not among `abilities` and `capabilities` has a fallback (docs/platforms).',
  })
  listPlatforms() {
    return {
      platforms: this.bridge.chats().map(({ kind, workspace, ready, trouble, capabilities: can }) => ({
        kind,
        workspace,
        ready,
        trouble: trouble ?? null,
        abilities: can.abilities,
        capabilities: {
          private_notices: can.privateNotices,
          rich_text: can.richText,
          threads: can.threads,
          replies: can.replies,
          attachments: can.attachments,
          actions: can.actions,
          personal_reactions: can.personalReactions,
          custom_emoji: can.customEmoji,
        },
        max_text_bytes: can.maxTextBytes,
        max_file_bytes: can.maxFileBytes,
      })),
    };
  }

  @Get('destinations')
  @ApiOperation({ summary: 'Other servers: whether they answer, and what waits for them' })
  async listDestinations() {
    const destinations = await this.backlog.destinations();
    return {
      destinations: destinations.map((each) => ({
        server: each.server,
        failing_since: each.failingSince,
        attempts: each.attempts,
        next_attempt_at: each.nextAttemptAt,
        last_error: each.lastError,
        last_success_at: each.lastSuccessAt,
        waiting_lpdus: each.waitingLpdus,
        rooms: each.rooms.map(({ roomId, behind }) => ({ room_id: roomId, behind })),
      })),
    };
  }

  @Get('refusals')
  @ApiOperation({
    summary: 'Servers whose requests this process has refused since its start, the last one first',
    description:
      '`denied`: by FEDERATION_ALLOW and FEDERATION_DENY, where the name is what somebody called himself; `denied_in_room`: by the lists of a mapping; `rate_limited`.',
  })
  listRefusals() {
    return {
      refusals: this.refusals.all().map(({ server, counts, last }) => ({
        server,
        counts,
        last_reason: last.reason,
        last_room_id: last.roomId ?? null,
        last_at: last.at,
      })),
    };
  }

  @Post('destinations/:server/retry')
  @HttpCode(200)
  @ApiOperation({ summary: 'Tries at once instead of after the backoff' })
  async retry(@Param('server') name: string) {
    const server = serverName(name);
    const known = (await this.backlog.destinations()).some((each) => each.server === server);
    if (!known) throw new NotFoundException(`nothing was ever sent to ${server}`);
    await this.database.transaction(async () => {
      await this.destinations.retryNow(server);
      await this.audit.record('destination.retry', { server });
    });
    return {};
  }

  @Get('incidents')
  @ApiOperation({
    summary: 'What other servers did against the protocol, newest first',
    description: 'Without the evidence. `next`: what to give as `before` for older ones; null when there are none.',
  })
  @ApiQuery({ name: 'server', required: false })
  @ApiQuery({ name: 'room_id', required: false })
  @ApiQuery({ name: 'kind', required: false, enum: INCIDENT_KINDS })
  @ApiQuery({ name: 'before', required: false, description: 'Only incidents with a lower id.' })
  @ApiQuery({ name: 'limit', required: false })
  async listIncidents(@Query() query: Record<'server' | 'room_id' | 'kind' | 'before' | 'limit', string | undefined>) {
    const { server, room_id: room, kind, before } = query;
    const most = limit(query.limit);
    const where = {
      ...(server === undefined ? {} : { server: serverName(server) }),
      ...(room === undefined ? {} : { roomId: roomId(room) }),
      ...(kind === undefined ? {} : { kind: oneOf(INCIDENT_KINDS, kind, 'kind') }),
      ...(before === undefined ? {} : { before: position(before, 'before', 0) }),
    };
    const rows = await this.incidents.list(where, most + 1);
    const page = rows.slice(0, most);
    return { incidents: page.map(incidentView), next: rows.length > most ? (page.at(-1)?.id ?? null) : null };
  }

  @Get('incidents/:id')
  @ApiOperation({
    summary: 'One incident with its evidence',
    description:
      '`evidence.received` is what the server gave, `evidence.known` what it contradicts. May hold messages.',
  })
  async showIncident(@Param('id') id: string) {
    const row = await this.incidents.find(position(id, 'id', 0));
    if (row === null) throw new NotFoundException(`there is no incident ${id}`);
    return { ...incidentView(row), evidence: row.evidence === null ? null : (JSON.parse(row.evidence) as unknown) };
  }

  @Get('users')
  @ApiOperation({ summary: 'Which person of the company is which user' })
  @ApiQuery({ name: 'limit', required: false })
  async users(@Query('limit') most?: string) {
    const rows = await this.database.read.find(UserMappingEntity, { order: { userId: 'ASC' }, take: limit(most) });
    return {
      users: rows.map((row) => ({
        user_id: row.userId,
        platform: row.platform,
        workspace: row.workspace,
        native_id: row.nativeUserId,
        display_name: row.displayName,
      })),
    };
  }

  @Get('audit')
  @ApiOperation({ summary: 'What was changed by this API, newest first' })
  @ApiQuery({ name: 'limit', required: false })
  async listAudit(@Query('limit') most?: string) {
    const rows = await this.audit.newest(limit(most));
    return {
      entries: rows.map(({ actor, action, detail, at }) => ({
        actor,
        action,
        detail: JSON.parse(detail) as unknown,
        at,
      })),
    };
  }
}
