import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** The name of this process among the gateways on one database: another one after each start. */
export class GatewayName {
  readonly value = `${hostname().slice(0, 64)}/${String(process.pid)}/${randomBytes(6).toString('hex')}`;
}
