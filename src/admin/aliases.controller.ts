import {
  BadRequestException,
  Body,
  Controller,
  Delete,
  Get,
  NotFoundException,
  Param,
  Put,
  UseGuards,
} from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Database } from '../persistence/database.js';
import { RoomAliases } from '../rooms/room-aliases.js';
import { AdminGuard } from './admin.guard.js';
import { Audit } from './audit.js';
import { AliasBody, roomAlias, roomId } from './input.js';

@ApiTags('aliases')
@ApiBearerAuth()
@UseGuards(AdminGuard)
@Controller('_causeway/v1/aliases')
export class AliasesController {
  constructor(
    private readonly aliases: RoomAliases,
    private readonly audit: Audit,
    private readonly database: Database,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Our names for rooms: by these, other servers find a room to join or to knock at' })
  async list() {
    const aliases = await this.aliases.all();
    return { aliases: aliases.map(({ alias, roomId: id }) => ({ alias, room_id: id })) };
  }

  @Get(':alias')
  @ApiOperation({ summary: 'Which room has a name, ours or another server’s' })
  async show(@Param('alias') name: string) {
    const target = await this.aliases.resolve(roomAlias(name));
    if (target === undefined) throw new NotFoundException(`there is no room alias ${name}`);
    return { room_id: target.roomId, servers: target.servers };
  }

  @Put(':alias')
  @ApiOperation({ summary: 'Names a room, or moves a name to it' })
  async set(@Param('alias') name: string, @Body() { room_id: id }: AliasBody) {
    const alias = roomAlias(name);
    if (!this.aliases.isOurs(alias)) throw new BadRequestException(`${name} is not a name of this server`);
    await this.database.transaction(async () => {
      await this.aliases.set(alias, roomId(id));
      await this.audit.record('alias.set', { alias, roomId: id });
    });
    return {};
  }

  @Delete(':alias')
  @ApiOperation({ summary: 'Removes a name' })
  async remove(@Param('alias') name: string) {
    const alias = roomAlias(name);
    const removed = await this.database.transaction(async () => {
      const existed = await this.aliases.remove(alias);
      if (existed) await this.audit.record('alias.remove', { alias });
      return existed;
    });
    if (!removed) throw new NotFoundException(`there is no room alias ${name}`);
    return {};
  }
}
