import { Controller, Get, HttpCode, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Database } from '../persistence/database.js';
import { ServerIdentity } from '../rooms/server-identity.js';
import { AdminGuard } from './admin.guard.js';
import { Audit } from './audit.js';

@ApiTags('keys')
@ApiBearerAuth()
@UseGuards(AdminGuard)
@Controller('_causeway/v1/keys')
export class KeysController {
  constructor(
    private readonly identity: ServerIdentity,
    private readonly audit: Audit,
    private readonly database: Database,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Our signing keys, the one that signs first' })
  list() {
    const { signingKey, expiredKeys } = this.identity;
    return {
      keys: [
        { key_id: signingKey.keyId, public_key: signingKey.publicKey, expired_at: null },
        ...expiredKeys.map(({ keyId, publicKey, expiredAt }) => ({
          key_id: keyId,
          public_key: publicKey,
          expired_at: expiredAt,
        })),
      ],
    };
  }

  @Post('rotate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Makes a new signing key',
    description:
      'It signs at once. The old one is published as old: its signatures on events stay good, requests by it do not.',
  })
  async rotate() {
    const keyId = await this.database.transaction(async () => {
      const made = await this.identity.rotate();
      await this.audit.record('keys.rotate', { keyId: made });
      return made;
    });
    return { key_id: keyId };
  }
}
