import { Global, Module } from '@nestjs/common';
import { Backlog } from './backlog.js';
import { Metrics } from './metrics.js';

@Global()
@Module({ providers: [Backlog, Metrics], exports: [Backlog, Metrics] })
export class ObservabilityModule {}
