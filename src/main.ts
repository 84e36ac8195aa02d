import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from 'nestjs-pino';
import { ADMIN_HTTP, setUpAdmin } from './admin/set-up-admin.js';
import { AppModule } from './app.module.js';
import { type Configuration, ConfigurationError, loadConfiguration } from './config/index.js';

const EXIT_CONFIGURATION = 78; // EX_CONFIG of sysexits.h
const EXIT_START = 1;

async function start(configuration: Configuration): Promise<void> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.forRoot(configuration),
    new FastifyAdapter(ADMIN_HTTP),
    { bufferLogs: true, abortOnError: false },
  );
  app.useLogger(app.get(Logger));
  setUpAdmin(app);
  app.enableShutdownHooks(['SIGINT', 'SIGTERM']); // SIGHUP reloads certificates
  await app.listen(configuration.adminListen.port, configuration.adminListen.host);
}

/** What stopped the start, in a sentence. */
function sentence(error: unknown): string {
  const { code, address, port, message } = error as {
    code?: string;
    address?: string;
    port?: number;
    message?: string;
  };
  if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    const place = `${address ?? ''}:${String(port ?? '')}`;
    return `FEDERATION_LISTEN and ADMIN_LISTEN must name free addresses of this machine: ${place} gives ${code}.`;
  }
  return message ?? String(error);
}

try {
  await start(loadConfiguration(process.env, process.cwd()));
} catch (error) {
  process.stderr.write(`${sentence(error)}\n`);
  process.exit(error instanceof ConfigurationError ? EXIT_CONFIGURATION : EXIT_START);
}
