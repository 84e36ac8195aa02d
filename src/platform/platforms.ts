import { Injectable } from '@nestjs/common';
import { Configuration } from '../config/index.js';
import { HttpPlatform } from './http/http-platform.js';
import type { Platform } from './port.js';

/** The chats of this company, by kind and workspace. */
@Injectable()
export class Platforms {
  readonly all: readonly Platform[];

  constructor({ platforms }: Configuration) {
    this.all = platforms.map((settings) => new HttpPlatform(settings));
  }

  find(kind: string, workspace: string): Platform | undefined {
    return this.all.find((platform) => platform.kind === kind && platform.workspace === workspace);
  }
}
