import type { RoomId, ServerName } from '../protocol/index.js';

/** Which servers the operator lets into which rooms. Implemented by `federation`. */
export abstract class Admission {
  /** Whether a server may take part in anything at all. */
  abstract allows(server: ServerName): boolean;

  /** Whether a server may take part in a room; we always may. */
  abstract admits(roomId: RoomId, server: ServerName): Promise<boolean>;

  /** The same of a server that wants something: a refusal is noted for the admin. */
  abstract admitsNow(roomId: RoomId, server: ServerName): Promise<boolean>;
}
