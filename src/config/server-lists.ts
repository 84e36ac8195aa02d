import { type ServerName, splitServerName } from '../protocol/index.js';

/** Lists of server names in which `*` and `?` may stand: `deny` first, then `allow` (empty: everybody). */
export class ServerLists {
  private readonly allowed: RegExp[];
  private readonly denied: RegExp[];

  constructor(allow: readonly string[], deny: readonly string[]) {
    this.allowed = allow.map(globToRegExp);
    this.denied = deny.map(globToRegExp);
  }

  admit(server: ServerName): boolean {
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
