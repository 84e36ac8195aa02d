import type { DynamicModule } from '@nestjs/common';
import { LoggerModule } from 'nestjs-pino';
import type { DestinationStream } from 'pino';

/**
 * What of an error is logged. Not its other properties: those of a failed query hold its parameters, and so message bodies and
 * keys.
 */
function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack } = error;
  const code = (error as { code?: unknown }).code;
  return { type: name, message, stack, ...(code === undefined ? {} : { code }) };
}

/** JSON lines to stdout: ids, counts and reasons; never bodies, tokens or keys. */
export function loggingModule(level: string, stream?: DestinationStream): DynamicModule {
  const options = {
    level,
    autoLogging: false,
    wrapSerializers: false, // ours read errors and requests themselves, not what pino has made of them
    serializers: {
      err: errorFields,
      req: ({ id, method, url }: { id: unknown; method: string; url: string }) => ({
        id,
        method,
        url: url.split('?')[0],
      }),
      res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
    },
    redact: { paths: ['*.token', '*.authorization', '*.privateKey', '*.body', '*.text'], censor: '[hidden]' },
  };
  return LoggerModule.forRoot({ pinoHttp: stream === undefined ? options : [options, stream] });
}
