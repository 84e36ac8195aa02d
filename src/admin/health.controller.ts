import { Controller, Get, Header, ServiceUnavailableException } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { FederationServer } from '../federation/edge/federation-server.js';
import { Metrics } from '../observability/metrics.js';
import { Database } from '../persistence/database.js';

/** For the machine that runs us; without a token. */
@ApiTags('health')
@Controller()
export class HealthController {
  constructor(
    private readonly database: Database,
    private readonly federation: FederationServer,
    private readonly metrics: Metrics,
  ) {}

  @Get('healthz')
  @ApiOperation({ summary: 'The process is alive' })
  health() {
    return { status: 'ok' };
  }

  @Get('readyz')
  @ApiOperation({ summary: 'The database can be used and federation listens; 503 with the reasons otherwise' })
  async ready() {
    const database = (await this.database.check()) ?? true;
    const checks = { database, federation: this.federation.listening };
    if (Object.values(checks).some((check) => check !== true)) {
      throw new ServiceUnavailableException(`not ready: ${JSON.stringify(checks)}`);
    }
    return { status: 'ok', checks };
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @ApiOperation({ summary: 'Prometheus metrics' })
  async scrape(): Promise<string> {
    return this.metrics.registry.metrics();
  }
}
