import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Configuration } from '../config/index.js';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The bearer token of ADMIN_TOKEN. */
@Injectable()
export class AdminGuard implements CanActivate {
  private readonly expected: Buffer;

  constructor({ adminToken }: Configuration) {
    this.expected = digest(`Bearer ${adminToken}`);
  }

  canActivate(context: ExecutionContext): boolean {
    const { authorization = '' } = context.switchToHttp().getRequest<FastifyRequest>().headers;
    if (timingSafeEqual(digest(authorization), this.expected)) return true;
    throw new UnauthorizedException('a bearer token is needed: ADMIN_TOKEN');
  }
}
