import { Inject, Injectable } from '@nestjs/common';
import { Configuration, ServerLists } from '../config/index.js';
import { RoomMappings } from '../mapping/room-mappings.js';
import { Wakeups } from '../persistence/wakeups.js';
import type { RoomId, ServerName } from '../protocol/index.js';
import { Admission } from '../rooms/admission.js';
import { Refusals } from './refusals.js';

/** Who may federate with us (FEDERATION_DENY, FEDERATION_ALLOW), and who may in a room: what all of its mappings allow. */
@Injectable()
export class FederationPolicy extends Admission {
  private readonly lists: ServerLists;
  private readonly serverName: ServerName;
  /** Of rooms with lists alone, as the database has them; undefined until somebody asks, and after each change. */
  private ofRooms: Promise<ReadonlyMap<RoomId, readonly ServerLists[]>> | undefined;

  constructor(
    @Inject(Configuration) { allow, deny, serverName }: Configuration,
    private readonly mappings: RoomMappings,
    private readonly refusals: Refusals,
    wakeups: Wakeups,
  ) {
    super();
    this.lists = new ServerLists(allow, deny);
    this.serverName = serverName;
    const forget = (): void => {
      this.ofRooms = undefined;
    };
    wakeups.on('policy', forget);
    wakeups.onMissed(forget);
  }

  allows(server: ServerName): boolean {
    return this.lists.admit(server);
  }

  async admits(roomId: RoomId, server: ServerName): Promise<boolean> {
    if (server === this.serverName) return true;
    if (!this.allows(server)) return false;
    const lists = (await this.roomLists()).get(roomId) ?? [];
    return lists.every((each) => each.admit(server));
  }

  async admitsNow(roomId: RoomId, server: ServerName): Promise<boolean> {
    const admitted = await this.admits(roomId, server);
    if (!admitted) this.refusals.note(server, 'denied_in_room', roomId);
    return admitted;
  }

  private roomLists(): Promise<ReadonlyMap<RoomId, readonly ServerLists[]>> {
    const loading = this.ofRooms ?? this.load();
    this.ofRooms = loading;
    loading.catch(() => {
      if (this.ofRooms === loading) this.ofRooms = undefined;
    });
    return loading;
  }

  private async load(): Promise<ReadonlyMap<RoomId, readonly ServerLists[]>> {
    const out = new Map<RoomId, ServerLists[]>();
    for (const { roomId, allow, deny } of await this.mappings.admissions()) {
      out.set(roomId, [...(out.get(roomId) ?? []), new ServerLists(allow, deny)]);
    }
    return out;
  }
}
