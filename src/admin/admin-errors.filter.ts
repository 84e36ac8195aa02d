import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { UnknownPlatform } from '../bridge/bridge.js';
import { MappingConflict } from '../mapping/room-mappings.js';
import { unavailabilityOf } from '../persistence/unavailability.js';
import { PlatformError } from '../platform/port.js';
import { BadHubAnswer } from '../rooms/bad-hub-answer.js';
import { RemoteRefusal, RemoteUnavailable } from '../rooms/remote-servers.js';
import { UnknownRoom } from '../rooms/room-log.js';
import { RoomRefusal } from '../rooms/rooms.js';

interface Answer {
  status: number;
  errcode: string;
  error: string;
}

const CODES: Record<number, string> = {
  400: 'M_BAD_JSON',
  401: 'M_FORBIDDEN',
  403: 'M_FORBIDDEN',
  404: 'M_NOT_FOUND',
  405: 'M_UNRECOGNIZED',
  413: 'M_TOO_LARGE',
};

/** Every error of the admin API is `{errcode, error}` with a sentence for the admin. */
@Catch()
export class AdminErrorsFilter implements ExceptionFilter {
  private readonly logger = new Logger('Admin');

  catch(error: unknown, host: ArgumentsHost): void {
    const { status, ...body } = this.answerTo(error);
    void host.switchToHttp().getResponse<FastifyReply>().status(status).type('application/json').send(body);
  }

  private answerTo(error: unknown): Answer {
    if (error instanceof HttpException) {
      const status = error.getStatus();
      return { status, errcode: CODES[status] ?? 'M_UNKNOWN', error: sentenceOf(error) };
    }
    if (error instanceof RoomRefusal) return { status: 403, errcode: 'M_FORBIDDEN', error: error.message };
    if (error instanceof UnknownRoom || error instanceof UnknownPlatform) {
      return { status: 404, errcode: 'M_NOT_FOUND', error: error.message };
    }
    if (error instanceof MappingConflict) return { status: 409, errcode: 'M_UNKNOWN', error: error.message };
    if (error instanceof PlatformError) {
      const status = error.code === 'channel_gone' ? 404 : 502;
      return { status, errcode: status === 404 ? 'M_NOT_FOUND' : 'M_UNKNOWN', error: error.message };
    }
    if (error instanceof RemoteRefusal) return { status: 502, errcode: error.errcode, error: error.message };
    if (error instanceof RemoteUnavailable || error instanceof BadHubAnswer) {
      return { status: 502, errcode: 'M_UNKNOWN', error: error.message };
    }
    const { statusCode, message } = error as { statusCode?: number; message?: string };
    if (statusCode !== undefined && statusCode < 500) {
      return { status: statusCode, errcode: CODES[statusCode] ?? 'M_UNKNOWN', error: message ?? 'bad request' };
    }
    const unavailable = unavailabilityOf(error);
    if (unavailable !== undefined) {
      return { status: 503, errcode: 'M_UNKNOWN', error: `the database cannot be used: ${unavailable}` };
    }
    this.logger.error({ err: error }, 'an admin request failed');
    return { status: 500, errcode: 'M_UNKNOWN', error: 'an error of this server; see its log' };
  }
}

function sentenceOf(error: HttpException): string {
  const response = error.getResponse();
  const message = typeof response === 'object' && 'message' in response ? response.message : error.message;
  return Array.isArray(message) ? message.join('; ') : String(message);
}
