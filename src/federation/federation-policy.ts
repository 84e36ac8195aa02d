import { Inject, Injectable } from '@nestjs/common';
import { Configuration } from '../config/index.js';
import { type ServerName, splitServerName } from '../protocol/index.js';

/** Who may federate with us: FEDERATION_DENY first, then FEDERATION_ALLOW (empty: everybody). `*` and `?` as in a glob. */
@Injectable()
export class FederationPolicy {
  private readonly allowed: RegExp[];
  private readonly denied: RegExp[];

  constructor(@Inject(Configuration) { allow, deny }: Configuration) {
    this.allowed = allow.map(globToRegExp);
    this.denied = deny.map(globToRegExp);
  }

  allows(server: ServerName): boolean {
    const { hostname } = splitServerName(server);
    const matches = (globs: RegExp[]): boolean => globs.some((glob) => glob.test(server) || glob.test(hostname));
    return !matches(this.denied) && (this.allowed.length === 0 || matches(this.allowed));
  }
}

function globToRegExp(glob: string): RegExp {
  const pattern = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${pattern}$`, 'i');
}
