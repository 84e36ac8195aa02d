import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Logger as PinoLogger } from 'nestjs-pino';
import { expect, it } from 'vitest';
import { loggingModule } from './logging.js';

@Module({})
class Empty {}

it('an error that is logged says what it was and where, and none of its other properties', async () => {
  const lines: string[] = [];
  const module = { module: Empty, imports: [loggingModule('info', { write: (line: string) => lines.push(line) })] };
  const app = await NestFactory.createApplicationContext(module, { bufferLogs: true });
  app.useLogger(app.get(PinoLogger));
  const error = Object.assign(new TypeError('no such thing'), { parameters: ['a secret'] });
  new Logger('Test').error({ err: error }, 'it failed');
  await app.close();
  const line = lines.find((each) => each.includes('it failed')) ?? '';
  expect(JSON.parse(line)).toMatchObject({ err: { type: 'TypeError', message: 'no such thing' }, context: 'Test' });
  expect(line).toContain('logging.spec');
  expect(line).not.toContain('a secret');
});
